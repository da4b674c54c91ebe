/**
 * @file Loops over time where a mistake would change values: states that swap, that others read, or that are cut
 * between chunks; stages that wait for each other; mixed rows. Each runs on both kinds of target, persistently (whole
 * and in chunks) if it can, and stepwise. Sizes leave a remainder in every workgroup and tile.
 */
import { afterAll, describe, expect, test } from "vitest";
import { compileProgram } from "../../compiler/compile.ts";
import { at } from "../../compiler/graph/errors.ts";
import type { Graph } from "../../compiler/graph/graph.ts";
import {
  add,
  broadcast,
  cast,
  concat,
  dot,
  gather,
  less,
  mul,
  ones,
  pad,
  reshape,
  scanTensors,
  scatterAdd,
  slice,
  softmax,
  sum,
  type Tensor,
  tanh,
  traceGraph,
  transpose,
  where,
  zeros,
} from "../../index.ts";
import { ProgramRunner } from "../support/programs.ts";
import { numbers } from "../support/same-after.ts";

type Float = Tensor<"f32">;

const runner = await ProgramRunner.open();
afterAll(() => runner.destroy());

const [time, rows, units] = [5, 11, 13];
const inputs = [
  { name: "x", dtype: "f32", shape: ["T", "B", units] },
  { name: "h", dtype: "f32", shape: ["B", units] },
  { name: "u", dtype: "f32", shape: [units, units] },
  { name: "v", dtype: "f32", shape: [units, units] },
] as const;
const arrays = [
  [time, rows, units],
  [rows, units],
  [units, units],
  [units, units],
].map(numbers);

interface Given {
  readonly x: Float;
  readonly h: Float;
  readonly u: Float;
  readonly v: Float;
}
const traced = (f: (given: Given) => readonly Tensor[]): Graph =>
  traceGraph("loop", inputs, ([x, h, u, v]) => f({ x: x as Float, h: h as Float, u: u as Float, v: v as Float }));
const all = ({ carries, ys }: { readonly carries: readonly Tensor[]; readonly ys: readonly Tensor[] }) => [
  ...carries,
  ...ys,
];

/** A scaled product, so that states neither vanish nor saturate. */
const half = (a: Float, b: Float) => mul(dot(a, b), 0.3);

const cases: Readonly<Record<string, Graph>> = {
  "states that swap, read at other positions": traced(({ x, h, u, v }) =>
    all(
      scanTensors(
        (state, [row]) => {
          const [a, b] = [at(state, 0) as Float, at(state, 1) as Float];
          return { carries: [tanh(add(half(b, u), row as Float)), add(mul(a, 0.5), half(a, v))], ys: [a] };
        },
        [h, mul(h, 2)],
        [x],
      ),
    ),
  ),
  "a state that a later stage reads as it was before the step": traced(({ x, h, u }) =>
    all(
      scanTensors(
        ([state], [row]) => {
          const before = state as Float;
          const next = add(mul(before, 0.5), row as Float);
          return { carries: [next], ys: [tanh(add(half(next, u), before))] };
        },
        [h],
        [x],
      ),
    ),
  ),
  "a gate before a product, from the last step to the first": traced(({ x, h, u, v }) =>
    all(
      scanTensors(
        ([state], [row]) => {
          const before = state as Float;
          const gate = tanh(add(half(before, u), row as Float));
          const next = tanh(half(mul(gate, before), v));
          return { carries: [add(mul(gate, before), next)], ys: [softmax(next)] };
        },
        [h],
        [x],
        { reverse: true },
      ),
    ),
  ),
  "states that are not floats, and a matrix": traced(({ x, h }) =>
    all(
      scanTensors(
        ([count, flag, matrix], [row]) => {
          const turned = less(row as Float, cast(count as Tensor<"i32">, "f32"));
          const side = reshape(row as Float, ["B", 1, units]);
          const next = add(mul(matrix as Float, 0.5), where(reshape(flag as Tensor<"bool">, ["B", 1, units]), side, 1));
          return {
            carries: [add(count as Tensor<"i32">, cast(turned, "i32")), turned, next],
            ys: [sum(next, 1)],
          };
        },
        [cast(h, "i32"), less(h, 0), concat([reshape(h, ["B", 1, units]), reshape(mul(h, 2), ["B", 1, units])], 1)],
        [x],
      ),
    ),
  ),
  "a loop in a loop, both backwards": traced(({ x, h, u }) =>
    all(
      scanTensors(
        ([state], [row]) => {
          const inner = scanTensors(
            ([total], [w]) => ({
              carries: [tanh(add(half(total as Float, w as Float), row as Float))],
              ys: [total as Float],
            }),
            [state as Float],
            [reshape(concat([u, mul(u, 0.5), mul(u, 0.25)], 0), [3, units, units])],
            { reverse: true },
          );
          return { carries: inner.carries, ys: inner.ys };
        },
        [h],
        [x],
        { reverse: true },
      ),
    ),
  ),
};

