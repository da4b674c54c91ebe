/**
 * @file JAX of every op of the IR. The mapped type makes the type checker report an op without a rule. Each rule has the
 * semantics of the op's entry, in float32 and, with jax_enable_x64, in float64.
 */
import { type Dim, sizeOf } from "../../compiler/graph/dim.ts";
import { at, InternalError } from "../../compiler/graph/errors.ts";
import type { TableOp } from "../../compiler/ops/table.ts";
import { type Code, call, code, inverted, level, list, method, negative, operator, subscript } from "./python.ts";
import { aligned, elementwise, infix, ofShape, operand, type Rule, type RuleContext, same } from "./rule.ts";
import { exact, fits, numberText, reshapedValue, type Value, type Writer } from "./values.ts";

const nothing = code("");

const input: Rule<"input"> = () => {
  throw new InternalError("inputs of a graph are bound before its nodes are written");
};

// -- sources ----------------------------------------------------------------------------------------------------------

const constant: Rule<"constant"> = ({ attrs: { value, dtype }, aval }) => ({
  ...{ aval, known: value, weak: true, simple: true },
  forms: [{ shape: [], code: code(numberText(value, dtype)) }],
});

const iota: Rule<"iota"> = ({ attrs: { axis }, aval, writer }) => {
  const count = call("jnp.arange", writer.dim(at(aval.shape, axis)), `dtype=${writer.dtype(aval.dtype)}`);
  const shape = aval.shape.map((dim, i) => (i === axis ? dim : 1)).slice(axis);
  const behind = shape.slice(1).map(() => "None");
  return { aval, forms: [{ shape, code: behind.length === 0 ? count : subscript(count, ":", ...behind) }] };
};

const dimSize: Rule<"dimSize"> = ({ attrs: { dim }, aval, writer }) => ({
  ...{ aval, weak: true, simple: true, pattern: { kind: "size", dim } },
  forms: [{ shape: [], code: sizeCode(dim, writer) }],
});

function sizeCode(dim: Dim, writer: Writer): Code {
  const text = writer.dim(dim);
  return code(text, text.includes("*") ? level.product : level.atom);
}

// -- elementwise ------------------------------------------------------------------------------------------------------

/** The second operand is a sum with a negated one. */
const add: Rule<"add"> = (context) => {
  const { operands, writer } = context;
  const [a, b] = [at(operands, 0), at(operands, 1)];
  const negated = b.pattern?.kind === "negative" ? b.pattern.of : undefined;
  if (negated === undefined) return infix<"add">("+", level.sum)(context);
  const { codes, shape } = aligned([a, negated], writer);
  return {
    aval: context.aval,
    forms: [{ shape, code: operator(codes[0] ?? nothing, "-", codes[1] ?? nothing, level.sum) }],
  };
};

const mul: Rule<"mul"> = (context) => {
  const [a, b] = context.operands;
  return a === b
    ? elementwise<"mul">(([x = nothing]) => call("jnp.square", x))(context)
    : infix<"mul">("*", level.product)(context);
};

const div: Rule<"div"> = (context) => {
  const { operands, aval, helper, writer } = context;
  const [a, b] = [at(operands, 0), at(operands, 1)];
  if (aval.dtype === "f32") return meanOf(context, a, b) ?? infix<"div">("/", level.product)(context);
  if (aval.dtype === "u32" && b.known !== undefined && b.known !== 0) return infix<"div">("//", level.product)(context);
  const { codes, shape } = aligned(operands, writer);
  const arrays = codes.map((each, i) =>
    at(operands, i).known === undefined ? each : call("jnp.asarray", each, writer.dtype(aval.dtype)),
  );
  return { aval, forms: [{ shape, code: call(helper("divide"), ...arrays) }] };
};

/** A sum divided by the number of its terms. */
function meanOf({ aval, writer }: RuleContext<"div">, a: Value, b: Value): Value | undefined {
  if (a.pattern?.kind !== "sum") return undefined;
  const { of, axes } = a.pattern;
  const count = sizeOf(axes.map((axis) => at(of.aval.shape, axis)));
  const isCount = b.pattern?.kind === "size" ? b.pattern.dim === count : b.known !== undefined && b.known === count;
  if (!isCount) return undefined;
  const forms = reductionForms("jnp.mean", of, axes, writer);
  const fitting = forms.filter(({ shape }) => fits(shape, aval.shape));
  return { aval, forms: [...fitting, ...forms.filter((form) => !fitting.includes(form))] };
}

