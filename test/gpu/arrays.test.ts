/** @file Arrays on a device across runs: who owns their memory, when it is reused, and which uses are errors. */
import { afterAll, describe, expect, test, vi } from "vitest";
import { at } from "../../compiler/graph/errors.ts";
import { type NdArray, ndarray } from "../../compiler/graph/ndarray.ts";
import {
  add,
  cast,
  concat,
  dot,
  interpret,
  mul,
  not,
  scatterAdd,
  sum,
  type Tensor,
  tanh,
  traceGraph,
} from "../../index.ts";
import { numbers } from "../support/same-after.ts";
import { openWebgpu } from "../support/webgpu.ts";
import { difference } from "../train/devices.ts";

type Float = Tensor<"f32">;

const device = await openWebgpu();
afterAll(() => device.destroy());

/** A graph with intermediate values and two results. */
const graph = traceGraph(
  "network",
  [
    { name: "x", dtype: "f32", shape: ["N", 8] },
    { name: "w", dtype: "f32", shape: [8, 8] },
  ],
  ([x, w]) => {
    const hidden = tanh(dot(tanh(dot(x as Float, w as Float)), w as Float));
    return [sum(hidden, 1), dot(hidden, w as Float)];
  },
);
const w = numbers([8, 8], 1);

async function expectRight(results: readonly { read: () => Promise<NdArray> }[], x: NdArray): Promise<void> {
  const expected = interpret(graph, [x, w]);
  for (const [i, result] of results.entries())
    expect(difference((await result.read()).data, at(expected, i).data)).toBeLessThan(1e-5);
}

test("one program serves growing and shrinking sizes and changing arrays, with all runs in flight at once", async () => {
  const executable = await device.compile(graph);
  const inputs = [3, 700, 3, 90].map((rows, seed) => numbers([rows, 8], seed));
  const uploaded = inputs.map((x) => device.upload(x));
  const runs = [...inputs, ...uploaded].map((x) => executable.run({ x, w }));
  for (const [i, results] of runs.entries()) {
    await expectRight(results, at(inputs, i % inputs.length));
    for (const result of results) result.destroy();
  }
  executable.destroy();
});

test("empty arrays are not written: some hosts crash on an empty write", async () => {
  const write = vi.spyOn(GPUQueue.prototype, "writeBuffer");
  const executable = await device.compile(graph);
  const none = ndarray([0, 8], []);
  for (const x of [none, device.upload(none)]) {
    const results = executable.run({ x, w });
    await expectRight(results, none);
    for (const result of results) result.destroy();
  }
  const written = write.mock.calls.map(([, , data]) => data.byteLength);
  expect(written.length).toBeGreaterThan(0);
  expect(Math.min(...written)).toBeGreaterThan(0);
  write.mockRestore();
  executable.destroy();
});

test("a program that runs again sees nothing of the previous run", async () => {
  const inputs = [
    { name: "i", dtype: "i32", shape: [5] },
    { name: "x", dtype: "f32", shape: [5, 3] },
  ] as const;
  const again = traceGraph("again", inputs, ([i, x]) => {
    const scattered = scatterAdd(i as Tensor<"i32">, x as Float, 4);
    return [scattered, sum(scattered, 0), mul(scattered, 2)];
  });
  const given = { i: ndarray([5], [3, 0, 3, 1, 9], "i32"), x: numbers([5, 3], 6) };
  const executable = await device.compile(again);
  const expected = interpret(again, [given.i, given.x]);
  for (let run = 0; run < 3; run++) {
    const results = await Promise.all(executable.run(given).map((result) => result.read()));
    for (const [k, { data }] of results.entries()) expect(difference(data, at(expected, k).data)).toBeLessThan(1e-6);
  }
  executable.destroy();
});

test("freed memory is reused, and none is left at the end", async () => {
  device.trim();
  const before = device.memory();
  const executable = await device.compile(graph, { readback: [0] });
  const x = numbers([30, 8], 2);
  const run = async () => {
    const [staged, kept] = executable.run({ x, w });
    await kept?.read();
    staged?.destroy();
    kept?.destroy();
  };
  await run();
  await run();
  const warm = device.memory();
  for (let i = 0; i < 5; i++) await run();
  expect(device.memory()).toEqual(warm);
  executable.destroy();
  device.trim();
  expect(device.memory()).toEqual(before);
});

test("results that are alive at once do not share memory", async () => {
  const executable = await device.compile(graph, { readback: [1] });
  const inputs = [numbers([30, 8], 3), numbers([30, 8], 4), numbers([30, 8], 5)];
  // Memory freed by the first may serve the others, for results or for staging.
  const first = executable.run({ x: at(inputs, 0), w });
  await expectRight(first, at(inputs, 0));
  for (const result of first) result.destroy();
  const others = inputs.slice(1).map((x) => executable.run({ x, w }));
  for (const [i, results] of others.entries()) await expectRight(results, at(inputs, i + 1));
  for (const result of others.flat()) result.destroy();
  executable.destroy();
});

