/**
 * @file The independently recurrent network: Li, Li, Cook, Zhu & Gao 2018, arXiv:1803.04831, eq. 2. Each unit is recurrent
 * only with itself, by its own weight u; units are combined in the next layer.
 *
 *   h' = relu(W x + u * h + b)
 *
 * Over T steps a unit's gradient scales by u^T, so u starts uniform in [0, 2^(1/T)] for the longest sequence expected
 * (section 3.2): some units forget at once, others remember.
 */
import { cell } from "../compiler/dsl/cell.ts";
import { dense } from "../compiler/dsl/dense.ts";
import { uniform } from "../compiler/dsl/initializers.ts";
import { parameter } from "../compiler/dsl/parameters.ts";
import { checkedOptions } from "../compiler/graph/options.ts";
import { relu } from "../compiler/ops/composed.ts";
import { add, mul } from "../compiler/ops/elementwise.ts";
import { wholeOption } from "./options.ts";

/** Options of `indrnn`. */
export interface IndrnnOptions {
  /** Steps of the longest sequence, which bound the initial u; 100 by default. */
  readonly longest?: number;
}

/** Independently recurrent network; state h: [units], output h. */
export function indrnn(options: IndrnnOptions = {}) {
  const { longest = 100 } = checkedOptions("indrnn", options, { longest: "number" });
  const start = uniform(0, 2 ** (1 / wholeOption("indrnn", "longest", longest)));
  return cell("indrnn", { state: ({ units }) => ({ h: [units] }) }, ({ x, h, units }) => {
    const next = relu(add(dense("input", x, units), mul(parameter("recurrent", [units], start), h)));
    return { state: { h: next }, output: next };
  });
}
