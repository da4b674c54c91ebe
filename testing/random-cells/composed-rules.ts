/**
 * @file Random instructions of functions composed of ops. They come after all other rules, because stored plans refer to
 * instructions by number.
 */
import { customGradient, mul, oneMinus, square, type Tensor, tanh } from "../../index.ts";
import { type Instruction, type Rule, type StepInProgress, widthOf } from "./instructions.ts";
import { type Argument, type DslName, Value } from "./source-writer.ts";
import { scatterColumns } from "./structural-rules.ts";

type Float = Tensor<"f32">;

/** Functions that accept every number, with their other arguments and the bound of the result. */
const ofOne: Readonly<Partial<Record<DslName, readonly [readonly Argument[], (bound: number) => number]>>> = {
  silu: [[], (b) => b],
  mish: [[], (b) => b],
  leakyRelu: [[0.1], (b) => b],
  selu: [[], (b) => Math.max(1.8, 1.1 * b)],
  softsign: [[], () => 1],
  hardSigmoid: [[], () => 1],
  hardTanh: [[-0.7, 0.9], () => 1],
  clip: [[-0.6, 1.3], () => 1.3],
};

const activation: Rule = (step, { a, n }) => {
  const names = Object.keys(ofOne) as DslName[];
  const x = step.pick(a);
  for (const name of [names[n % names.length], names[(n + 3) % names.length]]) {
    const [others, bound] = ofOne[name ?? "silu"] ?? [[], (b) => b];
    step.push(step.writer.call(name ?? "silu", [x, ...others], bound(x.bound)));
  }
};

/** The larger or the smaller of two by a comparison. */
const chosen: Rule = (step, { a, b, n }) => {
  const { writer } = step;
  const x = step.fit(step.pick(a), [2]);
  const y = step.fit(step.pick(b), [2]);
  const names = ["notEqual", "greaterEqual", "lessEqual", "greater", "notEqual"] as const;
  const condition = writer.call(names[n % names.length] ?? "notEqual", [x, n % 2 === 0 ? y : 0.25], 1);
  step.push(writer.call("where", [condition, x, y], Math.max(x.bound, y.bound)));
};

/** A number above 0.1: x^2 + 0.1. */
function positive(step: StepInProgress, x: Value): Value {
  const square = step.writer.call("pow", [x, 2], x.bound ** 2);
  return step.writer.call("add", [square, 0.1], x.bound ** 2 + 0.1);
}

/** x^y of a base above 0.1 and an exponent up to 2, of one above 0 by a number, and of any base by a whole number. */
const power: Rule = (step, { a, b, n }) => {
  const { writer } = step;
  const x = step.limited(step.pick(a), 4);
  if (n % 3 === 0) return step.push(writer.call("pow", [x, 3], x.bound ** 3));
  const base = positive(step, x);
  if (n % 3 === 1) return step.push(writer.call("pow", [base, n % 2 === 0 ? 0.7 : -1.5], 32 + base.bound));
  const y = step.limited(step.beside(step.pick(b), x), 2);
  step.push(writer.call("pow", [base, y], Math.max(100, base.bound ** 2)));
};

const inverse: Rule = (step, { a, n }) => {
  const x = positive(step, step.pick(a));
  const name = (["rsqrt", "reciprocal", "log1p"] as const)[n % 3] ?? "rsqrt";
  step.push(step.writer.call(name, [x], name === "log1p" ? Math.log1p(x.bound) : 10));
};

/** One column: any element can be near an integer or near 0, and more elements mean more discarded cells. */
const whole: Rule = (step, { a, n }) => {
  const x = step.fit(step.pick(a), [1]);
  step.push(step.writer.call(n % 2 === 0 ? "ceil" : "sign", [x], x.bound + 1));
};

const innerAxis = ({ tensor }: Value, n: number): number => 1 + (n % (tensor.shape.length - 1));

const runningSum: Rule = (step, { a, n }) => {
  const x = step.pick(a);
  const axis = innerAxis(x, n);
  const count = Number(x.tensor.shape[axis]);
  step.push(step.writer.call("cumsum", [x, axis, { reverse: n % 3 === 0 }], count * x.bound));
};

const product: Rule = (step, { a, n }) => {
  const x = step.limited(step.pick(a), 1);
  step.push(step.writer.call("prod", [x, innerAxis(x, n), { keepAxes: true }], 1));
};

