/** @file Random structural instructions: views, reductions, products, tables and loops. */

import { scanTensors } from "../../index.ts";
import { type Instruction, type Rule, type StepInProgress, widthOf } from "./instructions.ts";
import { type DslName, Value } from "./source-writer.ts";

const last = ({ tensor }: Value): number => tensor.shape.length - 1;

/** An axis other than the batch. */
const innerAxis = (value: Value, n: number): number => 1 + (n % last(value));

// -- products ---------------------------------------------------------------------------------------------------------

/** Weights are uniform in ±1/sqrt(rows). */
const productBound = (rows: number, bound: number): number => Math.sqrt(rows) * bound;

/** The name depends only on the shape, so that weights can be used twice in a step. */
export const dense: Rule = (step, { a, b, n }) => {
  const inputs = n % 3 === 0 ? [step.pick(a)] : [step.flat(step.pick(a)), step.flat(step.pick(b))];
  const rows = inputs.reduce((sum, input) => sum + widthOf(input), 0);
  const units = step.columns(n, 5);
  const bound = productBound(rows, Math.max(...inputs.map((input) => input.bound))) + 1;
  const args = [`dense${rows}x${units}`, inputs.length === 1 ? (inputs[0] as Value) : inputs, units] as const;
  step.push(step.writer.call("dense", n % 7 === 6 ? [...args, { bias: false }] : args, bound));
};

export const matmul: Rule = (step, { a, n }) => {
  const x = step.pick(a);
  const [rows, units] = [widthOf(x), step.columns(n, 4)];
  const stored = n % 2 === 0 ? [rows, units] : [units, rows];
  const weights = step.parameter(`matrix${stored.join("x")}`, stored, 1);
  const read = n % 2 === 0 ? weights : step.writer.call("transpose", [weights], 1);
  step.push(step.writer.call("matmul", [x, read], productBound(rows, x.bound)));
};

/** A product of two values of the step, for each batch row. */
const batchedDot: Rule = (step, { a, b, n }) => {
  const x = step.matrix(step.limited(step.pick(a), 10));
  const [m, k] = x.tensor.shape.slice(1).map(Number) as [number, number];
  const flags = { transposeA: n % 2 === 1, transposeB: n % 4 > 1 };
  const inner = flags.transposeA ? m : k;
  const columns = 1 + (n % 3);
  const y = step.fit(step.limited(step.pick(b), 10), flags.transposeB ? [columns, inner] : [inner, columns]);
  step.push(step.writer.call("dot", [x, y, flags], inner * x.bound * y.bound));
};

const outer: Rule = (step, { a, b }) => {
  const cut = (value: Value) => step.fit(value, [Math.min(3, widthOf(step.flat(value)))]);
  const [x, y] = [cut(step.pick(a)), cut(step.pick(b))];
  step.push(step.writer.call("outer", [x, y], x.bound * y.bound));
};

// -- views ------------------------------------------------------------------------------------------------------------

const concat: Rule = (step, { a, b }) => {
  const [x, y] = [step.flat(step.pick(a)), step.flat(step.pick(b))];
  step.push(step.writer.call("concat", [[x, y]], Math.max(x.bound, y.bound)));
};

const slice: Rule = (step, { a, b, n }) => {
  const x = step.pick(a);
  const axis = innerAxis(x, n);
  const total = Number(x.tensor.shape[axis]);
  const size = 1 + (b % total);
  const start = (n % 5) % (total - size + 1);
  step.push(step.writer.call("slice", [x, axis, n % 2 === 0 ? start : start - total, size], x.bound));
};

const pick: Rule = (step, { a, b, n }) => {
  const x = step.matrix(step.pick(a));
  const axis = innerAxis(x, n);
  const size = Number(x.tensor.shape[axis]);
  step.push(step.writer.call("pick", [x, n % 3 === 0 ? -1 : b % size, axis], x.bound));
};

const split: Rule = (step, { a, b }) => {
  const x = step.pick(a);
  const total = widthOf(x);
  if (total < 2) return;
  const first = 1 + (b % (total - 1));
  step.push(
    ...step.writer.callMany("split", [x, total % 2 === 0 && b % 2 === 0 ? 2 : [first, total - first]], 2, x.bound),
  );
};

