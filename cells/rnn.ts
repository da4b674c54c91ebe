/**
 * @file The simple recurrent network of Elman 1990, "Finding structure in time", Cognitive Science 14:
 *
 *   h' = tanh(U x + W h + b)
 */
import { cell } from "../compiler/dsl/cell.ts";
import { dense } from "../compiler/dsl/dense.ts";
import { glorot, orthogonal } from "../compiler/dsl/initializers.ts";
import { tanh } from "../compiler/ops/transcendental.ts";

/** Simple recurrent network; state h: [units], output h. */
export const rnn = cell("rnn", { state: ({ units }) => ({ h: [units] }) }, ({ x, h, units }) => {
  const next = tanh(dense("hidden", [x, h], units, { kernel: [glorot, orthogonal()] }));
  return { state: { h: next }, output: next };
});
