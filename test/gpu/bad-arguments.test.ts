/** @file Wrong calls of a compiled graph, and their error messages: on the device, and in the interpreter. */
import { afterAll, describe, expect, test } from "vitest";
import { at } from "../../compiler/graph/errors.ts";
import {
  add,
  type CompileOptions,
  type Device,
  type DeviceArray,
  dimSize,
  mul,
  type NamedAval,
  type NdArray,
  ndarray,
  openDevice,
  sum,
  type Tensor,
  traceGraph,
} from "../../index.ts";
import { lineOfPromise } from "../support/refused.ts";
import { openWebgpu } from "../support/webgpu.ts";
import { rowsSaid } from "../trust/fault-table.ts";

type Float = Tensor<"f32">;

const [device, other, exact] = await Promise.all([openWebgpu(), openWebgpu(), openDevice({ device: "interpreter" })]);
afterAll(() => {
  device.destroy();
  other.destroy();
});

const rows: NamedAval = { name: "x", dtype: "f32", shape: ["B", 2] };
const graph = traceGraph("g", [rows, { ...rows, name: "y" }], ([x, y]) => [
  add(x as Float, y as Float),
  sum(mul(x as Float, y as Float)),
]);
const array = (shape: readonly number[], dtype: NdArray["dtype"] = "f32") =>
  ndarray(shape, new Array<number>(shape.reduce((a, b) => a * b, 1)).fill(1), dtype);

type Inputs = Record<string, NdArray | DeviceArray>;

async function run(on: Device, inputs: () => Inputs | Promise<Inputs>, options: CompileOptions = {}): Promise<void> {
  const program = await on.compile(graph, options);
  try {
    await Promise.all(program.run(await inputs()).map((result) => result.read()));
  } finally {
    program.destroy();
  }
}

const x = array([3, 2]);

const misfits: readonly (readonly [given: string, inputs: Inputs, line: string])[] = [
  ["a missing input", { x }, "g: input y is missing"],
  ["rows that differ", { x, y: array([4, 2]) }, "g: input y: axis 0 is B=3 elsewhere, got 4 in [4, 2]"],
  ["integers", { x: array([3, 2], "i32"), y: x }, "g: input x is i32; expected f32"],
  [
    "a shape that does not match the data",
    { x, y: { ...x, data: x.data.slice(1) } },
    "g: input y has 5 numbers; its shape [3, 2] holds 6",
  ],
];
describe("inputs that do not fit", () => {
  test.each(misfits)("%s", async (_, inputs, line) => {
    for (const on of [device, exact]) expect(await lineOfPromise(() => run(on, () => inputs)), on.name).toBe(line);
  });

  test("an array of another device", async () => {
    const line = "g: input x is an array of another device; read it there and upload it here";
    const between: readonly (readonly [from: Device, to: Device])[] = [
      [other, device],
      [exact, device],
      [device, exact],
    ];
    for (const [from, to] of between)
      expect(
        await lineOfPromise(() => run(to, () => ({ x: from.upload(x), y: x }))),
        `${from.name} to ${to.name}`,
      ).toBe(line);
  });

  test("an array of integers that is on the device already", async () => {
    expect(await lineOfPromise(() => run(device, () => ({ x: device.upload(array([3, 2], "u32")), y: x })))).toBe(
      "g: input x is u32; expected f32",
    );
  });

  test("an array that was destroyed", async () => {
    const gone = device.upload(x);
    gone.destroy();
    gone.destroy();
    expect(await lineOfPromise(() => run(device, () => ({ x: gone, y: x })))).toBe(
      "g: input x was destroyed, or donated to an earlier run; upload it again",
    );
    expect(await lineOfPromise(() => gone.read())).toBe(
      "this array was destroyed, or donated to a run that wrote over it; read it before that",
    );
  });
});

