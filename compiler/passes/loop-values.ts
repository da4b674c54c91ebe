/**
 * @file Which values of a loop's body can be computed outside it, for all steps at once: shared by the passes that move
 * work out of loops. A value [..] of one step becomes a value [T, ..] of all steps.
 */
import { at, InternalError } from "../graph/errors.ts";
import { opNodeAt } from "../graph/fold.ts";
import { dependentsOf, type NodeId, nodeAt, type OpName, type ScanAttrs } from "../graph/graph.ts";
import { emitNode } from "../ops/inline.ts";
import { bodyInputs } from "../ops/scan.ts";
import { entryOf, type TableOp } from "../ops/table.ts";
import { reshape } from "../ops/views.ts";
import type { Tensor } from "../trace/tensor.ts";
import { AllSteps, productOfSteps, withTimeInFront } from "./all-steps.ts";

export class LoopValues {
  readonly attrs: ScanAttrs;
  readonly #operands: readonly Tensor[];
  readonly #dependsOnCarry: ReadonlySet<NodeId>;
  readonly #dependsOnXs: ReadonlySet<NodeId>;
  readonly #all: AllSteps;
  readonly #xs: readonly NodeId[];

  constructor(attrs: ScanAttrs, operands: readonly Tensor[]) {
    this.attrs = attrs;
    this.#operands = operands;
    const { carries, xs } = bodyInputs(attrs);
    this.#xs = xs;
    this.#dependsOnCarry = dependentsOf(attrs.body, carries);
    this.#dependsOnXs = dependentsOf(attrs.body, xs);
    this.#all = new AllSteps(attrs, operands);
  }

  /** Whether a value is the same in every step: it depends only on consts. */
  isInvariant(id: NodeId): boolean {
    return !this.#dependsOnCarry.has(id) && !this.#dependsOnXs.has(id);
  }

  /** An invariant value, outside the loop. */
  invariant(id: NodeId): Tensor {
    return this.#all.invariant(id);
  }

  /** The outer tensor that an x of the step is a row of. */
  xsOperand(id: NodeId): Tensor | undefined {
    const i = this.#xs.indexOf(id);
    return i < 0 ? undefined : at(this.#operands, this.attrs.consts + this.attrs.carries + i);
  }

  /**
   * Whether a value can be computed for all steps at once: it does not depend on carries, and its ops can be stacked.
   */
  canStack(id: NodeId): boolean {
    if (this.#dependsOnCarry.has(id)) return false;
    if (this.isInvariant(id) || this.#xs.includes(id)) return true;
    const node = nodeAt(this.attrs.body, id);
    if (node.op === "scan" || node.op === "result" || node.op === "input") return false;
    if (node.op === "dot") return this.canStackProduct(id) && this.canStack(at(node.operands, 0));
    const { kind } = entryOf(node.op as TableOp);
    const isView = ["reshape", "broadcast", "transpose"].includes(node.op) || alongOneAxis.has(node.op);
    const isSimple = kind === "elementwise" || isView;
    return isSimple && node.operands.every((operand) => this.canStack(operand));
  }

  /** Like `canStack`, but only for views and cheap arithmetic: recomputing them costs less than storing them. */
  canStackCheaply(id: NodeId): boolean {
    if (!this.canStack(id)) return false;
    if (this.isInvariant(id) || this.#xs.includes(id)) return true;
    const { op, operands } = nodeAt(this.attrs.body, id);
    const entry = entryOf(op as TableOp);
    const isCheap = entry.kind === "view" || (entry.kind === "elementwise" && entry.cheap);
    return isCheap && operands.every((operand) => this.canStackCheaply(operand));
  }

  /** Whether a value is a product of rows with the same matrix in every step, or a stack of such products. */
  canStackProduct(id: NodeId): boolean {
    const node = nodeAt(this.attrs.body, id);
    return node.op === "dot" && !node.attrs.transposeA && this.isInvariant(at(node.operands, 1));
  }

  /** The values of all steps, [T, ..]; requires `canStack`. */
  stacked(id: NodeId): Tensor {
    return this.#all.of(id);
  }

  /** A view of all steps' values, each with one operand, from the operand of all steps. */
  stackView(id: NodeId, operand: Tensor): Tensor {
    const node = opNodeAt(this.attrs.body, id);
    if (node.op === "reshape") return reshape(operand, [this.attrs.length, ...node.aval.shape]);
    return emitNode(withTimeInFront(node), [operand]);
  }

  /** rows·W of all steps from the rows of all steps. */
  stackProduct(id: NodeId, rows: Tensor): Tensor {
    const node = opNodeAt(this.attrs.body, id);
    if (node.op !== "dot") throw new InternalError(`${node.op} is not a product`);
    return productOfSteps(node, rows, this.invariant(at(node.operands, 1)));
  }
}

/** Views with one axis attribute, counted from the front. */
const alongOneAxis: ReadonlySet<string> = new Set<OpName>(["slice", "pad", "concat"]);
