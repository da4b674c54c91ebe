/**
 * @file Carries in registers: every lane of a column computes the column's next state, so a lane that reads only its own
 * column's state has it already. What other lanes read is in workgroup memory as well.
 */
import { at } from "../../graph/errors.ts";
import type { NodeId } from "../../graph/graph.ts";
import type { Index } from "../../kernel/index-arithmetic.ts";
import type { Expr, Variable } from "../../kernel/ir.ts";
import { bodyInputs } from "../../ops/scan.ts";
import type { PlacedBuilder } from "../emit/placed-builder.ts";
import { isOfColumns, type PersistentPlan } from "./persistent-plan.ts";
import type { LaneSlices } from "./resident-products.ts";

interface KeptCarry {
  readonly variable: Variable;
  readonly index: readonly Index[];
  /** Whether memory has it, too. */
  isInMemory: boolean;
}

export class KeptCarries {
  readonly #writer: PlacedBuilder;
  readonly #lanes: LaneSlices;
  readonly #plan: PersistentPlan;
  readonly #kept = new Map<NodeId, KeptCarry>();
  readonly #possible: ReadonlySet<NodeId>;
  readonly #readInMemory = new Set<NodeId>();

  constructor(writer: PlacedBuilder, plan: PersistentPlan, lanes: LaneSlices) {
    this.#writer = writer;
    this.#lanes = lanes;
    this.#plan = plan;
    const { attrs } = plan.node;
    const ofColumns = new Set(plan.stages.filter((stage) => isOfColumns(plan, stage)).flatMap(({ roots }) => roots));
    const { carries } = bodyInputs(attrs);
    // With one slot, no stage reads the carry after its next value is known.
    const isPossible = (id: NodeId, i: number) =>
      plan.slots.get(id)?.count === 1 && ofColumns.has(at(attrs.body.outputs, i));
    this.#possible = new Set(carries.filter(isPossible));
  }

  /** The carry's element in a register, if the lane keeps it; `initial` is that before the loop over time. */
  read(id: NodeId, index: readonly Index[], initial: () => Expr): Expr | undefined {
    const known = this.#kept.get(id);
    if (known !== undefined && isSame(known.index, index)) return known.variable;
    const width = this.#plan.slots.get(id)?.width ?? 0;
    const isOwn =
      this.#possible.has(id) && index.length === 2 && at(index, 1).expr.id === this.#lanes.columnOf(width).expr.id;
    if (known !== undefined || !isOwn) {
      this.#readInMemory.add(id);
      return undefined;
    }
    const w = this.#writer;
    const variable = w.kept(w.fresh("state"), initial());
    this.#kept.set(id, { variable, index, isInMemory: true });
    return variable;
  }

  /** The carry's next element, which all lanes of its column have. */
  assign(id: NodeId, index: readonly Index[], value: Expr): void {
    const known = this.#kept.get(id);
    if (known !== undefined && isSame(known.index, index)) this.#writer.assign(known.variable, value);
  }

  /** Whether the next element must be stored in every step. */
  isStored(id: NodeId): boolean {
    const known = this.#kept.get(id);
    if (known === undefined || this.#readInMemory.has(id)) return true;
    known.isInMemory = false;
    return false;
  }

  /** Carries of which only registers have the last element. */
  unsaved(): readonly { readonly id: NodeId; readonly index: readonly Index[]; readonly value: Expr }[] {
    return [...this.#kept].flatMap(([id, { variable, index, isInMemory }]) =>
      isInMemory ? [] : [{ id, index, value: variable }],
    );
  }
}

function isSame(a: readonly Index[], b: readonly Index[]): boolean {
  return a.length === b.length && a.every(({ expr }, i) => expr.id === at(b, i).expr.id);
}
