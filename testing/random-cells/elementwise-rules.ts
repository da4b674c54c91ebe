/** @file Random elementwise instructions. */
import { type Instruction, type Rule, type StepInProgress, widthOf } from "./instructions.ts";
import type { DslName, Value } from "./source-writer.ts";

/** Unary functions that accept every number, with the bound of the result from that of the operand. */
const unary: Readonly<Partial<Record<DslName, (bound: number) => number>>> = {
  neg: (b) => b,
  abs: (b) => b,
  sin: () => 1,
  cos: () => 1,
  tanh: () => 1,
  sigmoid: () => 1,
  softplus: (b) => b + 1,
  erf: () => 1,
  logSigmoid: (b) => b + 1,
  relu: (b) => b,
  elu: (b) => Math.max(b, 1),
  gelu: (b) => b,
  square: (b) => b * b,
  oneMinus: (b) => b + 1,
  stopGradient: (b) => b,
};

/** e^x, or e^x - 1, of x up to 4. */
const exp: Rule = (step, { a, n }) => {
  step.push(step.writer.call(n % 2 === 0 ? "exp" : "expm1", [step.limited(step.pick(a), 4)], Math.exp(4)));
};

/** A number above 0.1 for the functions that need one: x^2 + 0.1. */
function positive(step: StepInProgress, x: Value): Value {
  const power = step.writer.call("square", [x], x.bound ** 2);
  return step.writer.call("add", [power, 0.1], x.bound ** 2 + 0.1);
}

const log: Rule = (step, { a, n }) => {
  const x = positive(step, step.pick(a));
  const bound = Math.max(Math.log(10), Math.log(x.bound + 1));
  step.push(step.writer.call(n % 2 === 0 ? "log" : "log1p", [x], bound));
};

const sqrt: Rule = (step, { a }) => {
  const x = positive(step, step.pick(a));
  step.push(step.writer.call("sqrt", [x], Math.sqrt(x.bound)));
};

function operands(step: StepInProgress, { a, b }: Instruction): [Value, Value] {
  const x = step.pick(a);
  return [x, step.beside(step.pick(b), x)];
}

function binary(name: DslName, bound: (a: number, b: number) => number): Rule {
  return (step, instruction) => {
    const [x, y] = operands(step, instruction);
    step.push(step.writer.call(name, [x, y], bound(x.bound, y.bound)));
  };
}

/** x / (y^2 + 0.1), or x / (2 + tanh y), or 3 / (1 + |y|). */
const div: Rule = (step, { a, b, n }) => {
  const { writer } = step;
  const x = step.pick(a);
  const y = step.beside(step.pick(b), x);
  if (n % 3 === 0) return step.push(writer.call("div", [x, positive(step, y)], x.bound * 10));
  if (n % 3 === 1) {
    const below = writer.call("add", [writer.call("tanh", [y], 1), 2], 3);
    return step.push(writer.call("div", [x, below], x.bound));
  }
  const below = writer.call("add", [writer.call("abs", [y], y.bound), 1], y.bound + 1);
  step.push(writer.call("div", [3, below], 3));
};

const comparisons = ["less", "greater", "lessEqual", "greaterEqual", "equal", "notEqual"] as const;

function compared(step: StepInProgress, x: Value, y: Value | number, n: number): Value {
  return step.writer.call(comparisons[n % comparisons.length] ?? "less", [x, y], 1);
}

/** where(condition, x, y), with a condition on other values. */
const where: Rule = (step, { a, b, c, n }) => {
  const { writer } = step;
  const x = step.pick(a);
  const [y, z] = [step.fit(step.pick(b), x.tensor.shape.slice(1)), step.beside(step.pick(c), x)];
  let condition = compared(step, y, n % 2 === 0 ? z : 0.25, n);
  const variant = Math.floor(n / 2) % 5;
  if (variant === 1) condition = writer.call("and", [condition, compared(step, x, -1, n + 1)], 1);
  if (variant === 2) condition = writer.call("or", [writer.call("not", [condition], 1), compared(step, x, 1, n)], 1);
  if (variant === 3) condition = writer.call("and", [writer.call("finite", [x], 1), condition], 1);
  step.push(writer.call("where", [condition, x, variant === 4 ? 0.5 : z], Math.max(x.bound, z.bound, 1)));
};