const sizes = { target: ["gpu", "software"], schedule: ["persistent", "chunks of 2 steps", "stepwise"] } as const;

describe.each(Object.entries(cases))("%s", (name, graph) => {
  const schedules = name.startsWith("a loop in a loop") ? (["stepwise"] as const) : sizes.schedule;
  test.each(sizes.target.flatMap((target) => schedules.map((schedule) => [target, schedule] as const)))(
    "for a target %s, %s",
    async (target, schedule) => {
      const how =
        schedule === "stepwise"
          ? { schedule }
          : { schedule: "persistent" as const, ...(schedule === "persistent" ? {} : { chunkSteps: 2 }) };
      expect(await runner.error(graph, arrays, { target, ...how })).toBeLessThan(1e-5);
    },
  );
});

test.each(sizes.target)("several columns and rows per invocation, for a target %s", async (target) => {
  const width = 32;
  const tiled = traceGraph(
    "tiled",
    [
      { name: "x", dtype: "f32", shape: ["T", "B", width] },
      { name: "w", dtype: "f32", shape: [width, width] },
    ],
    ([x, w]) =>
      all(
        scanTensors(
          ([h], [row]) => ({ carries: [tanh(add(half(h as Float, w as Float), row as Float))], ys: [h as Float] }),
          [zeros(["B", width])],
          [x as Float],
        ),
      ),
  );
  const given = [numbers([time, rows, width], 1), numbers([width, width], 2)];
  const options = { target, schedule: "persistent", tuning: { persistentColumns: 4, persistentRows: 4 } } as const;
  expect(await runner.error(tiled, given, options)).toBeLessThan(1e-5);
});

test("a persistent loop can be nested in any number of loops", async () => {
  const nested = traceGraph("nested", [{ name: "h", dtype: "f32", shape: ["B", 4] }], ([h]) => {
    const deeper = (depth: number, state: Float): Float => {
      if (depth === 0) return tanh(add(mul(state, 0.5), 0.25));
      const step = ([carry]: readonly Tensor[]) => ({ carries: [deeper(depth - 1, carry as Float)], ys: [] });
      return at(scanTensors(step, [state], [], { length: 2 }).carries, 0) as Float;
    };
    return [deeper(5, h as Float)];
  });
  const schedules = compileProgram(nested).schedules.map(({ schedule }) => schedule);
  expect(schedules.filter((schedule) => schedule === "persistent")).toHaveLength(1);
  expect(await runner.error(nested, [numbers([rows, 4], 1)], {})).toBeLessThan(1e-5);
});

test("a persistent loop uses as many rows as fit in workgroup memory, and at most the allowed number of lanes", () => {
  const wide = (width: number) =>
    traceGraph(
      "wide",
      [
        { name: "x", dtype: "f32", shape: ["T", "B", width] },
        { name: "w", dtype: "f32", shape: [width, width] },
      ],
      ([x, w]) =>
        all(
          scanTensors(
            ([h], [row]) => ({ carries: [tanh(add(dot(h as Float, w as Float), row as Float))], ys: [] }),
            [zeros(["B", width])],
            [x as Float],
          ),
        ),
    );
  // verifyProgram rejects programs above these limits.
  for (const width of [300, 900]) {
    const program = compileProgram(wide(width), { target: "software", schedule: "persistent" });
    const rowsOf = program.steps.flatMap((step) => (step.kind === "dispatch" ? step.grid : []));
    expect(at(rowsOf, rowsOf.length - 1).rowsPer).toBe(width === 300 ? 4 : 2);
    const { kernels } = compileProgram(wide(width), { target: "gpu", schedule: "persistent" });
    // 75 or 225 lanes for columns, twice as many if they share the depth, in groups of 64.
    expect(Math.max(...kernels.map(({ workgroupSize }) => workgroupSize))).toBe(width === 300 ? 192 : 256);
    // One column to a lane, as a tuning may ask for.
    const tuned = compileProgram(wide(width), {
      target: "gpu",
      schedule: "persistent",
      tuning: { persistentColumns: 1 },
    });
    expect(Math.max(...tuned.kernels.map(({ workgroupSize }) => workgroupSize))).toBe(256);
  }
});

