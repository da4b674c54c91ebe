/**
 * @file ONNX of every op of the IR. The mapped type makes the type checker report an op without a rule. Each rule has the
 * semantics of the op's entry, also where ONNX leaves it undefined: integers wrap, a division by zero returns the dividend,
 * an index past the end of a table reads its last row.
 */
import { at, InternalError } from "../../compiler/graph/errors.ts";
import type { TableOp } from "../../compiler/ops/table.ts";
import { ranges } from "../../compiler/ops/views.ts";
import { low32, numeric, operand, type Rule, type RuleContext, same, throughInt64, written } from "./rule.ts";
import { randomBits } from "./threefry.ts";
import { broadcasting, knownValue, repeatedValue } from "./values.ts";
import type { OnnxWriter } from "./writer.ts";

const input: Rule<"input"> = () => {
  throw new InternalError("inputs of a graph are bound before its nodes are written");
};

// -- sources ----------------------------------------------------------------------------------------------------------

const constant: Rule<"constant"> = ({ writer, attrs: { value, dtype } }) => ({
  ...knownValue(writer, { dtype, shape: [], data: Float64Array.of(value) }, "constant"),
  full: () => writer.scalar(value, dtype),
  compact: () => writer.scalar(value, dtype),
});

const iota: Rule<"iota"> = ({ writer, attrs: { axis }, aval: { dtype, shape } }) => {
  const count = () => alongAxes(writer, writer.cast(writer.counter(at(shape, axis)), dtype), [axis], shape.length);
  return repeatedValue(writer, count, shape);
};

const dimSize: Rule<"dimSize"> = written(({ writer, attrs }) => writer.cast(writer.size(attrs.dim), "f32"));

// -- elementwise ------------------------------------------------------------------------------------------------------

const div: Rule<"div"> = written(({ writer, operands, aval }) => {
  const names = broadcasting(operands);
  if (aval.dtype === "f32") return writer.op("Div", names);
  // In int64, since -2147483648 / -1 traps in WebAssembly as i32.
  const [a = "", b = ""] = names.map((name) => writer.cast(name, "int64"));
  const isZero = writer.op("Equal", [b, writer.scalar(0, "int64")]);
  const quotient = writer.op("Div", [a, writer.op("Where", [isZero, writer.scalar(1, "int64"), b])]);
  return writer.cast(aval.dtype === "u32" ? low32(writer, quotient) : quotient, aval.dtype);
});

/** e^x - 1 as tanh(x/2) (e^x + 1), without cancellation. */
const expm1: Rule<"expm1"> = written((context) => {
  const [{ writer }, x] = [context, operand(context)];
  const half = writer.op("Tanh", [writer.op("Mul", [x, writer.scalar(0.5, "f32")])]);
  return writer.op("Mul", [half, writer.op("Add", [writer.op("Exp", [x]), writer.scalar(1, "f32")])]);
});

/** log(1 + x) as 2 atanh(x / (2 + x)) near 0. */
const log1p: Rule<"log1p"> = written((context) => {
  const [{ writer }, x] = [context, operand(context)];
  const number = (value: number) => writer.scalar(value, "f32");
  const half = writer.op("Atanh", [writer.op("Div", [x, writer.op("Add", [x, number(2)])])]);
  const isNear = writer.op("Less", [writer.op("Abs", [x]), number(0.25)]);
  const far = writer.op("Log", [writer.op("Add", [x, number(1)])]);
  return writer.op("Where", [isNear, writer.op("Mul", [half, number(2)]), far]);
});

const equal: Rule<"equal"> = numeric("Equal");

const where: Rule<"where"> = written(({ writer, operands, from, aval }) => {
  const names = broadcasting(operands);
  if (aval.dtype !== "bool") return throughInt64(writer, from, aval, names, (all) => writer.op("Where", all));
  const [condition = "", a = "", b = ""] = names;
  const otherwise = writer.op("And", [writer.op("Not", [condition]), b]);
  return writer.op("Or", [writer.op("And", [condition, a]), otherwise]);
});

/** The number of the type in the schema of ONNX. */
const float16 = 10;

const roundToHalf: Rule<"roundToHalf"> = written((context) => {
  const { writer } = context;
  return writer.cast(writer.op("Cast", [operand(context)], { to: float16 }), "f32");
});

