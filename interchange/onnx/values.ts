/**
 * @file What a node of the IR becomes in ONNX. Numbers that are known when a model is exported stay numbers until somebody
 * reads them as a tensor, so views of weights cost nothing; and what only repeats a smaller tensor is repeated by the
 * broadcasting of whoever reads it, where that op broadcasts.
 */
import type { Dim } from "../../compiler/graph/dim.ts";
import type { NdArray } from "../../compiler/graph/ndarray.ts";
import type { OnnxWriter } from "./writer.ts";

export interface Value {
  /** The name of the tensor in its own shape. */
  readonly full: () => string;
  /** The name of a tensor that broadcasting repeats to that shape. */
  readonly compact: () => string;
  /** Whether the two differ. */
  readonly isRepeated: boolean;
  /** The numbers and what to call them, where they are known. */
  readonly known?: { readonly array: NdArray; readonly name: string };
}

/** A tensor that exists. */
export function tensorValue(name: string): Value {
  return { full: () => name, compact: () => name, isRepeated: false };
}

/** Known numbers, stored with the model as soon as they are read. */
export function knownValue(writer: OnnxWriter, array: NdArray, name: string): Value {
  const full = once(() => writer.initializer(name, array));
  return { full, compact: full, isRepeated: false, known: { array, name } };
}

/** `compact` repeated to a shape. */
export function repeatedValue(writer: OnnxWriter, compact: () => string, shape: readonly Dim[]): Value {
  const smaller = once(compact);
  return { compact: smaller, full: once(() => writer.op("Expand", [smaller(), writer.dims(shape)])), isRepeated: true };
}

/** Names of operands of an op that broadcasts: one at least has the shape of the result. */
export function broadcasting(operands: readonly Value[]): string[] {
  const anchored = operands.some(({ isRepeated }) => !isRepeated);
  return operands.map((operand, i) => (anchored || i > 0 ? operand.compact() : operand.full()));
}

function once(make: () => string): () => string {
  let made: string | undefined;
  return () => {
    made ??= make();
    return made;
  };
}
