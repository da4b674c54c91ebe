/**
 * @file What the compiler finds out about the carries of a loop, for cells of the zoo, for single rules, and for random
 * steps, whose claims are checked against the numbers of the interpreter.
 */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Graph } from "../../compiler/graph/graph.ts";
import { carryForms, type GroupForm } from "../../compiler/recurrence/carry-forms.ts";
import { carryLine, carryReports } from "../../compiler/recurrence/carry-report.ts";
import {
  add,
  broadcastAxes,
  concat,
  div,
  dot,
  equal,
  finite,
  interpret,
  less,
  max,
  min,
  mul,
  ndarray,
  neg,
  not,
  or,
  reshape,
  scanTensors,
  slice,
  stopGradient,
  sub,
  sum,
  type Tensor,
  tanh,
  traceGraph,
  transpose,
  where,
} from "../../index.ts";
import { loweredStep } from "./lowered-step.ts";

type Float = Tensor<"f32">;
const formsOf = (cell: string) =>
  carryReports(loweredStep(cell)).map(
    ({ scan, form, carries, cause }) => `${scan} ${form} ${carries.length}${cause ? ` ${cause.op}` : ""}`,
  );

test.each<[string, string, readonly string[]]>([
  ["minGRU", "min-gru", ["min-gru affine 1", "min-gru.vjp affine 1"]],
  ["minLSTM", "min-lstm", ["min-lstm affine 1", "min-lstm.vjp affine 1"]],
  ["LRU", "lru", ["lru blocks 2", "lru.vjp blocks 2"]],
  ["QRNN", "qrnn", ["qrnn delayed 1", "qrnn affine 1", "qrnn.vjp affine 1", "qrnn.vjp delayed 1"]],
  ["SRU", "sru", ["sru diagonal 1 sigmoid", "sru.vjp affine 1"]],
  ["IndRNN", "indrnn", ["indrnn diagonal 1 less", "indrnn.vjp affine 1"]],
  [
    "mLSTM",
    "mlstm",
    [
      ...["mlstm max-plus 1", "mlstm affine 1", "mlstm affine 1"],
      ...["mlstm.vjp affine 1", "mlstm.vjp affine 1", "mlstm.vjp affine 1"],
    ],
  ],
  ["LSTM", "lstm", ["lstm dense 2 dot", "lstm.vjp dense 2 dot"]],
])("%s, forward and backward", (_, cell, expected) => {
  expect(formsOf(cell)).toEqual(expected);
});

test("a report names the state, the op and its line", () => {
  const [forward] = carryReports(loweredStep("sru")).map(carryLine);
  expect(forward).toMatch(/^sru: state\/layers\/0\/c diagonal, because of sigmoid, cells\/sru\.ts:\d+:\d+$/);
  const [affine] = carryReports(loweredStep("min-gru")).map(carryLine);
  expect(affine).toBe("min-gru: state/layers/0/h affine: s' = a s + b");
});

type Step = (states: readonly [Float, Float, Float], xs: readonly [Float, Float]) => readonly Float[];
const width = 3;

/** A loop over two xs [T, 3] with as many states [3] as the step returns. */
function loopOf(states: number, step: Step): Graph {
  const names = Array.from({ length: states }, (_, i) => `s${i}`);
  const inputs = [
    ...names.map((name) => ({ name, dtype: "f32", shape: [width] }) as const),
    ...["x", "y"].map((name) => ({ name, dtype: "f32", shape: ["T", width] }) as const),
  ];
  return traceGraph("loop", inputs, (all) => {
    const [initial, xs] = [all.slice(0, states), all.slice(states)];
    return scanTensors(
      (carries, x) => ({ carries: step(carries as Parameters<Step>[0], x as Parameters<Step>[1]), ys: [] }),
      initial,
      xs,
    ).carries;
  });
}

