/** @file What is checked of printed modules: the values of their functions, and JAX's gradients of them. */
import type { NdArray } from "../../compiler/graph/ndarray.ts";

/** An argument: an array, a tuple of arrays, or a tree. */
export type CaseArgument =
  | NdArray
  | { readonly tuple: readonly NdArray[] }
  | readonly { readonly keys: readonly string[]; readonly array: NdArray }[];

export interface JaxCase {
  /** What is checked, such as `op add 3`. */
  readonly name: string;
  /** The text of the module. */
  readonly source: string;
  /** The name of the function in it. */
  readonly call: string;
  readonly args: readonly CaseArgument[];
  /** What the interpreter gives: the leaves of the result. */
  readonly expected: readonly NdArray[];
  /** The gradient of the first result, a scalar. */
  readonly gradient?: {
    /** The arguments to differentiate, by place; of a tree all leaves. */
    readonly of: readonly number[];
    readonly expected: readonly NdArray[];
  };
  /** Errors are relative to this, or to the number itself if that is larger; 1 by default. */
  readonly scale?: number;
}

/** Cases that belong together. */
export interface JaxGroup {
  readonly name: string;
  readonly cases: () => Iterable<JaxCase>;
}