const finite: Rule<"finite"> = written((context) => {
  const [{ writer }, x] = [context, operand(context)];
  return writer.op("Not", [writer.op("Or", [writer.op("IsInf", [x]), writer.op("IsNaN", [x])])]);
});

/** In ONNX, a cast of an f32 number out of range is undefined, so it is clamped first. */
const cast: Rule<"cast"> = written((context) => {
  const { writer, attrs, from } = context;
  const [x, range] = [operand(context), ranges[attrs.dtype]];
  if (at(from, 0).dtype !== "f32" || attrs.dtype === "bool" || range === undefined) return writer.cast(x, attrs.dtype);
  const [least, most] = range;
  const number = writer.op("Where", [writer.op("IsNaN", [x]), writer.scalar(0, "f32"), x]);
  const above = writer.op("Max", [number, writer.scalar(least, "f32")]);
  // The f32 number nearest to the largest integer is larger by 1.
  const wide = writer.cast(writer.op("Min", [above, writer.scalar(most + 1, "f32")]), "int64");
  return writer.cast(writer.op("Min", [wide, writer.scalar(most, "int64")]), attrs.dtype);
});

const customGradient: Rule<"customGradient"> = ({ operands, attrs }) => at(operands, attrs.index);

const stopGradient: Rule<"stopGradient"> = ({ operands }) => at(operands, 0);

// -- views ------------------------------------------------------------------------------------------------------------

const reshape: Rule<"reshape"> = written((context) => {
  const { writer, aval } = context;
  const unknown = aval.shape.filter((dim) => typeof dim === "string");
  // A single unknown size follows from the others.
  const shape = unknown.length === 1 ? aval.shape.map((dim) => (typeof dim === "number" ? dim : -1)) : aval.shape;
  return writer.op("Reshape", [operand(context), writer.dims(shape)]);
});

const transpose: Rule<"transpose"> = written((context) =>
  context.writer.op("Transpose", [operand(context)], { perm: context.attrs.permutation }),
);

const broadcast: Rule<"broadcast"> = ({ writer, operands, attrs: { shape, axes } }) =>
  repeatedValue(writer, () => alongAxes(writer, at(operands, 0).full(), axes, shape.length), shape);

/** Moves the axes of `name` to `axes` of `rank`, as broadcasting, which aligns from the right, needs them. */
function alongAxes(writer: OnnxWriter, name: string, axes: readonly number[], rank: number): string {
  const first = axes[0] ?? rank;
  const between = Array.from({ length: rank - first }, (_, i) => first + i).filter((axis) => !axes.includes(axis));
  if (between.length === 0) return name;
  return writer.op("Unsqueeze", [name, writer.ints(between.map((axis) => axis - first))]);
}

const slice: Rule<"slice"> = written((context) => {
  const { writer, attrs } = context;
  const { axis, start, size } = attrs;
  // The whole axis if its size is unknown; a negative `start` counts from the end.
  const end = typeof size === "string" || start + size === 0 ? 2 ** 31 - 1 : start + size;
  return writer.op("Slice", [operand(context), ...[start, end, axis].map((value) => writer.ints([value]))]);
});

const pad: Rule<"pad"> = written((context) => {
  const { writer, attrs, from } = context;
  const { axis, start, size } = attrs;
  const inner = at(at(from, 0).shape, axis);
  const less = (a: string, b: string) => writer.op("Sub", [a, b]);
  const isKnown = typeof size === "number" && typeof inner === "number";
  const before = start < 0 ? less(writer.dim(size), writer.ints([-start])) : writer.ints([start]);
  const after = less(less(writer.dim(size), before), writer.dim(inner));
  const first = start < 0 ? Number(size) + start : start;
  const amounts = isKnown
    ? writer.ints([first, size - first - inner])
    : writer.op("Concat", [before, after], { axis: 0 });
  const zero = writer.scalar(0, context.aval.dtype);
  return writer.op("Pad", [operand(context), amounts, zero, writer.ints([axis])]);
});

const concat: Rule<"concat"> = written(({ writer, operands, attrs: { axis } }) =>
  writer.op(
    "Concat",
    operands.map((value) => value.full()),
    { axis },
  ),
);

