/** @file The interface of rules, each of which translates one op of the IR to ONNX. */

import { at } from "../../compiler/graph/errors.ts";
import type { Aval, OpAttrs } from "../../compiler/graph/graph.ts";
import type { TableOp } from "../../compiler/ops/table.ts";
import { broadcasting, tensorValue, type Value } from "./values.ts";
import type { ElementType, OnnxWriter } from "./writer.ts";

export interface RuleContext<K extends TableOp> {
  readonly writer: OnnxWriter;
  readonly operands: readonly Value[];
  /** Dtypes and shapes of the operands. */
  readonly from: readonly Aval[];
  readonly attrs: OpAttrs[K];
  /** Dtype and shape of the result. */
  readonly aval: Aval;
}

export type Rule<K extends TableOp> = (context: RuleContext<K>) => Value;

/** A rule that writes a tensor and returns its name. */
export function written<K extends TableOp>(write: (context: RuleContext<K>) => string): Rule<K> {
  return (context) => tensorValue(write(context));
}

/** An elementwise op with the same op in ONNX. */
export function same<K extends TableOp>(opType: string): Rule<K> {
  return written(({ writer, operands }) => writer.op(opType, broadcasting(operands)));
}

/**
 * Like `same`, for numbers of any dtype. Runtimes have few kernels for u32, so it is computed in int64, whose low 32 bits are
 * the wrapped result.
 */
export function numeric<K extends TableOp>(opType: string): Rule<K> {
  return written(({ writer, operands, from, aval }) =>
    throughInt64(writer, from, aval, broadcasting(operands), (names) => writer.op(opType, names)),
  );
}

/** Calls `write` with the operands, or for u32 with the operands cast to int64. */
export function throughInt64(
  writer: OnnxWriter,
  from: readonly Aval[],
  { dtype }: Aval,
  names: readonly string[],
  write: (names: readonly string[], type: ElementType) => string,
): string {
  const type = at(from, from.length - 1).dtype;
  if (type !== "u32") return write(names, type);
  const widened = names.map((name, i) => (at(from, i).dtype === "u32" ? writer.cast(name, "int64") : name));
  const result = write(widened, "int64");
  return dtype === "u32" ? writer.cast(low32(writer, result), "u32") : result;
}

/** The low 32 bits of an int64, as a non-negative number. */
export function low32(writer: OnnxWriter, name: string): string {
  return writer.op("BitwiseAnd", [name, writer.scalar(0xffffffff, "int64")]);
}

/** The name of operand `i`, in its own shape. */
export function operand<K extends TableOp>({ operands }: RuleContext<K>, i = 0): string {
  return at(operands, i).full();
}
