/** @file The interface of rules, each of which writes one op of the IR as a JAX expression. */

import type { Shape } from "../../compiler/graph/dim.ts";
import { at } from "../../compiler/graph/errors.ts";
import type { Aval, OpAttrs } from "../../compiler/graph/graph.ts";
import type { TableOp } from "../../compiler/ops/table.ts";
import type { HelperName } from "./helpers.ts";
import { type Code, call, code, type Level, level, operator } from "./python.ts";
import { broadcastOf, exact, type Form, fitting, numberText, type Pattern, type Value, type Writer } from "./values.ts";

export interface RuleContext<K extends TableOp> {
  readonly writer: Writer;
  readonly operands: readonly Value[];
  readonly attrs: OpAttrs[K];
  /** Dtype and shape of the result. */
  readonly aval: Aval;
  /** A function of the printed module's own, which is added to it. */
  readonly helper: (name: HelperName) => string;
}

export type Rule<K extends TableOp> = (context: RuleContext<K>) => Value;

/** An expression of exactly the result's shape. */
export function ofShape({ aval }: { readonly aval: Aval }, code: Code, pattern?: Pattern): Value {
  return { aval, forms: [{ shape: aval.shape, code }], ...(pattern && { pattern }) };
}

/** Operand `i` in exactly its shape. */
export function operand<K extends TableOp>({ operands, writer }: RuleContext<K>, i = 0): Code {
  return exact(at(operands, i), writer);
}

/** The operands of an elementwise op as they can be: smaller ones are broadcast by the op itself. */
export function aligned(operands: readonly Value[], writer: Writer): { codes: Code[]; shape: Shape } {
  const forms = operands.map((value): Form => {
    if (value.known === undefined) return fitting(value, writer);
    const text = numberText(value.known, value.aval.dtype);
    return { shape: [], code: code(text, text.startsWith("-") ? level.unary : level.atom) };
  });
  // A Python number has no methods and no dtype of its own, so an op of such numbers alone has one array.
  const isWeak = operands.every((value) => value.weak === true || value.known !== undefined);
  const codes = forms.map((form, i) =>
    isWeak && i === operands.length - 1
      ? call("jnp.asarray", form.code, writer.dtype(at(operands, i).aval.dtype))
      : form.code,
  );
  return { codes, shape: broadcastOf(forms.map(({ shape }) => shape)) };
}

/** An elementwise op, written by `write`. */
export function elementwise<K extends TableOp>(
  write: (codes: readonly Code[], context: RuleContext<K>) => Code,
  pattern?: (context: RuleContext<K>) => Pattern | undefined,
): Rule<K> {
  return (context) => {
    const { codes, shape } = aligned(context.operands, context.writer);
    const found = pattern?.(context);
    return {
      aval: context.aval,
      forms: [{ shape, code: write(codes, context) }],
      ...(found && { pattern: found }),
    };
  };
}

/** An elementwise function of the same name and meaning. */
export function same<K extends TableOp>(name: string): Rule<K> {
  return elementwise((codes) => call(name, ...codes));
}

/** An infix operator. */
export function infix<K extends TableOp>(sign: string, at: Level, pattern?: "less" | "equal"): Rule<K> {
  return elementwise(
    ([a = code(""), b = code("")]) =>
      // Linters take a comparison of a name with itself for a mistake.
      pattern !== undefined && a.text === b.text ? call(`jnp.${pattern}`, a, b) : operator(a, sign, b, at),
    ({ operands: [a, b] }) =>
      pattern !== undefined && a !== undefined && b !== undefined ? { kind: pattern, a, b } : undefined,
  );
}
