/**
 * @file LaTeX of every op of the IR. The mapped type makes the type checker report an op without a rule. Values of a sequence
 * are column vectors, so the rows of a batch times a kernel are written as a matrix times a vector, as in papers.
 */
import type { Dim, Shape } from "../../compiler/graph/dim.ts";
import { at } from "../../compiler/graph/errors.ts";
import type { Node, OpAttrs, OpName } from "../../compiler/graph/graph.ts";
import {
  applied,
  atom,
  differenceOf,
  type Expression,
  expression,
  factor,
  inParentheses,
  level,
  productOf,
  sumOf,
  tall,
  unbroken,
  within,
} from "./expression.ts";
import { numberTex, parameterSymbol, symbolOf } from "./symbols.ts";
import { coreOf, placeOfBroadcast, type Term, type WrittenOp } from "./terms.ts";

export interface RuleContext<K extends OpName | WrittenOp> {
  readonly term: Term;
  readonly operands: readonly Expression[];
  readonly attrs: K extends OpName ? OpAttrs[K] : Node["attrs"];
  /** The path of a parameter within the cell. */
  readonly pathOf: (term: Term) => string | undefined;
  /** Whether a value is computed from a state. */
  readonly isRecurrent: (term: Term) => boolean;
}

type Rule<K extends OpName | WrittenOp> = (context: RuleContext<K>) => Expression;

function first({ operands }: { readonly operands: readonly Expression[] }): Expression {
  return at(operands, 0);
}

function second({ operands }: { readonly operands: readonly Expression[] }): Expression {
  return at(operands, 1);
}

const call =
  (name: string) =>
  ({ operands }: { readonly operands: readonly Expression[] }): Expression =>
    applied(name, ...operands);

const named = (name: string) => call(`\\operatorname{${name}}`);

/** A comparison, with lower precedence than arithmetic. */
const compared =
  (sign: string) =>
  (context: { readonly operands: readonly Expression[] }): Expression => {
    const [a, b] = [first(context), second(context)];
    return expression(`${within(a, level.sum)} ${sign} ${within(b, level.sum)}`, level.comparison, a, b);
  };

/** A superscript; the operand is put in parentheses unless it is an atom. */
const above =
  (sign: string) =>
  (context: { readonly operands: readonly Expression[] }): Expression =>
    expression(`${within(first(context), level.atom)}^${sign}`, level.prefix, first(context));

/** A suffix; the operand is put in parentheses unless it is an atom. */
const behind =
  (sign: string) =>
  (context: { readonly operands: readonly Expression[] }): Expression =>
    expression(`${within(first(context), level.atom)}${sign}`, level.atom, first(context));

const product: Rule<"product"> = ({ term, operands, pathOf, isRecurrent }) => {
  const parts = term.operands.slice(0, -1);
  const weights = at(term.operands, parts.length);
  const path = pathOf(weights);
  const transposed = term.node.op === "dot" && term.node.attrs.transposeB;
  // A dense layer's kernel has one letter for each input, as in papers: U for inputs that depend on a state.
  const isKernel = path !== undefined && /(?:^|\/)kernel$/.test(path) && !transposed;
  const letters = parts.map((part) => (isRecurrent(part) ? "U" : "W"));
  const factors = letters.map((letter, i) => {
    const value = at(operands, i);
    const alike = letters.filter((other) => other === letter).length > 1;
    const place = letters.slice(0, i + 1).filter((other) => other === letter).length;
    const matrix = isKernel
      ? `${parameterSymbol(path, letter)}${alike ? `^{(${place})}` : ""}`
      : `${within(at(operands, parts.length), level.atom)}${rowsOf(parts, i)}${transposed ? "" : "^\\top"}`;
    return expression(
      `${matrix} ${value.level === level.atom ? value.tex : inParentheses(value)}`,
      level.product,
      value,
    );
  });
  return factors.length === 1 ? at(factors, 0) : sumOf(at(factors, 0), ...factors.slice(1));
};

/** The rows of a matrix that belong to one of several concatenated inputs. */
function rowsOf(parts: readonly Term[], index: number): string {
  if (parts.length === 1) return "";
  const widths = parts.map(({ node }) => Number(node.aval.shape.at(-1)));
  const start = widths.slice(0, index).reduce((sum, width) => sum + width, 0);
  return `[${start}:${start + at(widths, index)}]`;
}

