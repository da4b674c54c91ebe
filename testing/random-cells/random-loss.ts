/** @file A random scalar loss of a cell's results: each contributes one of a few terms, with weights of its shape. */
import { at } from "../../compiler/graph/errors.ts";
import type { Tensor } from "../../index.ts";
import type { CellPlan } from "./cell-plan.ts";
import { statesOf } from "./random-model.ts";
import { type SourceWriter, Value } from "./source-writer.ts";

type Float = Tensor<"f32">;
type Term = (writer: SourceWriter, result: Value, weights: Value) => Value;

const terms: readonly Term[] = [
  (w, result, weights) => w.call("sum", [w.call("mul", [result, weights], 0)], 0),
  // Mean squared error.
  (w, result, weights) => w.call("mean", [w.call("square", [w.call("sub", [result, weights], 0)], 0)], 0),
  // Cross-entropy with the weights as targets; with one class it would be 0.
  (w, result, weights) => {
    const axes = [result.tensor.shape.length - 1];
    if (result.tensor.shape[axes[0] ?? 0] === 1) return w.call("mean", [w.call("mul", [result, weights], 0)], 0);
    const entropy = w.call("sum", [w.call("mul", [w.call("logSoftmax", [result], 0), weights], 0), axes], 0);
    return w.call("neg", [w.call("mean", [entropy], 0)], 0);
  },
  (w, result, weights) => w.call("sum", [w.call("tanh", [w.call("mul", [result, weights], 0)], 0)], 0),
];

/** The loss of outputs and states. If only its text is needed, the results serve as their own weights. */
export function writeLoss(
  writer: SourceWriter,
  { losses: kinds, ...plan }: CellPlan,
  results: readonly Float[],
  weights: readonly Tensor[] = results,
): Float {
  const stateNames = Object.keys(statesOf(plan));
  const parts = results.map((result, i) => {
    const name = i === 0 ? "outputs" : `state.${at(stateNames, i - 1)}`;
    const term = at(terms, (kinds[i % kinds.length] ?? 0) % terms.length);
    return term(writer, new Value(name, result, 0), new Value(`weights${i}`, at(weights, i), 0));
  });
  const total = parts.reduce((sum, part) => writer.call("add", [sum, part], 0));
  writer.line(`return ${total.text};`);
  return total.tensor as Float;
}