function formsIn(graph: Graph): GroupForm[] {
  return graph.nodes.flatMap((node) => (node.op === "scan" ? carryForms(node.attrs) : []));
}

describe("a step's form:", () => {
  test.each<[string, Step, string]>([
    ["a product with a free value", ([s], [x, y]) => [add(mul(s, x), y)], "affine"],
    ["on the other side, subtracted, negated, divided", ([s], [x, y]) => [sub(y, div(neg(mul(x, s)), 3))], "affine"],
    ["a choice by a free condition", ([s], [x, y]) => [where(less(x, 0), mul(s, y), s)], "affine"],
    ["a reset", ([s], [x, y]) => [where(less(x, 0), y, add(s, y))], "affine"],
    ["a choice by the state", ([s], [x, y]) => [where(less(s, 0), x, y)], "diagonal less"],
    ["a product of the state with itself", ([s], [x]) => [mul(mul(s, x), s)], "diagonal mul"],
    ["a quotient by the state", ([s], [x]) => [div(x, s)], "diagonal div"],
    ["a function of the state", ([s], [x]) => [tanh(add(s, x))], "diagonal tanh"],
    ["a stopped gradient", ([s], [x]) => [stopGradient(mul(s, x))], "affine"],
    ["a reshape", ([s], [x]) => [mul(reshape(reshape(s, [1, width]), [width]), x)], "affine"],
    ["other positions", ([s], [x]) => [mul(concat([slice(s, 0, 1, 2), slice(s, 0, 0, 1)], 0), x)], "dense slice"],
    [
      "a matrix transposed",
      ([s], [x]) =>
        [add(reshape(transpose(broadcastAxes(s, [3, 3], [1])), [9]), 0)].map((m) => add(slice(m, 0, 0, 3), x)),
      "dense broadcast",
    ],
    ["a sum over positions", ([s], [x]) => [mul(x, broadcastAxes(sum(s, 0), [width], []))], "dense sum"],
    [
      "a product of matrices",
      ([s], [x]) => [reshape(dot(reshape(s, [1, width]), broadcastAxes(x, [3, 3], [0])), [width])],
      "dense dot",
    ],
    ["a function of a dense value", ([s], [x]) => [tanh(mul(x, broadcastAxes(sum(s, 0), [width], [])))], "dense sum"],
    ["no state at all", (_, [x, y]) => [add(x, y)], "delayed"],
    ["a running maximum", ([s], [x, y]) => [max(add(s, x), y)], "max-plus"],
    [
      "less a free value, on the other side, chosen",
      ([s], [x, y]) => [where(less(x, 0), s, max(y, sub(s, x)))],
      "max-plus",
    ],
    ["a maximum, and then a sum", ([s], [x, y]) => [add(max(s, y), x)], "max-plus"],
    ["a running minimum", ([s], [x, y]) => [min(add(x, s), y)], "min-plus"],
    ["a minimum of a maximum", ([s], [x, y]) => [min(max(s, x), y)], "diagonal min"],
    ["the maximum of a multiple", ([s], [x, y]) => [max(mul(s, x), y)], "diagonal max"],
    ["a multiple of a maximum", ([s], [x, y]) => [mul(max(s, x), y)], "diagonal mul"],
    ["a free value less a maximum", ([s], [x, y]) => [sub(y, max(s, x))], "diagonal sub"],
    ["a maximum less the state", ([s], [x]) => [sub(max(s, x), s)], "diagonal sub"],
    ["a guarded factor", ([s], [x, y]) => [add(mul(s, where(or(finite(x), not(equal(s, 0))), x, 0)), y)], "affine"],
    [
      "a guard of another value",
      ([s], [x, y]) => [mul(s, where(or(finite(x), not(equal(add(s, y), 0))), x, 0))],
      "diagonal equal",
    ],
    [
      "a guard with another value left",
      ([s], [x]) => [mul(s, where(or(finite(x), not(equal(s, 0))), x, 1))],
      "diagonal equal",
    ],
  ])("%s", (_, step, expected) => {
    const [group] = formsIn(loopOf(1, step));
    expect(`${group?.form}${group?.cause ? ` ${group.cause.op}` : ""}`).toBe(expected);
  });

  test.each<[string, number, Step, readonly string[]]>([
    ["a rotation", 2, ([a, b], [x, y]) => [sub(mul(a, x), mul(b, y)), add(mul(a, y), mul(b, x))], ["0,1 blocks"]],
    [
      "one that reads another",
      2,
      ([a, b], [x, y]) => [add(mul(a, tanh(b)), x), add(mul(b, y), x)],
      ["1 affine", "0 affine"],
    ],
    [
      "the same, in the other order",
      2,
      ([a, b], [x, y]) => [add(mul(a, y), x), add(mul(b, tanh(a)), x)],
      ["0 affine", "1 affine"],
    ],
    ["two that multiply each other", 2, ([a, b], [x, y]) => [mul(a, b), add(a, add(b, mul(x, y)))], ["0,1 diagonal"]],
    ["a ring of three", 3, ([a, b, c], [x, y]) => [mul(b, x), add(c, y), mul(a, y)], ["0,1,2 blocks"]],
    ["a delay line", 3, ([a, b], [x]) => [x, a, b], ["0 delayed", "1 delayed", "2 delayed"]],
    ["a delay of a diagonal state", 2, ([a], [x]) => [tanh(add(a, x)), a], ["0 diagonal", "1 delayed"]],
    ["a maximum beside a multiple", 2, ([a, b], [x, y]) => [max(a, add(b, x)), mul(a, y)], ["0,1 diagonal"]],
    ["maxima of two", 2, ([a, b], [x, y]) => [max(a, add(b, x)), add(a, y)], ["0,1 max-plus"]],
  ])("%s", (_, states, step, expected) => {
    const forms = formsIn(loopOf(states, step));
    expect(forms.map(({ carries, form }) => `${carries} ${form}`)).toEqual(expected);
  });
});