const stack: Rule = (step, { a, b, n }) => {
  const x = step.flat(step.pick(a));
  const y = step.fit(step.pick(b), x.tensor.shape.slice(1));
  step.push(step.writer.call("stack", [[x, y], 1 + (n % 2)], Math.max(x.bound, y.bound)));
};

const reshape: Rule = (step, { a, n }) => {
  const x = step.flat(step.pick(a));
  const width = widthOf(x);
  const rows = [1, 2, 3].filter((candidate) => width % candidate === 0);
  const first = rows[n % rows.length] ?? 1;
  step.push(step.writer.call("reshape", [x, [step.batch, first, n % 2 === 0 ? -1 : width / first]], x.bound));
};

const transpose: Rule = (step, { a, n }) => {
  const x = step.matrix(step.pick(a));
  step.push(step.writer.call("transpose", n % 2 === 0 ? [x] : [x, [0, 2, 1]], x.bound));
};

const broadcast: Rule = (step, { a, n }) => {
  const x = step.matrix(step.pick(a));
  const row = step.writer.call("slice", [x, 1, 0, 1], x.bound);
  step.push(step.writer.call("broadcast", [row, [step.batch, 1 + (n % 3), widthOf(x)]], x.bound));
};

const windows: Rule = (step, { a, n }) => {
  const x = step.matrix(step.pick(a));
  step.push(step.writer.call("windows", [x, 1 + (n % 4)], x.bound));
};

const pad: Rule = (step, { a, b, n }) => {
  const x = step.pick(a);
  const axis = innerAxis(x, n);
  const size = Number(x.tensor.shape[axis]) + 1 + (n % 2);
  step.push(step.writer.call("pad", [x, axis, b % 2, size], x.bound));
};

// -- reductions -------------------------------------------------------------------------------------------------------

function reduction(name: DslName, bound: (count: number, bound: number) => number): Rule {
  return (step, { a, n }) => {
    const x = step.pick(a);
    const axes = last(x) === 2 && n % 3 === 2 ? [1, 2] : [innerAxis(x, n)];
    const count = axes.reduce((product, axis) => product * Number(x.tensor.shape[axis]), 1);
    // A result keeps at least one axis besides the batch.
    const keepAxes = last(x) - axes.length === 0 || n % 2 === 0;
    step.push(step.writer.call(name, [x, axes, { keepAxes }], bound(count, x.bound)));
  };
}

function alongAxis(name: DslName, bound: (bound: number) => number): Rule {
  return (step, { a, n }) => {
    const x = step.pick(a);
    step.push(step.writer.call(name, n % 2 === 0 ? [x] : [x, innerAxis(x, n)], bound(x.bound)));
  };
}

/** The epsilon of 0.1 keeps nearly equal numbers from being amplified. */
const standardize: Rule = (step, { a, n }) => {
  const x = step.pick(a);
  step.push(step.writer.call("standardize", [x, innerAxis(x, n), 0.1], Math.min(4, 2 * x.bound * Math.sqrt(10))));
};

/** Mixes batch rows: each row reads the mean of all. */
const batchMean: Rule = (step, { a }) => {
  const x = step.pick(a);
  step.push(step.writer.call("sub", [x, step.writer.call("mean", [x, 0, { keepAxes: true }], x.bound)], 2 * x.bound));
};

// -- tables -----------------------------------------------------------------------------------------------------------

/** Integers from a value, some of them negative or past the end of a table. */
function indices(step: StepInProgress, { a, n }: Instruction): Value {
  const x = step.limited(step.pick(a), 8);
  const column = n % 2 === 0 ? step.fit(x, [1]) : step.fit(x, [Math.min(2, widthOf(x))]);
  const spread = step.writer.call("mul", [column, 2.5], 2.5 * x.bound);
  const whole = step.writer.call("cast", [spread, "i32"], spread.bound);
  return n % 2 === 0 ? step.writer.call("reshape", [whole, [step.batch]], spread.bound) : whole;
}

const embedding: Rule = (step, instruction) => {
  const [rows, width] = [2 + (instruction.n % 4), 1 + (instruction.n % 3)];
  const table = step.parameter(`table${rows}x${width}`, [rows, width], 1);
  step.push(step.writer.call("gather", [table, indices(step, instruction)], 1));
};

const oneHot: Rule = (step, instruction) => {
  step.push(step.writer.call("oneHot", [indices(step, instruction), 1 + (instruction.n % 5)], 1));
};