/** A norm has a kink at 0, so its operand is never 0. */
const reduction: Rule = (step, { a, n }) => {
  const { writer } = step;
  const x = step.pick(a);
  const axis = innerAxis(x, n);
  const [name, of, bound] = [
    ["logSumExp", x, x.bound + 3],
    ["variance", x, x.bound ** 2],
    ["norm", writer.call("add", [writer.call("abs", [x], x.bound), 0.1], x.bound + 0.1), 4 * x.bound + 0.4],
  ][n % 3] as [DslName, Value, number];
  step.push(writer.call(name, [of, axis, { keepAxes: true }], bound));
};

const einsum: Rule = (step, { a, b, n }: Instruction) => {
  const { writer } = step;
  const x = step.matrix(step.limited(step.pick(a), 10));
  const [m, k] = x.tensor.shape.slice(1).map(Number) as [number, number];
  if (n % 3 === 0) {
    const units = 1 + (n % 4);
    const weights = step.parameter(`letters${units}x${k}`, [units, k], 1);
    return step.push(writer.call("einsum", ["bmk,uk->bum", x, weights], Math.sqrt(k) * x.bound));
  }
  const y = step.fit(step.limited(step.pick(b), 10), [m]);
  const text = n % 3 === 1 ? "bmk,bm->bk" : "bmk,bm->bkm";
  step.push(writer.call("einsum", [text, x, y], m * x.bound * y.bound));
};

/** The sum of all columns, for each row of the batch. */
const total: Rule = (step, { a }) => {
  const x = step.flat(step.pick(a));
  const sums = step.writer.call("einsum", ["bk->b", x], widthOf(x) * x.bound);
  step.push(step.writer.call("reshape", [sums, [step.batch, 1]], sums.bound));
};

const ofOwn = customGradient(
  (a: Float, b: Float) => mul(tanh(a), b),
  (ct, a, b) => [mul(mul(ct, b), oneMinus(square(tanh(a)))), mul(ct, tanh(a))],
);

/** tanh(a) b with its derivatives by a vjp. */
const ownGradient: Rule = (step, { a, b }) => {
  const { writer } = step;
  const x = step.pick(a);
  const y = step.beside(step.pick(b), x);
  const wide = step.writer.call("add", [writer.call("mul", [x, 0], 0), y], y.bound);
  const name = writer.fresh();
  writer.uses("customGradient", "mul", "oneMinus", "square", "tanh");
  writer.line(
    `const ${name} = customGradient((a, b) => mul(tanh(a), b), (ct, a, b) => [mul(mul(ct, b), oneMinus(square(tanh(a)))), mul(ct, tanh(a))])(${x.text}, ${wide.text});`,
  );
  step.push(new Value(name, ofOwn(x.tensor as Float, wide.tensor as Float), y.bound));
};

/** Products of parts, each with weights of its own: what multiplies by a block-diagonal matrix. */
export const heads: Rule = (step, { a, n }) => {
  const { writer } = step;
  const x = step.flat(step.pick(a));
  const width = widthOf(x);
  const count = [2, 4, 3].find((heads) => width % heads === 0);
  if (count === undefined) return;
  const size = width / count;
  const bound = Math.sqrt(size) * x.bound;
  if (n % 2 === 0) {
    const parts = writer.callMany("split", [x, count], count, x.bound);
    const products = parts.map((part, i) => {
      const weights = step.parameter(`head${i}x${size}`, [size, size], 1);
      return writer.call("matmul", [part, weights], bound);
    });
    return step.push(writer.call("concat", [products], bound));
  }
  const weights = step.parameter(`heads${count}x${size}`, [count, size, size], 1);
  const rows = step.reshaped(x, [count, size]);
  step.push(writer.call("einsum", ["bhk,hku->bhu", rows, weights], bound));
};

export const composedRules: readonly Rule[] = [
  activation,
  activation,
  activation,
  chosen,
  power,
  power,
  inverse,
  whole,
  runningSum,
  product,
  reduction,
  reduction,
  einsum,
  ownGradient,
  total,
  scatterColumns,
  heads,
];

/** Rules without a loop or a scatter inside the step. */
export const composedForAllSteps: readonly Rule[] = composedRules.filter(
  (rule) => ![runningSum, product, scatterColumns].includes(rule),
);