test("a state of truth values decides nothing in an affine form", () => {
  const graph = traceGraph(
    "loop",
    [
      { name: "flag", dtype: "bool", shape: [width] },
      { name: "s", dtype: "f32", shape: [width] },
      { name: "x", dtype: "f32", shape: ["T", width] },
    ],
    ([flag, s, x]) => {
      const step = ([isOn, a]: readonly Tensor[], [b]: readonly Tensor[]) => {
        const next = where(isOn as Tensor<"bool">, a as Float, b as Float);
        return { carries: [less(next, 0), next], ys: [] };
      };
      return scanTensors(step, [flag, s] as Tensor[], [x] as Tensor[]).carries;
    },
  );
  expect(formsIn(graph).map(({ form, cause }) => `${form} ${cause?.op}`)).toEqual(["diagonal where"]);
});

test("a loop in a step mixes positions unless it reads no state", () => {
  const inner = (s: Float) => {
    const [end] = scanTensors(([a]) => ({ carries: [mul(a as Float, 2)], ys: [] }), [s], [], { length: 2 }).carries;
    return end as Float;
  };
  const forms = (step: Step) => formsIn(loopOf(1, step)).map(({ form, cause }) => `${form} ${cause?.op}`);
  expect(forms(([s]) => [inner(s)])).toEqual(["dense scan"]);
  expect(forms(([s], [x]) => [add(s, inner(x))])).toEqual(["affine undefined"]);
});

/** A random elementwise step of two states and two xs. */
const randomStep = fc.array(
  fc.record({
    op: fc.constantFrom("add", "sub", "mul", "max", "min", "where", "tanh", "neg"),
    from: fc.tuple(fc.nat(), fc.nat(), fc.nat()),
  }),
  { minLength: 1, maxLength: 6 },
);