/** Columns of a value in another order, some repeated; indices past the end read the last column. */
const gatherColumns: Rule = (step, { a, n }) => {
  const { writer } = step;
  const x = step.flat(step.pick(a));
  const order = writer.call("mul", [writer.call("iota", [[1 + (n % 5)]], 5), 1 + (n % 2)], 10);
  const rows = writer.call("gather", [writer.call("transpose", [x], x.bound), order], x.bound);
  step.push(writer.call("transpose", [rows], x.bound));
};

/** Adds columns of a value into fewer columns. */
export const scatterColumns: Rule = (step, { a, n }) => {
  const { writer } = step;
  const x = step.flat(step.pick(a));
  const width = widthOf(x);
  const target = writer.call("div", [writer.call("iota", [[width], 0, "u32"], width), 2], width);
  const sums = writer.call(
    "scatterAdd",
    [target, writer.call("transpose", [x], x.bound), 1 + (n % 4)],
    width * x.bound,
  );
  step.push(writer.call("transpose", [sums], sums.bound));
};

// -- a loop in the step -----------------------------------------------------------------------------------------------

/** Scans over the columns of a value; the inner step reads a weight and a value of the outer step. */
const nestedScan: Rule = (step, { a, b, c, n }) => {
  const { writer } = step;
  const x = step.limited(step.flat(step.pick(a)), 4);
  const [steps, width] = [widthOf(x), 1 + (n % 2)];
  const xs = writer.call("reshape", [writer.call("transpose", [x], x.bound), [steps, step.batch, 1]], x.bound);
  const start = step.limited(step.fit(step.pick(b), [width]), 4);
  const outside = step.limited(step.fit(step.pick(c), [1]), 2);
  const decay = step.parameter(`decay${width}`, [width], 1);
  const [carry, item, end, ys] = [writer.fresh(), writer.fresh(), writer.fresh(), writer.fresh()];
  writer.line(`const { carries: [${end}], ys: [${ys}] } = scanTensors(([${carry}], [${item}]) => {`);
  writer.uses("scanTensors");
  const inner = (carries: readonly Value["tensor"][], items: readonly Value["tensor"][]) =>
    writer.indented(() => {
      const state = new Value(carry, carries[0] as Value["tensor"], 4);
      const input = new Value(item, items[0] as Value["tensor"], x.bound);
      const kept = writer.call("mul", [state, decay], 4);
      const next = writer.call("tanh", [writer.call("add", [kept, writer.call("mul", [input, outside], 8)], 12)], 1);
      const out = writer.call("mul", [next, input], x.bound);
      writer.line(`return { carries: [${next.text}], ys: [${out.text}] };`);
      return { carries: [next.tensor], ys: [out.tensor] };
    });
  const options = { reverse: n % 3 === 0 };
  const result = scanTensors(inner, [start.tensor], [xs.tensor], options);
  writer.line(`}, [${start.text}], [${xs.text}], ${JSON.stringify(options)});`);
  const rows = new Value(ys, result.ys[0] as Value["tensor"], x.bound);
  step.push(new Value(end, result.carries[0] as Value["tensor"], 4));
  step.push(writer.call("transpose", [rows, [1, 0, 2]], x.bound));
};

const softmax = alongAxis("softmax", () => 1);
const sum = reduction("sum", (count, bound) => count * bound);
const reduceMax = reduction("reduceMax", (_, bound) => bound);

/** Rules that take parts of values, or put parts together. */
export const parts: readonly Rule[] = [slice, split, concat];
/** Rules that reduce inside a row. */
export const reductions: readonly Rule[] = [sum, reduceMax, softmax, standardize];

export const structuralRules: readonly Rule[] = [
  dense,
  dense,
  matmul,
  batchedDot,
  outer,
  concat,
  slice,
  pick,
  split,
  stack,
  reshape,
  transpose,
  broadcast,
  pad,
  windows,
  sum,
  reduction("mean", (_, bound) => bound),
  reduceMax,
  reduceMax,
  softmax,
  alongAxis("logSoftmax", (bound) => 2 * bound + 3),
  standardize,
  batchMean,
  embedding,
  oneHot,
  gatherColumns,
  scatterColumns,
  nestedScan,
];

/** Rules without a loop, and without tables and scatters of values that differ from step to step. */
export const structuralForAllSteps: readonly Rule[] = structuralRules.filter(
  (rule) => ![gatherColumns, scatterColumns, nestedScan].includes(rule),
);
