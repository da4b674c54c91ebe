/**
 * @file What a step does with a matrix memory: it lets it fade, adds outer products, and reads it with vectors. The same
 * form holds tensors of one step, tensors of all steps of a chunk, or positions among the outputs of a loop.
 */
import type { NodeId } from "../graph/graph.ts";
import type { Tensor } from "../trace/tensor.ts";

type Float = Tensor<"f32">;

/** The axis of the matrix that keys run along. */
export type KeyAxis = "rows" | "columns";

/** An outer product of a value [.., values], `factor * correction + value`, and a key [.., keys]. */
export interface Written<Value = Float> {
  readonly value: Value | undefined;
  /** [..], of the read that is corrected. */
  readonly factor: Value | undefined;
  readonly key: Value;
}

/** What a read finds: `S·query`, with the outer products of the same step that are there already. */
export interface Read<Value = Float> {
  /** The value of the step that it is. */
  readonly id: NodeId;
  /** [.., keys]. */
  readonly query: Value;
  /** How far S has faded since the step before, [..] or [.., keys]; undefined if it has not. */
  readonly faded: Value | undefined;
  readonly outers: readonly Written<Value>[];
}

/** A step of a matrix memory; tensors have the stack of the matrices in front. */
export interface MemoryStep<Value = Float> {
  readonly keyAxis: KeyAxis;
  /** [..], or [.., keys] if key dimensions fade apart; undefined if nothing fades. */
  readonly decay: Value | undefined;
  readonly written: readonly Written<Value>[];
  readonly reads: readonly Read<Value>[];
  /** The position in `reads` of the one that is corrected. */
  readonly corrected: number | undefined;
}

/** The step with other values, in a fixed order. `neutral` is what changes nothing in place of a value: 1 for decays. */
export function mapStep<A, B>(step: MemoryStep<A>, change: (value: A, neutral: 0 | 1) => B): MemoryStep<B> {
  const optional = (value: A | undefined, neutral: 0 | 1 = 0) =>
    value === undefined ? undefined : change(value, neutral);
  const written = ({ value, factor, key }: Written<A>): Written<B> => ({
    ...{ value: optional(value), factor: optional(factor), key: change(key, 0) },
  });
  return {
    ...{ keyAxis: step.keyAxis, decay: optional(step.decay, 1), corrected: step.corrected },
    written: step.written.map(written),
    reads: step.reads.map(({ id, query, faded, outers }) => ({
      ...{ id, query: change(query, 0), faded: optional(faded), outers: outers.map(written) },
    })),
  };
}

/** All values of a step, in that order. */
export function valuesOf<Value>(step: MemoryStep<Value>): Value[] {
  const all: Value[] = [];
  mapStep(step, (value) => all.push(value));
  return all;
}
