/**
 * @file Values of IR nodes in ONNX. Numbers that are known at export stay numbers until an op reads them as a tensor, so
 * views of weights cost nothing; and a broadcast of a smaller tensor is left to the reading op, if that op broadcasts.
 */
import type { Dim } from "../../compiler/graph/dim.ts";
import type { NdArray } from "../../compiler/graph/ndarray.ts";
import type { OnnxWriter } from "./writer.ts";

export interface Value {
  /** The name of the tensor in its full shape. */
  readonly full: () => string;
  /** The name of a tensor that broadcasts to that shape. */
  readonly compact: () => string;
  /** Whether the two differ. */
  readonly isRepeated: boolean;
  /** The numbers and their name, if they are known. */
  readonly known?: { readonly array: NdArray; readonly name: string };
}

/** A tensor in the model. */
export function tensorValue(name: string): Value {
  return { full: () => name, compact: () => name, isRepeated: false };
}

/** Known numbers, stored in the model when they are first read. */
export function knownValue(writer: OnnxWriter, array: NdArray, name: string): Value {
  const full = once(() => writer.initializer(name, array));
  return { full, compact: full, isRepeated: false, known: { array, name } };
}

/** `compact` broadcast to a shape. */
export function repeatedValue(writer: OnnxWriter, compact: () => string, shape: readonly Dim[]): Value {
  const smaller = once(compact);
  return { compact: smaller, full: once(() => writer.op("Expand", [smaller(), writer.dims(shape)])), isRepeated: true };
}

/** Names of the operands of an op that broadcasts: at least one has the shape of the result. */
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