/** A condition as a number. */
const truth: Rule = (step, { a, n }) => {
  const x = step.pick(a);
  const condition = n % 3 === 0 ? step.writer.call("cast", [x, "bool"], 1) : compared(step, x, 0.5, n);
  const chosen = step.writer.call("cast", [condition, "f32"], 1);
  step.push(step.writer.call("mul", [chosen, x], x.bound));
};

/** Two columns: any element can be near an integer, and more elements mean more discarded cells. */
function few(step: StepInProgress, value: Value): Value {
  return widthOf(step.flat(value)) > 2 ? step.fit(value, [2]) : value;
}

const whole: Rule = (step, { a, n }) => {
  const x = few(step, step.pick(a));
  step.push(step.writer.call(n % 2 === 0 ? "floor" : "round", [x], x.bound + 1));
};

/** Integer arithmetic that wraps around, converted from and to f32. No gradient flows. */
const integers: Rule = (step, { a, b, n }) => {
  const { writer } = step;
  const x = few(step, step.limited(step.pick(a), 32));
  const y = step.limited(step.beside(step.pick(b), x), 32);
  const unsigned = n % 3 === 0;
  const whole = (value: Value): Value =>
    unsigned
      ? writer.call("cast", [writer.call("abs", [value], value.bound), "u32"], value.bound)
      : writer.call("cast", [value, "i32"], value.bound);
  const [i, j] = [whole(x), whole(y)];
  // Past 2^31 for some: the product wraps.
  const product = writer.call("mul", [writer.call("add", [i, 3], 35), unsigned ? 123456789 : 98765432], 2 ** 32);
  const rest = writer.call("div", [product, writer.call("max", [j, 1], 32)], 2 ** 32);
  const signed = unsigned ? rest : writer.call("abs", [writer.call("neg", [rest], 2 ** 32)], 2 ** 32);
  const chosen = writer.call(
    "where",
    [writer.call("less", [i, j], 1), signed, writer.call("min", [i, j], 32)],
    2 ** 32,
  );
  step.push(writer.call("mul", [writer.call("cast", [chosen, "f32"], 2 ** 32), 2 ** -28], 16));
};

/** Elements dropped at random: the mask depends on key, site and step only. */
const dropout: Rule = (step, { a, n }) => {
  const { writer } = step;
  const x = step.pick(a);
  const { shape } = x.tensor;
  const index = writer.call("positions", [[...shape]], 2 ** 32);
  const counter =
    step.counter &&
    writer.call(
      "cast",
      [
        writer.call(
          "add",
          [
            step.reshaped(
              step.counter,
              shape.slice(1).map(() => 1),
            ),
            0.5,
          ],
          9,
        ),
        "u32",
      ],
      9,
    );
  const bits = writer.call("randomBits", [step.key, { site: n, index, ...(counter && { step: counter }) }], 2 ** 32);
  const keep = writer.call("less", [writer.call("uniformFromBits", [bits], 1), 0.7], 1);
  step.push(writer.call("where", [keep, writer.call("div", [x, 0.7], x.bound / 0.7), 0], x.bound / 0.7));
};

const counted: Rule = (step, { a, n }) => {
  const x = step.pick(a);
  const places = step.writer.call("iota", [x.tensor.shape.slice(1).map(Number), 0, n % 2 === 0 ? "f32" : "i32"], 12);
  const numbers = step.writer.call("cast", [places, "f32"], 12);
  step.push(step.writer.call("add", [x, step.writer.call("mul", [numbers, 0.25], 3)], x.bound + 3));
};

export const elementwiseRules: readonly Rule[] = [
  ...Object.entries(unary).map(
    ([name, bound]): Rule =>
      (step, { a }) => {
        const x = step.pick(a);
        step.push(step.writer.call(name as DslName, [x], bound(x.bound)));
      },
  ),
  exp,
  log,
  sqrt,
  binary("add", (a, b) => a + b),
  binary("sub", (a, b) => a + b),
  binary("mul", (a, b) => a * b),
  binary("min", Math.max),
  binary("max", Math.max),
  div,
  where,
  where,
  truth,
  whole,
  integers,
  dropout,
  counted,
];