/** Vectors are columns: a row times a matrix is the transposed matrix times the vector. */
const dot: Rule<"dot"> = ({ term, operands, attrs }) => {
  const [a, b] = [at(operands, 0), at(operands, 1)];
  const [left, right] = term.operands.map(({ node }) => node.aval.shape.slice(-2));
  const rows = at(left ?? [], attrs.transposeA ? 1 : 0);
  const inner = at(left ?? [], attrs.transposeA ? 0 : 1);
  const columns = at(right ?? [], attrs.transposeB ? 0 : 1);
  const turned = ({ tex, level: held, tall }: Expression, transposed: boolean) =>
    transposed ? `${within({ tex, level: held, tall }, level.atom)}^\\top` : factor({ tex, level: held, tall });
  const isOne = (size: Dim) => size === 1 || typeof size !== "number";
  const texts =
    isOne(rows) && isOne(columns)
      ? [turned(a, true), turned(b, false)]
      : isOne(rows)
        ? [turned(b, !attrs.transposeB), turned(a, false)]
        : isOne(columns)
          ? [turned(a, attrs.transposeA), turned(b, false)]
          : isOne(inner)
            ? [turned(a, false), turned(b, true)]
            : [turned(a, attrs.transposeA), turned(b, attrs.transposeB)];
  return expression(texts.join(" "), level.product, a, b);
};

/** Scalar multiplication has no sign; the elementwise product of vectors is a circle. */
const mul: Rule<"mul"> = (context) => {
  const [a, b] = [first(context), second(context)];
  const [isNumber, isNumberToo] = context.term.operands.map(({ node }) => coreOf(node.aval.shape).length === 0);
  if (isNumber === true) return productOf(context.term.operands[1]?.op === "constant" ? "\\cdot" : "", a, b);
  return isNumberToo === true ? productOf("", b, a) : productOf("\\circ", a, b);
};

const neg: Rule<"neg"> = (context) => expression(`-${factor(first(context))}`, level.sum, first(context));

const cast: Rule<"cast"> = ({ term, operands, attrs }) => {
  const from = at(term.operands, 0).node.aval.dtype;
  const value = at(operands, 0);
  // Iverson's bracket: 1 if the condition holds, otherwise 0.
  if (from === "bool") return expression(`[${value.tex}]`, level.atom, value);
  return applied(`\\operatorname{${attrs.dtype}}`, value);
};

const broadcast: Rule<"broadcast"> = (context) => {
  const place = placeOfBroadcast(context.term);
  const value = within(first(context), level.atom);
  if (place === undefined)
    return applied(`\\operatorname{repeat}_{${sizeTex(context.term.node.aval.shape)}}`, first(context));
  return expression(place === 0 ? `${value}\\,\\mathbf{1}^\\top` : `\\mathbf{1}\\,${value}^\\top`, level.product);
};

const transpose: Rule<"transpose"> = (context) => {
  const { permutation } = context.attrs;
  const last = permutation.length - 1;
  const swapsLast = permutation.every((axis, i) => axis === (i === last ? last - 1 : i === last - 1 ? last : i));
  if (swapsLast) return above("\\top")(context);
  return applied(`\\operatorname{transpose}_{(${permutation.join(",")})}`, first(context));
};

const slice: Rule<"slice"> = (context) => {
  const { axis, start, size } = context.attrs;
  const { shape } = at(context.term.operands, 0).node.aval;
  const from = start < 0 ? Number(shape[axis]) + start : start;
  const range = typeof size === "number" ? (size === 1 ? `${from}` : `${from}:${from + size}`) : `${from}:`;
  // The axis is omitted if only one is shown.
  const where = coreOf(shape).length <= 1 ? range : `${range}\\text{ of axis }${axis}`;
  return behind(`[${where}]`)(context);
};

/** The name of a reduction, with its axes unless they are the only ones. */
function axesOf(name: string, { term, attrs }: RuleContext<"sum" | "reduceMax">): string {
  const { shape } = at(term.operands, 0).node.aval;
  const count = coreOf(shape).length;
  return count <= attrs.axes.length ? name : `${name}_{\\text{axis }${attrs.axes.join(",")}}`;
}

/** A loop within the step is not expanded: shows its inputs and the index of the result. */
const result: Rule<"result"> = (context) => behind(`[${context.attrs.index + 1}]`)(context);

const where: Rule<"where"> = ({ operands }) => {
  const [condition, yes, no] = [at(operands, 0), at(operands, 1), at(operands, 2)];
  return tall(
    `\\begin{cases} ${yes.tex} & \\text{where } ${condition.tex} \\\\ ${no.tex} & \\text{elsewhere} \\end{cases}`,
    level.sum,
  );
};