const neg: Rule<"neg"> = elementwise(
  ([x = nothing]) => negative(x),
  ({ operands: [of] }) => of && { kind: "negative", of },
);

/** A number stands on the right. */
const less: Rule<"less"> = (context) => {
  const [a, b] = [at(context.operands, 0), at(context.operands, 1)];
  if (a.known === undefined || b.known !== undefined) return infix<"less">("<", level.comparison, "less")(context);
  const { codes, shape } = aligned([b, a], context.writer);
  const text = operator(codes[0] ?? nothing, ">", codes[1] ?? nothing, level.comparison);
  return { aval: context.aval, forms: [{ shape, code: text }], pattern: { kind: "less", a, b } };
};

const equal: Rule<"equal"> = infix("==", level.comparison, "equal");

const or: Rule<"or"> = (context) => {
  const [a, b] = context.operands.map(({ pattern }) => pattern);
  const isAtMost = a?.kind === "less" && b?.kind === "equal" && sameText(a, b, context.writer);
  if (!isAtMost) return infix<"or">("|", level.or)(context);
  const { codes, shape } = aligned([a.a, a.b], context.writer);
  const text = operator(codes[0] ?? nothing, "<=", codes[1] ?? nothing, level.comparison);
  return {
    aval: context.aval,
    forms: [{ shape, code: text }],
    pattern: { kind: "at most", a: a.a, b: a.b },
  };
};

type Pair = { readonly a: Value; readonly b: Value };

/** Whether two comparisons have the same operands, as written. */
function sameText(one: Pair, other: Pair, writer: Writer): boolean {
  const texts = ({ a, b }: Pair) => [a, b].map((value) => exact(value, writer).text).join(" and ");
  return texts(one) === texts(other);
}

const not: Rule<"not"> = (context) => {
  const pattern = at(context.operands, 0).pattern;
  if (pattern?.kind === "equal") {
    const { codes, shape } = aligned([pattern.a, pattern.b], context.writer);
    const text = operator(codes[0] ?? nothing, "!=", codes[1] ?? nothing, level.comparison);
    return { aval: context.aval, forms: [{ shape, code: text }] };
  }
  return elementwise<"not">(([x = nothing]) => inverted(x))(context);
};

const where: Rule<"where"> = (context) => {
  const { operands, aval, writer } = context;
  const [condition, a, b] = [at(operands, 0), at(operands, 1), at(operands, 2)];
  const { pattern } = condition;
  const isRelu = pattern?.kind === "at most" && pattern.b.known === 0 && a.known === 0;
  if (isRelu && exact(pattern.a, writer).text === exact(b, writer).text) {
    const { codes, shape } = aligned([b], writer);
    return { aval, forms: [{ shape, code: call("jax.nn.relu", ...codes) }] };
  }
  const { codes, shape } = aligned(operands, writer);
  // Two Python numbers have no dtype of this graph.
  const isWeak = [a, b].every((value) => value.weak === true || value.known !== undefined);
  const [one = nothing, yes = nothing, no = nothing] = codes;
  const typed = isWeak && codes.length === 3 ? call("jnp.asarray", yes, writer.dtype(aval.dtype)) : yes;
  return { aval, forms: [{ shape, code: call("jnp.where", one, typed, no) }] };
};

const finite: Rule<"finite"> = elementwise(([x = nothing]) =>
  // As a float32, also where numbers are float64.
  call("jnp.isfinite", method(x, "astype", "jnp.float32")),
);

const cast: Rule<"cast"> = elementwise(([x = nothing], { attrs: { dtype }, operands, helper, writer }) => {
  const from = at(operands, 0).aval.dtype;
  if (dtype === "bool")
    return from === "f32" ? call(helper("is_true"), x) : operator(x, "!=", code("0"), level.comparison);
  // Numbers out of range become the nearest integer and NaN 0, as ours do.
  return method(x, "astype", writer.dtype(dtype));
});

const randomBits: Rule<"randomBits"> = elementwise((codes, { helper }) => call(helper("random_bits"), ...codes));

// -- views ------------------------------------------------------------------------------------------------------------

