/**
 * @file Error messages about mistakes in the DSL: they name the op, the user's line, the value and what to do. TypeScript
 * prevents some of the mistakes, but JavaScript does not.
 */
import { describe, expect, test } from "vitest";
import { bernoulli, randomness } from "../../compiler/dsl/randomness.ts";
import { recurrence } from "../../compiler/dsl/recurrence.ts";
import { windows } from "../../compiler/ops/composed.ts";
import { findNonFinite } from "../../compiler/ops/non-finite.ts";
import {
  add,
  broadcast,
  cast,
  concat,
  dimSize,
  dot,
  fill,
  gather,
  grad,
  interpret,
  iota,
  jvp,
  type NamedAval,
  ndarray,
  pad,
  reduceMax,
  reshape,
  scanTensors,
  scatterAdd,
  slice,
  split,
  sum,
  type Tensor,
  traceGraph,
  where,
} from "../../index.ts";
import { avals, refusals, whatever } from "../support/refused.ts";
import { rowsSaid } from "../trust/fault-table.ts";

const { refused, rowsRefused } = refusals();

type Float = Tensor<"f32">;

const noDim = "is neither a whole number nor a product of symbols such as B or T";

describe("operands", () => {
  refused([
    [
      "nothing",
      ({ p }) => add(p, whatever<Float>(undefined)),
      "add at …: operand 1 is undefined; expected a tensor or a number",
    ],
    ["a text", ({ p }) => add(whatever<Float>("x"), p), 'add at …: operand 0 is "x"; expected a tensor or a number'],
    [
      "a function",
      ({ p }) => add(p, whatever<Float>(add)),
      "add at …: operand 1 is a function; expected a tensor or a number",
    ],
    [
      "a list",
      ({ p }) => add(p, whatever<Float>([1, 2])),
      "add at …: operand 1 is a list; expected a tensor or a number",
    ],
    [
      "an object",
      ({ p }) => add(p, whatever<Float>({})),
      "add at …: operand 1 is an object; expected a tensor or a number",
    ],
    ["a number in the place of a matrix", ({ p }) => dot(whatever(3), p), "dot at …: expected a tensor, got 3"],
    [
      "a maximum of integers",
      ({ i }) => reduceMax(whatever(i)),
      "reduceMax at …: the operand is i32; expected f32 (cast it)",
    ],
    [
      "a sum of truths",
      ({ m }) => sum(whatever<Float>(m)),
      "sum at …: the operand is bool; expected f32, i32 or u32 (cast it)",
    ],
    [
      "a product of integers",
      ({ i, p }) => dot(reshape(i, [1, 5]), p),
      "dot at …: operands are i32 and f32; expected f32 (cast them)",
    ],
    [
      "a number as a condition",
      ({ p }) => where(whatever(1), p, p),
      "where at …: the condition is 1; expected a bool tensor",
    ],
    ["a condition of numbers", ({ p }) => where(whatever(p), p, p), "where at …: the condition is f32; expected bool"],
    ["rows at f32", ({ p }) => gather(p, whatever(p)), "gather at …: indices are f32; expected i32 or u32 (cast them)"],
    [
      "a table with as many rows as the batch",
      ({ q, i }) => gather(reshape(q, ["B", 4]), i),
      "gather at …: expected a table with a known number of rows, got [B, 4]",
    ],
    [
      "updates at f32",
      ({ p }) => scatterAdd(p, p, 3),
      "scatterAdd at …: indices are f32 and updates f32; expected i32 or u32, and f32",
    ],
    [
      "fewer updates than indices",
      ({ p, i }) => scatterAdd(i, p, 3),
      "scatterAdd at …: updates [2, 3] must start with the shape of the indices [5]",
    ],
    [
      "updates into no rows",
      ({ i }) => scatterAdd(i, fill([5, 2], 1), 0),
      "scatterAdd at …: rows are 0; expected a whole number above 0",
    ],
    [
      "an unknown dtype",
      ({ p }) => cast(p, whatever<"f32">("f64")),
      'cast at …: dtype "f64" is not one of f32, i32, u32 and bool',
    ],
    [
      "half an integer",
      ({ i }) => add(i, 1.5),
      "constant at …: 1.5 is not a valid i32; expected a whole number from -2147483648 to 2147483647",
    ],
    [
      "less than the least u32",
      () => fill([2], -1, "u32"),
      "constant at …: -1 is not a valid u32; expected a whole number from 0 to 4294967295",
    ],
    [
      "a truth above 1",
      () => fill([2], 2, "bool"),
      "constant at …: 2 is not a valid bool; expected a whole number from 0 to 1",
    ],
  ]);
});

