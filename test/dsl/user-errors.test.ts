/** @file Errors in the DSL name the op, the line of the user's file, the expected and the actual value. */
import { inspect } from "node:util";
import { describe, expect, test } from "vitest";
import { rnn } from "../../cells/index.ts";
import {
  add,
  type CellDefinition,
  cell,
  concat,
  dense,
  dot,
  fill,
  grad,
  jvp,
  matmul,
  mean,
  model,
  mul,
  type NamedAval,
  pad,
  reduceMax,
  reshape,
  scan,
  scanTensors,
  slice,
  split,
  stack,
  sum,
  type Tensor,
  tanh,
  traceGraph,
  transpose,
  where,
} from "../../index.ts";
import { whatever } from "../support/refused.ts";

type Float = Tensor<"f32">;

const x: NamedAval = { name: "x", dtype: "f32", shape: ["T", 2, 3] };

describe("an error", () => {
  const [a, b]: NamedAval[] = [
    { name: "a", dtype: "f32", shape: [2, 3] },
    { name: "b", dtype: "f32", shape: [4, "B"] },
  ];
  const here = "at test/dsl/user-errors\\.test\\.ts:\\d+:\\d+: ";
  const failing: readonly (readonly [string, (a: Float, b: Float) => unknown, string])[] = [
    ["add", (p, q) => add(p, q), "shapes \\[2, 3\\] and \\[4, B\\] do not fit"],
    ["add", (p) => add(p, fill([2, 3], 1, "i32") as unknown as Float), "operands are f32 and i32"],
    ["tanh", () => tanh(fill([2], 1, "i32") as unknown as Float), "operand 0 is i32; expected f32"],
    [
      "an operator of JavaScript",
      (p) => whatever<number>(p) * 2,
      "Tensor f32\\[2,3\\] has no number .* write mul\\(a, b\\) for a \\* b, sub",
    ],
    ["an operator of JavaScript", (p, q) => p < q, "less\\(a, b\\) for a < b"],
    ["an operator of JavaScript", (p) => whatever<number>(p) + 1, "write add\\(a, b\\) for a \\+ b, equal"],
    ["an operator of JavaScript", (p) => Math.exp(whatever(p)), "has no number while a graph is traced"],
    ["where", (p, q) => where(q as unknown as Tensor<"bool">, p, p), "shapes \\[4, B\\] and \\[2, 3\\] do not fit"],
    ["dot", (p) => matmul(p, p), "\\[2, 3\\] times \\[2, 3\\]: inner sizes 3 and 2 must be equal"],
    ["dot", (p, q) => dot(p, reshape(q, [1, 4, "B"])), "got \\[2, 3\\] and \\[1, 4, B\\]"],
    ["matmul", (p) => matmul(sum(p), p), "got \\[\\] and \\[2, 3\\]"],
    ["reshape", (p) => reshape(p, [4, 2]), "expected 6 elements in all, as in \\[2, 3\\]; got \\[4, 2\\]"],
    ["reshape", (p) => reshape(p, [4, -1]), "\\[2, 3\\] does not divide into \\[4, -1\\]"],
    ["reshape", (p) => reshape(p, [1.5]), "dimension 1.5 is neither a whole number"],
    [
      "concat",
      (p, q) => concat([p, reshape(q, ["B", 4])]),
      "operand 1 is f32\\[B, 4\\], which does not match f32\\[2, 3\\]",
    ],
    ["concat", (p) => concat([p, sum(p)]), "operand 1 is f32\\[\\], which does not match f32\\[2, 3\\] outside axis 1"],
    ["concat", (p, q) => concat([p, q]), "operand 1 has the symbolic size B along axis 1"],
    ["concat", (p) => concat([p, p], 2), "axis 2 does not exist in a tensor of 2 axes"],
    ["slice", (p) => slice(p, 1, 2, 2), "entries 2 to 4 do not exist in an axis of 3"],
    ["slice", (p) => slice(p, 5, 0, 1), "axis 5 does not exist"],
    ["pad", (p) => pad(p, 1, 2, 4), "entries 2 to 5 do not exist in an axis of 4"],
    ["sum", (p) => sum(p, 2), "axis 2 does not exist"],
    ["mean", (p) => mean(p, -3), "axis -3 does not exist"],
    ["reduceMax", (p) => reduceMax(p, [0, 7]), "axis 7 does not exist"],
    ["transpose", (p) => transpose(p, [0, 0]), "expected a permutation of 2 axes, got \\[0, 0\\]"],
    ["split", (p) => split(p, 2), "an axis of 3 does not divide into 2 equal pieces"],
    ["stack", () => stack([]), "expected at least one tensor"],
    ["scan", (p) => scan(rnn(2), p), "xs is \\[2, 3\\]; expected \\[time, batch, features\\]"],
    [
      "scan",
      (p) => scanTensors(([h]) => ({ carries: [sum(h as Float)], ys: [] }), [p], [p]),
      "carry 0 starts as f32\\[2,3\\] and leaves the step as f32\\[\\]",
    ],
    ["grad", (p) => grad((v: Float) => mul(v, 2))(p), "the function must return one f32 scalar, got f32\\[2, 3\\]"],
    [
      "jvp",
      (p) => (jvp as (f: unknown) => (x: unknown, t: unknown) => unknown)((v: Float) => v)([p], []),
      "1 tensors and 0 tangents",
    ],
    ['dense "layer"', (_, q) => dense("layer", q, 3), "an input is \\[4, B\\]; its last axis must be a known number"],
    [
      "gru2",
      () => cell("gru2", { state: () => ({ h: [1] }) }, ({ x: now }) => ({ state: { h: now }, output: now }))(0),
      "units must be a whole number above 0, got 0",
    ],
  ];

  test.each(failing)("of %s names the op, the line, the expected and the actual value", (op, f, message) => {
    const trace = () => traceGraph("f", [a, b] as NamedAval[], ([p, q]) => [f(p as Float, q as Float) as Float]);
    expect(trace).toThrow(new RegExp(`^${op} ${here}.*${message}`));
  });

  test("of a cell names the cell and the state", () => {
    const run = (definition: CellDefinition<"h">) => () =>
      model("m", (xs: Float) => scan(definition(2), xs).outputs).specs(x);
    const shrinks = cell("shrinks", { state: ({ units }) => ({ h: [units] }) }, ({ x: now, h }) => ({
      state: { h: slice(h, 1, 0, 1) },
      output: now,
    }));
    expect(run(shrinks)).toThrow(
      /^shrinks at .*: state h is \[2, 2\] before the step and \[2, 1\] after it; the shapes must be equal/,
    );
    const forgets = cell("forgets", { state: ({ units }) => ({ h: [units] }) }, (({ x: now }: { x: Float }) => ({
      state: {},
      output: now,
    })) as never);
    expect(run(forgets as CellDefinition<"h">)).toThrow(/^forgets at .*: the step does not return state h/);
    const invents = cell("invents", { state: ({ units }) => ({ h: [units] }) }, (({
      x: now,
      h,
    }: {
      x: Float;
      h: Float;
    }) => ({
      state: { h, j: h },
      output: now,
    })) as never);
    expect(run(invents as CellDefinition<"h">)).toThrow(
      /^invents at .*: the step returns a state j that the cell does not have; its states are h$/,
    );
    const silent = cell("silent", { state: ({ units }) => ({ h: [units] }) }, (async () => undefined) as never);
    expect(run(silent as CellDefinition<"h">)).toThrow(/^silent at .*: the step must return \{ state, output \}/);
    for (const [shape, found] of [
      [[0], "the shape \\[0\\]"],
      [[2, Number.NaN], "the shape \\[2, NaN\\]"],
      [undefined, "no shape"],
    ]) {
      const odd = cell("odd", { state: () => ({ h: shape as number[] }) }, ({ x: now, h }) => ({
        state: { h },
        output: now,
      }));
      expect(run(odd)).toThrow(new RegExp(`^odd at .*: state h has ${found}; expected whole numbers above 0`));
    }
  });

  test("of a tensor used after its trace says so", () => {
    let leaked: Float | undefined;
    traceGraph("first", [a as NamedAval], ([p]) => {
      leaked = p as Float;
      return [p as Float];
    });
    const use = () => traceGraph("second", [a as NamedAval], ([p]) => [add(p as Float, leaked as Float)]);
    expect(use).toThrow(new RegExp(`^add ${here}Tensor f32\\[2,3\\] belongs to another trace`));
    expect(() => tanh(leaked as Float)).toThrow(/can only be called while a function is traced/);
    const smuggle = () =>
      traceGraph("scan", [a as NamedAval], ([p]) => {
        let inner: Float | undefined;
        scanTensors(
          ([h]) => {
            inner = tanh(h as Float);
            return { carries: [inner], ys: [] };
          },
          [p as Float],
          [p as Float],
        );
        return [mul(inner as Float, 2)];
      });
    expect(smuggle).toThrow(/belongs to another trace/);
  });
});

test("a tensor can be printed", () => {
  traceGraph("f", [x], ([given]) => {
    expect([`${given}`, String(given), [given].join()]).toEqual(Array(3).fill("Tensor f32[T,2,3]"));
    expect(inspect(given)).toContain("Tensor {");
    return [];
  });
});
