/**
 * @file Cuts a graph into stages. A stage is a set of values that one invocation can compute for one position: loops
 * (products, reductions) followed by whatever is elementwise in their results. It ends only where a value must cross
 * invocations, that is, where somebody reads it at another position than its own.
 *
 *   stage ::= level size loops roots
 *
 * Stages of one level do not depend on each other. Values that are cheap to compute again are not stored: their readers
 * inline them. Two positions are the same when their row-major numbers are, so a reshape does not end a stage.
 */
import { type Dim, sizeOf } from "../graph/dim.ts";
import { at } from "../graph/errors.ts";
import { countUses, type Graph, type Node, type NodeId, nodeAt } from "../graph/graph.ts";
import { entryOf, type TableOp } from "../ops/table.ts";

export interface Stage {
  readonly kind: "stage";
  readonly level: number;
  /** Number of positions. */
  readonly size: Dim;
  /** Products, reductions and scatters that are computed here, in topological order. */
  readonly loops: readonly NodeId[];
  /** Values that are stored here, in topological order; loops that others read are among them. */
  readonly roots: readonly NodeId[];
}

export interface ScanStage {
  readonly kind: "scan";
  readonly level: number;
  readonly scan: NodeId;
}

export interface Staging {
  readonly stages: readonly (Stage | ScanStage)[];
  /** Values that have a place in memory, scans' results included. */
  readonly stored: ReadonlySet<NodeId>;
}

/** Operations above which an elementwise value is stored rather than computed by each reader. */
const inlineLimit = { product: 2, scan: 2, reduction: 24 };
const transcendentalCost = 8;

export function isLoop(node: Node): boolean {
  if (node.op === "scan" || node.op === "result" || node.op === "input") return false;
  const { kind } = entryOf(node.op as TableOp);
  return kind === "reduction" || kind === "contraction";
}

function isView(node: Node): boolean {
  return node.op !== "scan" && node.op !== "result" && entryOf(node.op as TableOp).kind === "view";
}

function isElementwise(node: Node): boolean {
  return node.op !== "scan" && node.op !== "result" && entryOf(node.op as TableOp).kind === "elementwise";
}

function isTranscendental(node: Node): boolean {
  if (node.op === "scan" || node.op === "result") return false;
  const entry = entryOf(node.op as TableOp);
  return entry.kind === "elementwise" && !entry.cheap;
}

/**
 * What of a graph is stored and where its stages end. `outputs` are stored whatever they are; results of scans lie
 * where their scan puts them, unless `copied` asks for a copy elsewhere.
 */
export function formStages(
  graph: Graph,
  outputs: readonly NodeId[],
  copied: "results copied" | "results in place" = "results in place",
): Staging {
  const live = liveNodes(graph, outputs);
  const stored = new Set<NodeId>(
    outputs.filter((id) => copied === "results copied" || nodeAt(graph, id).op !== "result"),
  );
  for (const id of storedValues(graph, live, stored)) stored.add(id);
  const levels = levelsOf(graph, live, stored);
  storeLoopsReadElsewhere(graph, live, stored, levels);
  return { stages: collect(graph, live, stored, levels), stored };
}

function liveNodes(graph: Graph, outputs: readonly NodeId[]): Set<NodeId> {
  const live = new Set<NodeId>();
  const visit = (id: NodeId): void => {
    if (live.has(id)) return;
    live.add(id);
    nodeAt(graph, id).operands.forEach(visit);
  };
  outputs.forEach(visit);
  return live;
}

/** Elementwise values that are stored because computing them in every reader would cost more. */
function storedValues(graph: Graph, live: ReadonlySet<NodeId>, outputs: ReadonlySet<NodeId>): Set<NodeId> {
  const stored = new Set(outputs);
  const uses = countUses(graph);
  for (const [id, node] of graph.nodes.entries()) {
    if (live.has(id) && isTranscendental(node) && (uses[id] ?? 0) > 1) stored.add(id);
  }
  const cost = (id: NodeId): number => {
    const node = nodeAt(graph, id);
    if (stored.has(id) || node.op === "input" || node.op === "result" || isLoop(node)) return 1;
    if (!isElementwise(node)) return node.operands.reduce((total, operand) => total + cost(operand), 0);
    return node.operands.reduce(
      (total, operand) => total + cost(operand),
      isTranscendental(node) ? transcendentalCost : 1,
    );
  };
  /** The elementwise value under a chain of views. */
  const beneathViews = (id: NodeId): NodeId[] => {
    const node = nodeAt(graph, id);
    return isView(node) ? node.operands.flatMap(beneathViews) : [id];
  };
  for (const [id, node] of graph.nodes.entries()) {
    if (!live.has(id) || !(isLoop(node) || node.op === "scan")) continue;
    const isReduction = node.op === "sum" || node.op === "reduceMax";
    for (const operand of node.operands.flatMap(beneathViews)) {
      const onlyReader = isReduction && (uses[operand] ?? 0) === 1;
      const limit =
        node.op === "scan"
          ? inlineLimit.scan
          : onlyReader
            ? Number.POSITIVE_INFINITY
            : isReduction
              ? inlineLimit.reduction
              : inlineLimit.product;
      if (isElementwise(nodeAt(graph, operand)) && cost(operand) > limit) stored.add(operand);
    }
  }
  return stored;
}

