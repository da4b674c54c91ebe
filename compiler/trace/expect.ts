/** @file What stands where tensors are expected: from JavaScript anything may come, and what is no tensor has no shape to read. */
import { inWords } from "../graph/errors.ts";
import { faultOf } from "./fault.ts";
import { Tensor } from "./tensor.ts";

/** Refuses what is no tensor, where `op` would read its shape. */
export function expectTensors(op: string, ...values: readonly unknown[]): void {
  const other = values.find((value) => !(value instanceof Tensor));
  if (values.some((value) => !(value instanceof Tensor)))
    throw faultOf(
      op,
      `${inWords(other)} stands where a tensor is expected; tensors are what a traced function is given`,
    );
}