const donations: readonly (readonly [given: string, donate: Record<string, number>, line: string])[] = [
  ["of an unknown input", { z: 0 }, "donate: there is no input z in g"],
  ["to an unknown output", { x: 7 }, "donate: there is no output 7 in g"],
  ["to an output of another size", { x: 1 }, "donate: input x and output 1 of g differ in dtype or size"],
  ["of two inputs to one output", { x: 0, y: 0 }, "donate: output 0 of g can reuse the memory of only one input"],
];
describe("donation", () => {
  test.each(donations)("%s", async (_, donate, line) => {
    expect(await lineOfPromise(() => device.compile(graph, { donate }))).toBe(line);
  });

  test("of a host array", async () => {
    expect(await lineOfPromise(() => run(device, () => ({ x, y: x }), { donate: { x: 0 } }))).toBe(
      "g: input x is donated, so it must be a device array: upload it",
    );
  });

  test("of an array that is also another input; it is not overwritten", async () => {
    const both = device.upload(x);
    expect(await lineOfPromise(() => run(device, () => ({ x: both, y: both }), { donate: { x: 0 } }))).toBe(
      "g: inputs x and y are the same array, and a donated one is overwritten; give two arrays",
    );
    expect((await both.read()).data).toEqual(x.data);
    await run(device, () => ({ x: both, y: both }));
    both.destroy();
  });
});

describe("a readback result", () => {
  test("cannot be an input, and cannot be read after it is destroyed", async () => {
    const program = await device.compile(graph, { readback: [0, 1] });
    const [first, second] = program.run({ x, y: x }) as [DeviceArray, DeviceArray];
    expect(await lineOfPromise(async () => program.run({ x: first, y: x }))).toBe(
      "g: input x is a readback result, which only the host can read; compile its producer without readback",
    );
    second.destroy();
    expect(await lineOfPromise(() => second.read())).toBe("this result was destroyed; read it before that");
    expect([...(await first.read()).data]).toEqual([2, 2, 2, 2, 2, 2]);
    program.destroy();
  });

  test("that is destroyed twice serves one later run, not two", async () => {
    const program = await device.compile(graph, { readback: [1] });
    for (const result of program.run({ x, y: x })) for (let times = 0; times < 2; times++) result.destroy();
    const twoRuns = [1, 2].map((factor) => at(program.run({ x, y: { ...x, data: x.data.map(() => factor) } }), 1));
    expect(await Promise.all(twoRuns.map(async (result) => (await result.read()).data[0]))).toEqual([6, 12]);
    program.destroy();
  });
});

describe("no rows", () => {
  test("can be run and profiled, and their sums are 0", async () => {
    const none = array([0, 2]);
    const program = await device.compile(graph);
    const [sums, total] = await Promise.all(program.run({ x: none, y: none }).map((result) => result.read()));
    expect([sums?.shape, sums?.data.length, total?.data[0]]).toEqual([[0, 2], 0, 0]);
    expect((await program.profile({ x: none, y: none })).map(({ dispatches }) => dispatches)).toEqual([1]);
    program.destroy();
  });

  test("a graph that computes nothing has no kernels to time", async () => {
    const identity = traceGraph("same", [rows], ([input]) => [input as Float]);
    const same = await device.compile(identity, { donate: { x: 0 } });
    const given = device.upload(x);
    expect(await same.profile({ x: given })).toEqual([]);
    expect([...((await same.run({ x: given })[0]?.read())?.data ?? [])]).toEqual([...x.data]);
    same.destroy();
  });
});

test("a size that no input determines", async () => {
  const size = traceGraph("size", [rows], ([input]) => [add(input as Float, dimSize("T"))]);
  const program = await device.compile(size);
  expect(await lineOfPromise(async () => program.run({ x }))).toBe("size: no input determines the size of T");
  program.destroy();
});

test("docs/trust.md says how many rows there are", () => {
  expect(rowsSaid("gpu/bad-arguments.test.ts")).toBe(misfits.length + donations.length);
});
