/**
 * @file Whether the weights of a scan's products can stay in registers for a whole sequence, and how lanes share them.
 *
 * A workgroup has one row of the batch, and `slices` lanes for each column of a product: each lane holds the weights of
 * its column for its slice of the depth, multiplies them in every step, and the lanes of a column add their partial sums
 * in pairs, which is the same order whatever the size of a subgroup. The weights are read once for a sequence instead of
 * once for a step. That is worth it on a GPU, where a step of a recurrence waits for memory.
 */
import { sizeOf } from "../../graph/dim.ts";
import { at } from "../../graph/errors.ts";
import { type Graph, type NodeId, nodeAt } from "../../graph/graph.ts";
import { dotDims } from "../../ops/contractions.ts";
import { entryOf, type TableOp } from "../../ops/table.ts";
import type { Lowering, RegisterFile } from "../lowering.ts";
import type { Stage } from "../stages/stages.ts";
import { functionGroups } from "./shared-functions.ts";

export interface Residency {
  readonly lanes: number;
  /** Lanes of a column, a power of two. */
  readonly slices: number;
  /** Whether the lanes of a column exchange partial sums in their subgroup; otherwise through workgroup memory. */
  readonly inSubgroup: boolean;
  /** Weights that a lane holds. */
  readonly weights: number;
  /** Registers that they take: two weights share one where both are numbers of f16. */
  readonly registers: number;
  /** Values whose elements are all numbers of f16. */
  readonly inHalf: ReadonlySet<NodeId>;
  /** Partial sums that a stage exchanges together, at most: those of all its products where memory is there for them. */
  readonly mostSums: number;
  /** Values in workgroup memory that products read along the depth: one slot for each slice. */
  readonly sliced: ReadonlySet<NodeId>;
}

export type ResidencyChoice =
  | { readonly residency: Residency }
  | { readonly residency?: never; readonly reason: string };

/** Lanes to a column, at most: a subgroup of any GPU. */
const mostSlices = 32;

/**
 * Elements between two slices of a row. Lanes read their slices side by side: without them, slices whose length is a
 * multiple of 8 begin in few banks of workgroup memory.
 */
export function padding(width: number, slices: number): number {
  return slices > 1 && (width / slices) % 8 === 0 ? 4 : 0;
}

/** Whether a device has a core for each row of the batch, or rows wait for each other. */
export type Crowding = "few rows" | "many rows";

/**
 * Cycles of a step for a row, roughly, if functions of one kind are shared: the larger of what its instructions take one
 * after the other, and of how long the lanes occupy a core of four units, which run 64 lanes in two cycles. With many
 * rows, the workgroups that a core has registers for hide what each of them waits. The figures are those of the model of
 * bench/isa.
 */
function stepCycles(
  crowding: Crowding,
  registers: RegisterFile,
  step: Pick<Residency, "lanes" | "slices" | "weights" | "registers"> & { readonly functions: number },
): number {
  const { lanes, slices, weights, functions } = step;
  // Sums in groups of four are instructions of their own; others need a check of the lane's number.
  const doublings = Math.log2(slices);
  const latency = 1000 + 10 * doublings + 30 * Math.max(0, doublings - 2) + 5.5 * weights;
  const issue = (2 * Math.max(64, lanes) * (weights + 80 + 30 * functions)) / 256;
  if (crowding === "few rows") return Math.max(latency, issue, 2 * (weights + 80 + 30 * functions));
  const together = Math.max(1, Math.floor(registers.total / (lanes * (step.registers + 40))));
  return Math.max(latency / together, issue);
}

/** A product of the step: [1, depth] by [depth, n], or a stack of them; `columns` counts the columns of all. */
export interface Product {
  readonly left: NodeId;
  readonly depth: number;
  readonly columns: number;
  /** Weights to a register. */
  readonly perRegister: 1 | 2;
}

/**
 * `widthInMemory` says whether a value of the body is stored in workgroup memory, and with how many elements to a row;
 * `inHalf` are the values whose elements are all numbers of f16.
 */
