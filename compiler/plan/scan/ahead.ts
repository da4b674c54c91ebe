/**
 * @file Values of a sequence that a step reads at the lane's own position, in registers: the first is loaded before the
 * loop over time, and each other one during the step before it. A step that loaded its own would wait for memory.
 */
import type { NodeId } from "../../graph/graph.ts";
import type { Index } from "../../kernel/index-arithmetic.ts";
import type { Expr, Variable } from "../../kernel/ir.ts";
import type { PlacedBuilder } from "../emit/placed-builder.ts";
import type { ScanTime } from "./scan-time.ts";

interface AheadOfTime {
  readonly variable: Variable;
  readonly valueAt: (time: Index) => Expr;
}

export class Ahead {
  readonly #writer: PlacedBuilder;
  readonly #time: ScanTime;
  /** Keyed by operand and position. */
  readonly #values = new Map<string, AheadOfTime>();

  constructor(writer: PlacedBuilder, time: ScanTime) {
    this.#writer = writer;
    this.#time = time;
  }

  /** The value at the current step of `operand`, whose `index` is known before the loop. */
  value(operand: NodeId, index: readonly Index[], valueAt: (time: Index) => Expr): Expr {
    const key = `${operand} ${index.map(({ expr }) => expr.id).join()}`;
    const known = this.#values.get(key);
    if (known !== undefined) return known.variable;
    const w = this.#writer;
    const variable = w.kept(w.fresh("ahead"), valueAt(this.#time.index(this.#time.first)));
    this.#values.set(key, { variable, valueAt });
    return variable;
  }

  /** Loads what the next step reads; after the last step, its values again. */
  loadNext(): void {
    if (this.#values.size === 0) return;
    const w = this.#writer;
    const { steps, end } = this.#time;
    const next = w.let("next", w.min(w.add(steps, w.u32(1)), w.sub(end, w.u32(1))));
    const time = this.#time.index(next);
    const values = [...this.#values.values()].map(({ variable, valueAt }) => ({ variable, value: valueAt(time) }));
    for (const { variable, value } of values) w.assign(variable, value);
  }
}