test("numbers of every dtype come back unchanged", async () => {
  const inputs = [
    { name: "i", dtype: "i32", shape: [3] },
    { name: "u", dtype: "u32", shape: [2] },
    { name: "b", dtype: "bool", shape: [2] },
    { name: "x", dtype: "f32", shape: [2] },
  ] as const;
  const each = traceGraph("each", inputs, ([i, u, b, x]) => [
    add(i as Tensor<"i32">, 1),
    add(u as Tensor<"u32">, 1),
    not(b as Tensor<"bool">),
    cast(x as Float, "i32"),
    concat([u, u] as Tensor<"u32">[], 0),
  ]);
  const executable = await device.compile(each);
  const given = {
    i: ndarray([3], [-2147483648, -1, 2147483646], "i32"),
    u: ndarray([2], [4294967294, 7], "u32"),
    b: ndarray([2], [1, 0], "bool"),
    x: ndarray([2], [-1.5, 2.5]),
  };
  const uploaded = Object.fromEntries(Object.entries(given).map(([name, value]) => [name, device.upload(value)]));
  for (const inputsOf of [given, uploaded]) {
    const results = await Promise.all(executable.run(inputsOf).map((result) => result.read()));
    expect(results.map(({ dtype, data }) => [dtype, ...data])).toEqual([
      ["i32", -2147483647, 0, 2147483647],
      ["u32", 4294967295, 8],
      ["bool", 0, 1],
      ["i32", -1, 2],
      ["u32", 4294967294, 7, 4294967294, 7],
    ]);
  }
  executable.destroy();
});

describe("an error is", () => {
  const doubled = traceGraph("doubled", [{ name: "x", dtype: "f32", shape: ["N"] }], ([x]) => [mul(x as Float, 2)]);
  const x = ndarray([2], [1, 2]);

  test("a read or run of a donated array", async () => {
    const executable = await device.compile(doubled, { donate: { x: 0 } });
    const array = device.upload(x);
    const [result] = executable.run({ x: array });
    expect([...((await result?.read())?.data ?? [])]).toEqual([2, 4]);
    await expect(array.read()).rejects.toThrow("this array was destroyed, or donated to a run that wrote over it");
    expect(() => executable.run({ x: array })).toThrow(/^doubled: input x was destroyed,? or donated/);
    expect(() => executable.run({ x })).toThrow("doubled: input x is donated, so it must be a device array");
    executable.destroy();
  });

  test("a use of a destroyed array, and a run with a readback result", async () => {
    const executable = await device.compile(doubled, { readback: [0] });
    const array = device.upload(x);
    array.destroy();
    await expect(array.read()).rejects.toThrow("this array was destroyed");
    expect(() => executable.run({ x: array })).toThrow(/^doubled: input x was destroyed,? or donated/);
    const [staged] = executable.run({ x });
    if (staged === undefined) throw new Error("no result");
    expect(() => executable.run({ x: staged })).toThrow(
      "doubled: input x is a readback result, which only the host can read",
    );
    staged.destroy();
    executable.destroy();
  });

  test.each<[string, Record<string, NdArray>, string]>([
    ["a missing input", {}, "doubled: input x is missing"],
    ["an input of another shape", { x: numbers([2, 2], 1) }, "doubled: input x: expected 1 axes [N], got 2 [2, 2]"],
    ["an input of another dtype", { x: ndarray([2], [1, 2], "i32") }, "doubled: input x is i32; expected f32"],
  ])("%s", async (_, inputs, fault) => {
    const executable = await device.compile(doubled);
    expect(() => executable.run(inputs)).toThrow(fault);
    const uploaded = Object.entries(inputs).map(([name, value]) => [name, device.upload(value)] as const);
    expect(() => executable.run(Object.fromEntries(uploaded))).toThrow(fault);
    for (const [, array] of uploaded) array.destroy();
    executable.destroy();
  });

  test("any use of a destroyed device", async () => {
    const gone = await openWebgpu();
    const executable = await gone.compile(doubled);
    const array = gone.upload(x);
    gone.destroy();
    const lost = /^the device .* was lost: it was destroyed/;
    expect(() => executable.run({ x })).toThrow(lost);
    expect(() => gone.upload(x)).toThrow(lost);
    await expect(array.read()).rejects.toThrow(lost);
    await expect(gone.compile(doubled)).rejects.toThrow(lost);
  });
});