const reshape: Rule<"reshape"> = ({ operands, aval, writer }) => reshapedValue(at(operands, 0), aval, writer);

const broadcast: Rule<"broadcast"> = ({ operands, attrs: { axes }, aval, writer }) => {
  const value = at(operands, 0);
  if (value.known !== undefined) return { ...value, aval };
  const shape = aval.shape.map((dim, axis) => (axes.includes(axis) ? dim : 1));
  const widened = reshapedValue(value, { dtype: aval.dtype, shape }, writer);
  const { pattern: _pattern, ...rest } = widened;
  return { ...rest, aval, forms: widened.forms.filter((form) => fits(form.shape, shape)) };
};

const transpose: Rule<"transpose"> = (context) => {
  const { permutation } = context.attrs;
  const last = permutation.length - 1;
  const swapsLast = permutation.every((axis, i) => axis === (i === last ? last - 1 : i === last - 1 ? last : i));
  const x = operand(context);
  if (swapsLast) return ofShape(context, transposed(x, permutation.length));
  return ofShape(context, method(x, "transpose", ...permutation.map(String)));
};

function transposed(x: Code, rank: number): Code {
  return code(`${x.level >= level.atom ? x.text : `(${x.text})`}.${rank === 2 ? "T" : "mT"}`);
}

const slice: Rule<"slice"> = (context) => {
  const { attrs, operands, aval, writer } = context;
  const { axis, start, size } = attrs;
  const from = at(operands, 0).aval.shape;
  const x = operand(context);
  const index = (text: string) => subscript(x, ...from.slice(0, axis).map(() => ":"), text);
  const end = typeof size === "number" ? start + size : undefined;
  const isLast = end === undefined || (start < 0 ? end === 0 : end === from[axis]);
  const range = `${start === 0 ? "" : start}:${isLast ? "" : end}`;
  const forms = [{ shape: aval.shape, code: index(range === ":" ? `:${writer.dim(size)}` : range) }];
  // One entry, without its axis, is what a reshape after it asks for.
  const without = aval.shape.filter((_, i) => i !== axis);
  return { aval, forms: size === 1 ? [...forms, { shape: without, code: index(String(start)) }] : forms };
};

const pad: Rule<"pad"> = (context) => {
  const { writer, attrs, operands } = context;
  const { axis, start, size } = attrs;
  const { shape } = at(operands, 0).aval;
  const inner = at(shape, axis);
  const known = typeof size === "number" && typeof inner === "number";
  const total = writer.dim(size);
  const [before, after] = known
    ? [start < 0 ? size + start : start, size - (start < 0 ? size + start : start) - inner].map(String)
    : start < 0
      ? [`${total} - ${-start}`, String(-start - Number(inner))]
      : [String(start), inner === size ? "0" : `${total} - ${start + Number(inner)}`];
  const amounts = shape.map((_, i) => (i === axis ? `(${before}, ${after})` : "(0, 0)"));
  return ofShape(
    context,
    call("jnp.pad", operand(context), amounts.length === 1 ? at(amounts, 0) : `(${amounts.join(", ")})`),
  );
};

const concat: Rule<"concat"> = (context) => {
  const parts = context.operands.map((_, i) => operand(context, i));
  if (parts.length === 1) return ofShape(context, at(parts, 0));
  return ofShape(context, call("jnp.concatenate", list(parts), `axis=${context.attrs.axis}`));
};

const gather: Rule<"gather"> = (context) => {
  const indices = operand(context, 1);
  // As u32, negative indices are past the end too, and read the last row.
  const unsigned =
    at(context.operands, 1).aval.dtype === "u32" ? indices : method(indices, "astype", context.writer.dtype("u32"));
  return ofShape(context, call("jnp.take", operand(context), unsigned, "axis=0", 'mode="clip"'));
};

// -- reductions and products ------------------------------------------------------------------------------------------

/** A reduction, with and without the reduced axes. */
function reductionForms(name: string, of: Value, axes: readonly number[], writer: Writer, ...options: string[]) {
  const x = exact(of, writer);
  const { shape } = of.aval;
  const isAll = axes.length === shape.length;
  const axis = isAll ? [] : [`axis=${axes.length === 1 ? axes[0] : `(${axes.join(", ")})`}`];
  return [
    { shape: shape.filter((_, i) => !axes.includes(i)), code: call(name, x, ...axis, ...options) },
    {
      shape: shape.map((dim, i) => (axes.includes(i) ? 1 : dim)),
      code: call(name, x, ...axis, "keepdims=True", ...options),
    },
  ];
}