describe("shapes", () => {
  refused([
    ["a row where a column fits", ({ p }) => broadcast(p, [3, 2]), "broadcast at …: [2, 3] does not fit [3, 2]"],
    ["fewer axes than there are", ({ p }) => broadcast(p, [3]), "broadcast at …: [2, 3] does not fit [3]"],
    ["a size below 0", () => fill([-1], 1), `broadcast at …: dimension -1 ${noDim}`],
    [
      "two sizes left open",
      ({ p }) => reshape(p, [-1, -1]),
      "reshape at …: [2, 3] does not divide into [-1, -1]; only one size can be -1",
    ],
    [
      "a start between two entries",
      ({ p }) => slice(p, 0, 0.5, 1),
      "slice at …: the start is 0.5; expected a whole number",
    ],
    ["half an entry", ({ p }) => slice(p, 0, 0, 1.5), `slice at …: dimension 1.5 ${noDim}`],
    ["less than no entry", ({ p }) => slice(p, 0, 1, -1), `slice at …: dimension -1 ${noDim}`],
    [
      "the last two of an axis of symbolic size, from the last",
      ({ q }) => slice(q, 1, -1, 2),
      "slice at …: cannot take 2 entries from -1 of an axis of B: give a whole number, or the whole axis",
    ],
    [
      "as many entries as the batch",
      ({ q }) => slice(q, 0, 0, "B"),
      "slice at …: cannot take B entries from 0 of an axis of 4: give a whole number, or the whole axis",
    ],
    ["an axis of 4.5", ({ p }) => pad(p, 0, 0, 4.5), `pad at …: dimension 4.5 ${noDim}`],
    ["no tensors to join", () => concat([]), "concat at …: expected at least one tensor, got none"],
    [
      "one tensor along no axis of it",
      ({ p }) => concat([p], 7),
      "concat at …: axis 7 does not exist in a tensor of 2 axes",
    ],
    ["pieces of a symbolic size", ({ q }) => split(q, 2), "split at …: axis -1 of [4, B] has no known size"],
    ["pieces that leave a rest", ({ p }) => split(p, [1, 1]), "split at …: an axis of 3 does not divide into [1, 1]"],
    ["a piece below 0", ({ p }) => split(p, [4, -1]), "split at …: an axis of 3 does not divide into [4, -1]"],
    ["half a piece", ({ p }) => split(p, 1.5), "split at …: an axis of 3 does not divide into 1.5 equal pieces"],
    ["no window", ({ p }) => windows(p, 0), "windows at …: width must be a whole number above 0, got 0"],
    [
      "windows over the batch",
      ({ q }) => windows(reshape(q, ["B", 4]), 3),
      "windows at …: x is [B, 4]; expected [..., positions, channels], positions a number",
    ],
    ["truths that count", () => iota([3], 0, whatever("bool")), "iota at …: iota counts in f32, i32 or u32, not bool"],
    ["counting along no axis", () => iota([3], 1), "iota at …: axis 1 does not exist in a tensor of 1 axes"],
    ["counting to 2.5", () => iota([2.5]), `iota at …: dimension 2.5 ${noDim}`],
    ["the size of b", () => dimSize("b"), `dimSize at …: dimension b ${noDim}`],
    ["a key for each row", ({ i }) => randomness(whatever(i)), "randomness at …: the key is [5]; expected a scalar"],
    [
      "a probability above 1",
      () => bernoulli(randomness(1), 1.5, [2]),
      "bernoulli at …: the probability is 1.5; expected a number from 0 to 1",
    ],
  ]);
});

describe("loops", () => {
  const keep = ([h]: readonly Tensor[]) => ({ carries: [h as Tensor], ys: [] });
  refused([
    [
      "neither xs nor length",
      ({ p }) => scanTensors(keep, [p], []),
      "scan at …: without xs, give the number of steps as `length`",
    ],
    [
      "an x without time",
      ({ p }) => scanTensors(keep, [p], [sum(p)]),
      "scan at …: xs 0 is a scalar; its leading axis must be time",
    ],
    [
      "xs of two lengths",
      ({ p, q }) => scanTensors(keep, [p], [p, q]),
      "scan at …: xs 1 is [4, B]; its leading axis must be time, of 2 steps",
    ],
    [
      "a length that is not that of the xs",
      ({ p }) => scanTensors(keep, [p], [p], { length: 4 }),
      "scan at …: xs 0 is [2, 3]; its leading axis must be time, of 4 steps",
    ],
    ["half a step", ({ p }) => scanTensors(keep, [p], [], { length: 2.5 }), `scan at …: dimension 2.5 ${noDim}`],
    [
      "a carry that does not come back",
      ({ p }) => scanTensors(() => ({ carries: [], ys: [] }), [p], [p]),
      "scan at …: the step returns 0 carries, but takes 1; return { carries, ys } with as many carries",
    ],
    [
      "a step that returns nothing",
      ({ p }) => scanTensors(() => whatever(undefined), [p], [p]),
      "scan at …: the step returns no carries, but takes 1; return { carries, ys } with as many carries",
    ],
    [
      "a state that does not come back",
      ({ p, s }) => recurrence((_: Float[], x: Float) => ({ state: [], output: x }), [p], s),
      "recurrence at …: the step returns 0 state tensors; it must return 1, as in the initial state",
    ],
    [
      "a mask for a sum over the batch",
      ({ p, s, m }) => recurrence((h: Float, x: Float) => ({ state: h, output: sum(x) }), p, s, { mask: m }),
      "mask at …: it is [2] in a step, but a value of the step is []; both must start with the batch",
    ],
  ]);
});