function stepOf(ops: readonly { readonly op: string; readonly from: readonly number[] }[]): Step {
  return (states, xs) => {
    const values: Float[] = [...states, ...xs];
    for (const { op, from } of ops) {
      const pick = (i: number) => values[(from[i] ?? 0) % values.length] as Float;
      const [a, b, c] = [pick(0), pick(1), pick(2)];
      const made = {
        add: () => add(a, b),
        sub: () => sub(a, b),
        mul: () => mul(a, b),
        max: () => max(a, b),
        min: () => min(a, b),
        where: () => where(less(a, 0), b, c),
        tanh: () => tanh(a),
        neg: () => neg(a),
      }[op];
      if (made !== undefined) values.push(made());
    }
    const last = values.at(-1) as Float;
    const before = values.at(-2) as Float;
    return [last, before];
  };
}

/** The next states of one step, from `states` [2][3], with fixed xs. */
function nextOf(graph: Graph, states: readonly (readonly number[])[]): number[][] {
  const xs = [0.7, -1.3].map((scale, i) =>
    ndarray(
      [1, width],
      [0.9, -0.4, 1.7].map((x) => scale * x + i),
    ),
  );
  const initial = states.map((state) => ndarray([width], [...state]));
  return interpret(graph, [...initial, ...xs]).map(({ data }) => [...data].map(Number));
}

test("random steps: what is called affine is affine, and what is not dense keeps to its position", () => {
  const seen = new Map<string, number>();
  const numbers = fc.array(fc.double({ min: -2, max: 2, noNaN: true }), { minLength: 6, maxLength: 6 });
  const close = (a: number, b: number) => Math.abs(a - b) <= 1e-9 * (1 + Math.abs(a) + Math.abs(b));
  fc.assert(
    fc.property(randomStep, numbers, numbers, (ops, first, second) => {
      const graph = loopOf(2, stepOf(ops));
      const cut = (all: readonly number[]) => [all.slice(0, width), all.slice(width)];
      const at = (all: readonly number[]) => nextOf(graph, cut(all));
      const a = at(first);
      for (const { carries, form } of formsIn(graph)) {
        seen.set(form, (seen.get(form) ?? 0) + 1);
        // Position 0 of all states changes: the others stay.
        const moved = at(first.map((x, i) => (i % width === 0 ? x + 1 : x)));
        for (const carry of carries) expect(moved[carry]?.slice(1)).toEqual(a[carry]?.slice(1));
        // Carries of earlier groups may enter by any function, so a group's claim is about its own states alone.
        const alone = (all: readonly number[]) =>
          at(first.map((x, i) => (carries.includes(Math.floor(i / width)) ? (all[i] ?? 0) : x)));
        if (form === "affine" || form === "blocks") {
          const [p, q] = [alone(first), alone(second)];
          const between = alone(first.map((x, i) => 0.25 * x + 0.75 * (second[i] ?? 0)));
          for (const carry of carries)
            between[carry]?.forEach((value, i) => {
              const expected = 0.25 * (p[carry]?.[i] ?? 0) + 0.75 * (q[carry]?.[i] ?? 0);
              expect(close(value, expected), `${form} ${carry}`).toBe(true);
            });
        }
        if (form === "max-plus" || form === "min-plus") {
          // f(s + d) = f(s) + d if nothing else is chosen, and never further than d away.
          const up = alone(first.map((x) => x + 0.5));
          const base = alone(first);
          for (const carry of carries)
            up[carry]?.forEach((value, i) => {
              const difference = value - (base[carry]?.[i] ?? 0);
              expect(difference).toBeGreaterThan(-1e-9);
              expect(difference).toBeLessThan(0.5 + 1e-9);
            });
        }
      }
    }),
    { numRuns: 300, seed: 5 },
  );
  for (const form of ["delayed", "affine", "blocks", "max-plus", "min-plus", "diagonal"])
    expect(seen.get(form) ?? 0, form).toBeGreaterThan(0);
});