const sum: Rule<"sum"> = ({ operands, attrs: { axes }, aval, writer }) => {
  const of = at(operands, 0);
  // With x64, JAX would sum integers in 64 bits.
  const options = aval.dtype === "f32" ? [] : [`dtype=${writer.dtype(aval.dtype)}`];
  const forms = reductionForms("jnp.sum", of, axes, writer, ...options);
  return { aval, forms, ...(aval.dtype === "f32" && { pattern: { kind: "sum", of, axes, keeps: false } as const }) };
};

const reduceMax: Rule<"reduceMax"> = ({ operands, attrs: { axes }, aval, writer }) => {
  const of = at(operands, 0);
  // The maximum of nothing is -infinity.
  const isSized = axes.every((axis) => Number(of.aval.shape[axis]) > 0);
  return { aval, forms: reductionForms("jnp.max", of, axes, writer, ...(isSized ? [] : ["initial=-jnp.inf"])) };
};

const dot: Rule<"dot"> = (context) => {
  const { attrs, operands, aval, writer } = context;
  const [a, b] = [at(operands, 0), at(operands, 1)];
  const rank = a.aval.shape.length;
  const right = attrs.transposeB ? transposed(exact(b, writer), rank) : exact(b, writer);
  const product = (left: Code) => operator(left, "@", right, level.product);
  if (rank === 2 && !attrs.transposeA) {
    // Rows with several leading axes need not be flattened.
    const depth = at(a.aval.shape, 1);
    const rows = a.forms.find(
      ({ shape }) => shape.length > 2 && shape.at(-1) === depth && sizeOf(shape) === sizeOf(a.aval.shape),
    );
    if (rows !== undefined)
      return { aval, forms: [{ shape: [...rows.shape.slice(0, -1), at(aval.shape, 1)], code: product(rows.code) }] };
  }
  const left = exact(a, writer);
  return ofShape(context, product(attrs.transposeA ? transposed(left, rank) : left));
};

const scatterAdd: Rule<"scatterAdd"> = (context) =>
  ofShape(
    context,
    call(context.helper("scatter_add"), operand(context), operand(context, 1), String(context.attrs.rows)),
  );

const stopGradient: Rule<"stopGradient"> = (context) => {
  const value = at(context.operands, 0);
  return value.known === undefined ? same<"stopGradient">("lax.stop_gradient")(context) : value;
};

const customGradient: Rule<"customGradient"> = () => {
  throw new InternalError("a customGradient is written as a function");
};

export const rules: { readonly [K in TableOp]: Rule<K> } = {
  ...{ input, constant, iota, dimSize },
  neg,
  exp: same("jnp.exp"),
  expm1: same("jnp.expm1"),
  log: same("jnp.log"),
  log1p: same("jnp.log1p"),
  sqrt: same("jnp.sqrt"),
  abs: same("jnp.abs"),
  sin: same("jnp.sin"),
  cos: same("jnp.cos"),
  tanh: same("jnp.tanh"),
  sigmoid: same("jax.nn.sigmoid"),
  softplus: same("jax.nn.softplus"),
  erf: same("lax.erf"),
  round: same("jnp.round"),
  floor: same("jnp.floor"),
  roundToHalf: elementwise((codes, { helper }) => call(helper("round_to_half"), ...codes)),
  ...{ not, finite, stopGradient, customGradient, cast },
  ...{ add, mul, div },
  sub: infix("-", level.sum),
  pow: same("jnp.power"),
  min: same("jnp.minimum"),
  max: same("jnp.maximum"),
  ...{ less, equal, or, where, randomBits },
  and: infix("&", level.and),
  ...{ reshape, transpose, broadcast, slice, pad, concat, gather },
  ...{ sum, reduceMax, dot, scatterAdd },
};

/** The rule of an op, with its attributes widened: callers pass a node's own attributes to its own rule. */
export function ruleOf(op: TableOp): Rule<TableOp> {
  return rules[op] as Rule<TableOp>;
}