const gather: Rule<"gather"> = written((context) => {
  const rows = Number(at(context.from, 0).shape[0]);
  return context.writer.op("Gather", [operand(context), rowNumbers(context, 1, rows)], { axis: 0 });
});

/** Indices as int64, clamped to the last row (also negative ones, which are large as u32). */
function rowNumbers<K extends "gather" | "scatterAdd">(context: RuleContext<K>, i: number, rows: number): string {
  const { writer } = context;
  const indices = low32(writer, writer.cast(operand(context, i), "int64"));
  return writer.op("Min", [indices, writer.scalar(rows - 1, "int64")]);
}

// -- reductions and products ------------------------------------------------------------------------------------------

/** Integers are summed in int64: in i32, runtimes saturate. */
const sum: Rule<"sum"> = written((context) => {
  const { writer, aval, attrs } = context;
  const add = (name: string) => writer.op("ReduceSum", [name, writer.ints(attrs.axes)], { keepdims: 0 });
  if (aval.dtype === "f32") return add(operand(context));
  const total = add(writer.cast(operand(context), "int64"));
  return writer.cast(aval.dtype === "u32" ? low32(writer, total) : total, aval.dtype);
});

/** Runtimes ignore NaN in a maximum, so the sum of NaNs (0 if there are none) is added. */
const reduceMax: Rule<"reduceMax"> = written((context) => {
  const [{ writer, attrs }, x] = [context, operand(context)];
  const reduced = (opType: string, name: string) => writer.op(opType, [name, writer.ints(attrs.axes)], { keepdims: 0 });
  const number = (value: number) => writer.scalar(value, "f32");
  const nans = writer.op("Where", [writer.op("IsNaN", [x]), number(Number.NaN), number(0)]);
  return writer.op("Add", [reduced("ReduceMax", x), reduced("ReduceSum", nans)]);
});

const dot: Rule<"dot"> = written((context) => {
  const { writer, attrs, from } = context;
  const factor = (i: number, transposed: boolean) => {
    const rank = at(from, i).shape.length;
    const order = [...Array.from({ length: rank - 2 }, (_, axis) => axis), rank - 1, rank - 2];
    return transposed ? writer.op("Transpose", [operand(context, i)], { perm: order }) : operand(context, i);
  };
  return writer.op("MatMul", [factor(0, attrs.transposeA), factor(1, attrs.transposeB)]);
});

const scatterAdd: Rule<"scatterAdd"> = written((context) => {
  const { writer, attrs, aval } = context;
  const indices = writer.op("Unsqueeze", [rowNumbers(context, 0, attrs.rows), writer.ints([-1])]);
  const zeros = writer.op("Expand", [writer.scalar(0, "f32"), writer.dims(aval.shape)]);
  return writer.op("ScatterND", [zeros, indices, operand(context, 1)], { reduction: "add" });
});

export const rules: { readonly [K in TableOp]: Rule<K> } = {
  ...{ input, constant, iota, dimSize },
  ...{ neg: same("Neg"), exp: same("Exp"), expm1, log: same("Log"), log1p, sqrt: same("Sqrt"), abs: same("Abs") },
  ...{
    sin: same("Sin"),
    cos: same("Cos"),
    tanh: same("Tanh"),
    sigmoid: same("Sigmoid"),
    softplus: same("Softplus"),
    erf: same("Erf"),
  },
  ...{
    floor: same("Floor"),
    round: same("Round"),
    not: same("Not"),
    and: same("And"),
    or: same("Or"),
    finite,
    roundToHalf,
    stopGradient,
    customGradient,
    cast,
  },
  ...{
    add: numeric("Add"),
    sub: numeric("Sub"),
    mul: numeric("Mul"),
    div,
    pow: same("Pow"),
    min: numeric("Min"),
    max: numeric("Max"),
  },
  ...{ less: numeric("Less"), equal, where, randomBits },
  ...{ reshape, transpose, broadcast, slice, pad, concat, gather },
  ...{ sum, reduceMax, dot, scatterAdd },
};

/** The rule of an op, with its attributes widened: callers pass a node's own attributes to its own rule. */
export function ruleOf(op: TableOp): Rule<TableOp> {
  return rules[op] as Rule<TableOp>;
}