export function planResidency(
  { tiles, maxInvocations, registers, neighbours }: Lowering,
  body: Graph,
  consts: number,
  stages: readonly Stage[],
  widthInMemory: (id: NodeId) => number | undefined,
  inHalf: ReadonlySet<NodeId>,
  crowding: Crowding,
): ResidencyChoice {
  if (tiles.target === "cpu") return { reason: "a CPU keeps weights in its caches" };
  const constant = invariantNodes(body, consts);
  const products: Product[] = [];
  for (const { form, loops } of stages) {
    if (form !== "tile") continue;
    for (const id of loops) {
      const product = productOf(body, id, constant, inHalf);
      if (typeof product === "string") return { reason: product };
      products.push(product);
    }
  }
  if (products.length === 0) return { reason: "its step has no product" };
  const columns = Math.max(...products.map((product) => product.columns));
  const limit = Math.min(maxInvocations, tiles.target === "gpu" ? Number.POSITIVE_INFINITY : 256);
  const weightsOf = (slices: number) => products.reduce((sum, { depth }) => sum + depth / slices, 0);
  const registersOf = (slices: number) =>
    products.reduce((sum, { depth, perRegister }) => sum + Math.ceil(depth / slices / perRegister), 0);
  const fits = (slices: number) => columns * slices <= limit && products.every(({ depth }) => depth % slices === 0);
  const { tuning = {} } = tiles;
  const heldBy = (lanes: number) =>
    tuning.weightRegisters ?? Math.min(registers.total / lanes, registers.most) - registers.reserved;
  const isPossible = (slices: number) => fits(slices) && registersOf(slices) <= heldBy(columns * slices);
  const powers = Array.from({ length: 1 + Math.log2(mostSlices) }, (_, i) => 2 ** i);
  const possible = powers.filter(isPossible);
  const isStored = (id: NodeId) => widthInMemory(id) !== undefined;
  const functions = stages.reduce((sum, stage) => sum + functionGroups(body, stage, isStored).length, 0);
  const costOf = (slices: number) =>
    stepCycles(crowding, registers, {
      ...{ lanes: columns * slices, slices, weights: weightsOf(slices), registers: registersOf(slices), functions },
    });
  const tuned = possible.find((each) => each === tuning.columnLanes);
  const slices = tuned ?? [...possible].sort((a, b) => costOf(a) - costOf(b))[0];
  if (slices === undefined) {
    const [few = 1] = powers.filter(fits).slice(-1);
    const lanes = columns * few;
    return {
      reason: fits(few)
        ? `each of ${lanes} lanes would hold ${weightsOf(few)} weights${registersOf(few) < weightsOf(few) ? ` in ${registersOf(few)} registers` : ""}, and has registers for ${heldBy(lanes)}`
        : `its widest product has ${columns} columns, and a workgroup ${limit} lanes`,
    };
  }
  const [lanes, weights] = [columns * slices, weightsOf(slices)];
  const mostSums = Math.max(...stages.map(({ form, accumulators }) => (form === "tile" ? accumulators.length : 0)));
  const sliced = new Set(products.flatMap(({ left }) => [...leavesOf(body, left)]));
  for (const id of sliced) if ((widthInMemory(id) ?? 1) % slices !== 0) sliced.delete(id);
  const inSubgroup = slices <= neighbours;
  return {
    residency: { lanes, slices, inSubgroup, weights, registers: registersOf(slices), inHalf, mostSums, sliced },
  };
}

/** Nodes that are equal in every step. */
export function invariantNodes(body: Graph, consts: number): ReadonlySet<NodeId> {
  const given = new Set(body.inputs.slice(0, consts));
  const found = new Set<NodeId>();
  for (const [id, node] of body.nodes.entries()) {
    if (node.op === "input" ? given.has(id) : node.operands.every((operand) => found.has(operand))) found.add(id);
  }
  return found;
}

/** The product, or why its weights cannot stay. */
export function productOf(
  body: Graph,
  id: NodeId,
  constant: ReadonlySet<NodeId>,
  inHalf: ReadonlySet<NodeId>,
): Product | string {
  const node = nodeAt(body, id);
  if (node.op !== "dot") return `its step has a ${node.op} in a tile of products`;
  const [left, right] = [at(node.operands, 0), at(node.operands, 1)];
  const { shape } = node.aval;
  if (node.attrs.transposeA) return "a product reads a state by columns";
  if (!constant.has(right)) return "the matrix of a product changes from step to step";
  const columns = sizeOf(shape.slice(1));
  const { m, k: depth } = dotDims(nodeAt(body, left).aval.shape, nodeAt(body, right).aval.shape, node.attrs);
  if (shape.length > 2 && m !== 1) return "a product has several rows of its own";
  if (typeof columns !== "number" || typeof depth !== "number") return "the size of a product is not known";
  return { left, depth, columns, perRegister: inHalf.has(right) ? 2 : 1 };
}

/** A value and, if it is elementwise or reshaped, the values that it is computed from at the same position. */
export function leavesOf(body: Graph, id: NodeId, found = new Set<NodeId>()): ReadonlySet<NodeId> {
  if (found.has(id)) return found;
  found.add(id);
  const node = nodeAt(body, id);
  const isOp = node.op !== "input" && node.op !== "result" && node.op !== "scan";
  if (isOp && (node.op === "reshape" || entryOf(node.op as TableOp).kind === "elementwise"))
    for (const operand of node.operands) leavesOf(body, operand, found);
  return found;
}