/** A number; one with a sign or a power is not an atom. */
function numberOf(value: number): Expression {
  const tex = numberTex(value);
  return expression(tex, tex.startsWith("-") ? level.sum : tex.includes("^") ? level.product : level.atom);
}

function sizeTex(shape: Shape): string {
  return coreOf(shape).join(" \\times ");
}

type Rules = { readonly [K in OpName | WrittenOp]: Rule<K> };

export const rules: Rules = {
  // The caller names inputs; this is a fallback.
  input: ({ attrs }) => atom(symbolOf(attrs.name)),
  constant: ({ attrs: { value, dtype } }) =>
    dtype === "bool" ? atom(`\\text{${value === 0 ? "false" : "true"}}`) : numberOf(value),
  iota: ({ attrs: { shape, axis } }) => atom(`(0, 1, \\dots, ${Number(shape[axis]) - 1})`),
  dimSize: ({ attrs }) => atom(symbolOf(String(attrs.dim))),

  neg,
  exp: call("\\exp"),
  expm1: (context) => differenceOf(applied("\\exp", first(context)), atom("1")),
  log: call("\\ln"),
  log1p: (context) => applied("\\ln", sumOf(atom("1"), first(context))),
  sqrt: (context) => tall(`\\sqrt{${first(context).tex}}`),
  abs: (context) => expression(`\\lvert ${first(context).tex} \\rvert`, level.atom, first(context)),
  sin: call("\\sin"),
  cos: call("\\cos"),
  tanh: call("\\tanh"),
  sigmoid: call("\\sigma"),
  softplus: named("softplus"),
  erf: named("erf"),
  round: named("round"),
  floor: (context) => expression(`\\lfloor ${first(context).tex} \\rfloor`, level.atom, first(context)),
  not: (context) => expression(`\\lnot ${within(first(context), level.prefix)}`, level.prefix, first(context)),
  finite: named("finite"),
  roundToHalf: named("f16"),
  stopGradient: named("stop"),
  customGradient: ({ operands, attrs }) => at(operands, attrs.index),
  cast,

  add: (context) => sumOf(first(context), second(context)),
  sub: (context) => differenceOf(first(context), second(context)),
  mul,
  div: (context) => tall(`\\frac{${first(context).tex}}{${second(context).tex}}`, level.product),
  pow: (context) =>
    expression(
      `${within(first(context), level.atom)}^{${unbroken(second(context).tex)}}`,
      level.prefix,
      first(context),
    ),
  min: call("\\min"),
  max: call("\\max"),
  less: compared("<"),
  equal: compared("="),
  and: compared("\\land"),
  or: compared("\\lor"),
  where,
  randomBits: named("randomBits"),

  reshape: ({ term, operands }) => applied(`\\operatorname{reshape}_{${sizeTex(term.node.aval.shape)}}`, ...operands),
  transpose,
  broadcast,
  slice,
  pad: ({ attrs: { start }, operands }) => applied(`\\operatorname{pad}_{${start}}`, ...operands),
  concat: ({ operands }) => expression(`[${operands.map(({ tex }) => tex).join(";\\, ")}]`, level.atom, ...operands),

  sum: (context) => applied(axesOf("\\operatorname{sum}", context), first(context)),
  reduceMax: (context) => applied(axesOf("\\operatorname{max}", context), first(context)),
  dot,
  gather: (context) => expression(`${within(first(context), level.atom)}[${second(context).tex}]`, level.atom),
  scatterAdd: named("scatterAdd"),

  scan: ({ attrs, operands }) => applied(`\\operatorname{${attrs.reverse ? "backwards" : "loop"}}`, ...operands),
  result,

  product,
  outer: ({ operands }) => {
    const [column, row] = [at(operands, 0), at(operands, 1)];
    return expression(`${within(column, level.atom)} ${within(row, level.atom)}^\\top`, level.product, column, row);
  },
  lessEqual: compared("\\le"),
  relu: (context) => applied("\\max", atom("0"), first(context)),
  mean: named("mean"),
  logSigmoid: (context) => applied("\\ln \\sigma", first(context)),
  square: above("2"),
};

/** The rule of an op, with its attributes widened, as `entryOf` does for entries. */
export function ruleOf(op: OpName | WrittenOp): Rule<OpName | WrittenOp> {
  return rules[op] as Rule<OpName | WrittenOp>;
}
