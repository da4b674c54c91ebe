import { type NodeId, nodeAt } from "../../graph/graph.ts";
import type { Index } from "../../kernel/index-arithmetic.ts";
import type { Expr, Variable } from "../../kernel/ir.ts";
import type { PlacedBuilder } from "../emit/placed-builder.ts";
import type { Emitter, Region } from "../emit/values.ts";
import type { ScanTime } from "./scan-time.ts";

interface AheadOfTime {
  readonly variable: Variable;
  readonly operand: NodeId;
  readonly index: readonly Index[];
  readonly emitter: Emitter;
}

/** Data that the next step's values are found by. */
interface Found {
  readonly variable: Variable;
  readonly valueAt: (time: Index) => Expr;
}

export class Ahead {
  readonly #writer: PlacedBuilder;
  readonly #time: ScanTime;
  readonly #outer: Region;
  /** Keyed by operand and position. */
  readonly #values = new Map<string, AheadOfTime>();
  #write: ((write: () => void) => void) | undefined;

  constructor(writer: PlacedBuilder, time: ScanTime, outer: Region) {
    this.#writer = writer;
    this.#time = time;
    this.#outer = outer;
  }

  /** The value at the current step of `operand`, whose `index` is known before the loop. */
  value(operand: NodeId, index: readonly Index[], emitter: Emitter): Expr {
    const key = `${operand} ${index.map(({ expr }) => expr.id).join()}`;
    const known = this.#values.get(key);
    if (known !== undefined) return known.variable;
    const w = this.#writer;
    const first = emitter.value(this.#outer, operand, [this.#time.index(this.#time.first), ...index]);
    const variable = w.kept(w.fresh("ahead"), first);
    this.#values.set(key, { variable, operand, index, emitter });
    return variable;
  }

  /** Marks where in a step the next values are loaded: in the first place that is marked. */
  here(): void {
    this.#write ??= this.#writer.reserve();
  }

  /** Writes the loads, and at the end of a step what they change. After the last step they read its values again. */
  finish(): void {
    if (this.#values.size === 0) return;
    const w = this.#writer;
    const changes: (() => void)[] = [];
    const write = this.#write ?? ((now: () => void) => now());
    write(() => {
      const next = this.#time.index(w.let("next", this.#later(this.#time.steps, 1)));
      const found = new Map<string, Found>();
      const region: Region = {
        ...this.#outer,
        read: (id, index, emitter) => this.#find(found, next, id, index, emitter),
      };
      for (const { variable, operand, index, emitter } of this.#values.values()) {
        const value = emitter.value(region, operand, [next, ...index]);
        changes.push(() => w.assign(variable, value));
      }
      if (found.size === 0) return;
      const afterNext = this.#time.index(w.let("afterNext", this.#later(this.#time.steps, 2)));
      for (const { variable, valueAt } of found.values()) {
        const value = valueAt(afterNext);
        changes.push(() => w.assign(variable, value));
      }
    });
    for (const change of changes) change();
  }

  /** The number of a step that comes `more` steps after one, or of the last one. */
  #later(steps: Expr, more: number): Expr {
    const w = this.#writer;
    const last = w.bind("last step", w.sub(w.max(this.#time.end, w.u32(1)), w.u32(1)), 0);
    return w.min(w.add(steps, w.u32(more)), last);
  }

  /** Reads an input or a stored value for the next step; integers that depend on the step were loaded before. */
  #find(
    found: Map<string, Found>,
    next: Index,
    id: NodeId,
    index: readonly Index[],
    emitter: Emitter,
  ): Expr | undefined {
    const { dtype } = nodeAt(this.#outer.graph, id).aval;
    const place = index.findIndex(({ expr }) => expr.id === next.expr.id);
    const others = index.filter((_, i) => i !== place);
    if (dtype === "f32" || place < 0 || others.some(({ expr }) => expr.depth > 0))
      return this.#outer.read(id, index, emitter);
    const key = `${id} ${index.map(({ expr }) => expr.id).join()}`;
    const known = found.get(key);
    if (known !== undefined) return known.variable;
    const w = this.#writer;
    const valueAt = (time: Index) => this.#outer.read(id, index.with(place, time), emitter);
    const second = w.bind("second step", this.#later(this.#time.first, 1), 0);
    const initial = valueAt(this.#time.index(second));
    if (initial === undefined) return undefined;
    const variable = w.kept(w.fresh("found"), initial);
    found.set(key, { variable, valueAt: (time) => valueAt(time) ?? initial });
    return variable;
  }
}