/** The level at which each live value is known at its own position. */
function levelsOf(graph: Graph, live: ReadonlySet<NodeId>, stored: ReadonlySet<NodeId>): number[] {
  const level = new Array<number>(graph.nodes.length).fill(0);
  /** The level at which a value can be read at any position. */
  const anywhere = (id: NodeId): number => {
    const node = nodeAt(graph, id);
    if (node.op === "input") return 0;
    if (stored.has(id) || isLoop(node) || node.op === "result") return at(level, id) + 1;
    return node.operands.reduce((most, operand) => Math.max(most, anywhere(operand)), 0);
  };
  for (const [id, node] of graph.nodes.entries()) {
    if (!live.has(id)) continue;
    if (node.op === "result") level[id] = at(level, at(node.operands, 0));
    else if (isLoop(node) || node.op === "scan") level[id] = Math.max(0, ...node.operands.map(anywhere));
    else if (node.op === "reshape") level[id] = own(graph, level, at(node.operands, 0));
    else if (isView(node)) level[id] = Math.max(0, ...node.operands.map(anywhere));
    else level[id] = Math.max(0, ...node.operands.map((operand) => own(graph, level, operand)));
  }
  return level;
}

/** The level at which a reader at the same position can use a value: scans and scatters have kernels of their own. */
function own(graph: Graph, level: readonly number[], id: NodeId): number {
  const { op } = nodeAt(graph, id);
  return at(level, id) + (op === "result" || op === "scatterAdd" ? 1 : 0);
}

/** A loop's result stays in a register only where all its readers sit at the same position in the same stage. */
function storeLoopsReadElsewhere(
  graph: Graph,
  live: ReadonlySet<NodeId>,
  stored: Set<NodeId>,
  level: readonly number[],
): void {
  const visit = (id: NodeId, samePosition: boolean, stage: number, size: Dim): void => {
    const node = nodeAt(graph, id);
    if (isLoop(node)) {
      if (!samePosition || at(level, id) !== stage || sizeOf(node.aval.shape) !== size) stored.add(id);
      return;
    }
    if (stored.has(id) || node.op === "input" || node.op === "result" || node.op === "scan") return;
    const keeps = samePosition && (isElementwise(node) || node.op === "reshape");
    for (const operand of node.operands) visit(operand, keeps, stage, size);
  };
  for (const [id, node] of graph.nodes.entries()) {
    if (!live.has(id)) continue;
    const size = sizeOf(node.aval.shape);
    const isWhole = isLoop(node) || node.op === "scan";
    if (isWhole) for (const operand of node.operands) visit(operand, false, at(level, id), size);
    else if (stored.has(id)) {
      const keeps = isElementwise(node) || node.op === "reshape";
      for (const operand of node.operands) visit(operand, keeps, at(level, id), size);
    }
  }
}

function collect(
  graph: Graph,
  live: ReadonlySet<NodeId>,
  stored: ReadonlySet<NodeId>,
  level: readonly number[],
): (Stage | ScanStage)[] {
  const groups = new Map<string, { level: number; size: Dim; loops: NodeId[]; roots: NodeId[] }>();
  const scans: ScanStage[] = [];
  for (const [id, node] of graph.nodes.entries()) {
    if (!live.has(id) || (node.op === "result" && !stored.has(id))) continue;
    if (node.op === "scan") scans.push({ kind: "scan", level: at(level, id), scan: id });
    else if (isLoop(node) || stored.has(id)) {
      const size = sizeOf(node.aval.shape);
      const stage = node.op === "result" ? own(graph, level, id) : at(level, id);
      // A scatter owns columns, not positions, so it never shares a kernel.
      const key = node.op === "scatterAdd" ? `scatter ${id}` : `${stage} ${size}`;
      const group = groups.get(key) ?? { level: stage, size, loops: [], roots: [] };
      if (isLoop(node)) group.loops.push(id);
      if (stored.has(id)) group.roots.push(id);
      groups.set(key, group);
    }
  }
  const stages = [...groups.values()].map((group): Stage => ({ kind: "stage", ...group }));
  return [...stages, ...scans].sort((a, b) => a.level - b.level);
}
