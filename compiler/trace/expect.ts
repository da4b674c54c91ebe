/** @file Checks that arguments are tensors: JavaScript callers can pass anything, and other values have no shape. */
import { inWords } from "../graph/errors.ts";
import { faultOf } from "./fault.ts";
import { Tensor } from "./tensor.ts";

/** Throws a UserError, in the name of `op`, if a value is not a tensor. */
export function expectTensors(op: string, ...values: readonly unknown[]): void {
  const other = values.find((value) => !(value instanceof Tensor));
  if (values.some((value) => !(value instanceof Tensor)))
    throw faultOf(
      op,
      `expected a tensor, got ${inWords(other)}; tensors are the arguments of a traced function and results of ops`,
    );
}