describe("derivatives", () => {
  refused([
    [
      "a function that returns nothing",
      ({ p }) => grad((): Float => whatever(undefined))(p),
      "grad at …: the value is undefined; expected a tensor, or a list or record of them",
    ],
    [
      "a number in the place of a tensor",
      () => grad((v: { a: Float[] }) => sum(v.a[0] as Float))({ a: [whatever(3)] }),
      "grad at …: the value at 0/a/0 is 3; expected a tensor, or a list or record of them",
    ],
    [
      "two results",
      ({ p }) => grad((v: Float): Float => whatever([sum(v), v]))(p),
      "grad at …: the function must return one f32 scalar, got f32[] and f32[2, 3]; take its sum or mean",
    ],
    [
      "no result",
      ({ p }) => grad((): Float => whatever([]))(p),
      "grad at …: the function must return one f32 scalar, got none; take its sum or mean",
    ],
    [
      "a tangent of another shape",
      ({ p, q }) => jvp((v: Float) => sum(v))([p], [q]),
      "jvp at …: tensor 0 is f32[2,3], but its tangent is f32[4,B]; both must have the same dtype and shape",
    ],
  ]);
});

describe("what is traced", () => {
  const traced = (result: unknown) => () => traceGraph("g", avals, () => whatever(result));
  refused([
    ["a function that returns no list", traced(3), "g returns 3; expected a list of tensors"],
    ["a list of numbers", traced([3]), "g returns 3 in its list; expected a tensor"],
    [
      "an input of size b",
      () => traceGraph("g", [{ name: "x", dtype: "f32", shape: ["b"] }], () => []),
      `input x of g at …: dimension b ${noDim}`,
    ],
    [
      "an input of f64",
      () => traceGraph("g", [{ name: "x", dtype: whatever("f64"), shape: [] }], () => []),
      'input x of g at …: dtype "f64" is not one of f32, i32, u32 and bool',
    ],
  ]);

  test("inputs of one name are two inputs, and a product of symbols is written in their order", () => {
    const twice: NamedAval = { name: "x", dtype: "f32", shape: ["T*B"] };
    const { nodes } = traceGraph("g", [twice, twice], (both) => both);
    expect(nodes.map(({ attrs, aval }) => [(attrs as { name: string }).name, aval.shape])).toEqual([
      ["x", ["B*T"]],
      ["x.2", ["B*T"]],
    ]);
  });
});

describe("what a graph is run on", () => {
  const x: NamedAval = { name: "x", dtype: "f32", shape: ["B", 2] };
  const graph = traceGraph("g", [x, { ...x, name: "y" }], ([a, b]) => [add(a as Float, b as Float)]);
  const array = (shape: number[]) => ndarray(shape, new Array<number>(shape.reduce((a, b) => a * b, 1)).fill(1));
  const size = traceGraph("size", [], () => [dimSize("T")]);
  refused([
    [
      "numbers that do not fill their shape",
      () => ndarray([2, 2], [1, 2, 3]),
      "ndarray: shape [2, 2] holds 4 numbers, got 3",
    ],
    ["an input too few", () => interpret(graph, [array([3, 2])]), "g: input y is missing"],
    [
      "rows that differ",
      () => interpret(graph, [array([3, 2]), array([4, 2])]),
      "g: input y: axis 0 is B=3 elsewhere, got 4 in [4, 2]",
    ],
    ["columns that differ", () => interpret(graph, [array([3, 5])]), "g: input x: axis 1 must be 2, got 5 in [3, 5]"],
    ["an axis too few", () => interpret(graph, [array([3])]), "g: input x: expected 2 axes [B, 2], got 1 [3]"],
    ["integers for f32", () => interpret(graph, [ndarray([1, 2], [1, 2], "i32")]), "g: input x is i32; expected f32"],
    [
      "a shape that lies",
      () => interpret(graph, [{ dtype: "f32", shape: [3, 2], data: new Float64Array(5) }]),
      "g: input x has 5 numbers; its shape [3, 2] holds 6",
    ],
    ["a symbol that no input has", () => interpret(size, []), "the size of dimension T is not known: no input has it"],
    [
      "an input that is searched and missing",
      () => findNonFinite(graph, { x: array([3, 2]) }),
      "g: input y is missing",
    ],
  ]);
});

test("docs/trust.md says how many rows there are", () => {
  expect(rowsSaid("dsl/bad-graphs.test.ts")).toBe(rowsRefused());
});