describe("rows that are mixed are never split among workgroups:", () => {
  const side = 3;
  const square = [
    { name: "x", dtype: "f32", shape: ["T", side, side] },
    { name: "u", dtype: "f32", shape: [side, side] },
    { name: "i", dtype: "i32", shape: [side] },
  ] as const;
  const given = [
    numbers([4, side, side], 1),
    numbers([side, side], 2),
    { ...numbers([side], 0), dtype: "i32" as const },
  ];
  const indices = { ...at(given, 2), data: Float64Array.from([2, 0, 1]) };

  test.each<[string, (h: Float, u: Float, i: Tensor<"i32">) => Float]>([
    ["a sum over the batch", (h) => broadcast(sum(h, 0), [side, side])],
    [
      "a sum over the batch with as many columns as rows",
      (h) => reshape(sum(reshape(h, [side, 1, side]), 0), [1, side]),
    ],
    ["sums over columns, as a row", (h) => broadcast(sum(h, 1), [side, side])],
    ["a transpose", (h) => transpose(h)],
    ["slices and a concatenation", (h) => concat([slice(h, 0, 1, 2), slice(h, 0, 0, 1)], 0)],
    ["shifted rows", (h) => pad(slice(h, 0, 0, 2), 0, 1, side)],
    ["columns as rows", (h) => broadcast(reshape(slice(h, 0, 0, 1), [side, 1]), [side, side])],
    ["a reshape to one row and back", (h) => reshape(transpose(reshape(h, [side, side, 1]), [1, 2, 0]), [side, side])],
    ["a gather of rows", (h, _, i) => gather(h, i)],
    ["a product of rows with rows", (h) => mul(dot(h, h), 0.2)],
    ["a product over rows", (h, u) => dot(h, u, { transposeA: true })],
    ["a product with rows as right operand", (h, u) => dot(u, h)],
    ["scattered rows", (h, _, i) => scatterAdd(i, h, side)],
    ["a product of weights inside the loop", (h, u) => add(h, dot(u, u))],
  ])("%s", async (_, f) => {
    const graph = traceGraph("meeting", square, ([xs, u, i]) => {
      const step = ([h]: readonly Tensor[], [x]: readonly Tensor[]) => {
        const mixed = f(h as Float, u as Float, i as Tensor<"i32">);
        const next = tanh(add(mul(mixed, 0.5), x as Float));
        return { carries: [next], ys: [next] };
      };
      return all(scanTensors(step, [ones([side, side])], [xs as Float]));
    });
    const error = await runner.error(graph, [at(given, 0), at(given, 1), indices], { maxRows: 1 });
    expect(error).toBeLessThan(1e-5);
  });

  test("a y that is a sum over the batch, with as many columns as rows", async () => {
    const graph = traceGraph("common", square, ([xs]) => {
      const step = ([h]: readonly Tensor[], [x]: readonly Tensor[]) => {
        const next = tanh(add(x as Float, mul(h as Float, 0.3)));
        return { carries: [next], ys: [next, sum(h as Float, 0)] };
      };
      return all(scanTensors(step, [ones([side, side])], [xs as Float]));
    });
    expect(await runner.error(graph, [at(given, 0), at(given, 1), indices], { maxRows: 1 })).toBeLessThan(1e-5);
  });

  test("a y without rows", async () => {
    const graph = traceGraph("common", square, ([xs, u]) => {
      const step = ([h]: readonly Tensor[], [x]: readonly Tensor[]) => ({
        carries: [tanh(add(h as Float, x as Float))],
        ys: [h as Float, mul(slice(u as Float, 0, 0, 1), 2)],
      });
      return all(scanTensors(step, [ones([side, side])], [xs as Float]));
    });
    expect(await runner.error(graph, [at(given, 0), at(given, 1), indices], { maxRows: 1 })).toBeLessThan(1e-5);
  });
});
