/**
 * @file Cuts a graph into stages. A stage ends only where a value must cross invocations, that is, where it is read at
 * a different position.
 *
 * Values that are cheap to recompute are not stored: their readers inline them. Two positions are the same if their
 * row-major indices are equal, so a reshape does not end a stage; and a reduction over the columns of a row may read
 * earlier reductions of the same row.
 */
import { type Dim, sizeOf } from "../../graph/dim.ts";
import { at } from "../../graph/errors.ts";
import { ancestorsOf, countUses, type Graph, type Node, type NodeId, nodeAt } from "../../graph/graph.ts";
import { beneathViews, comparedExactly } from "../../ops/compared-exactly.ts";
import { entryOf, type TableOp } from "../../ops/table.ts";
import { findPacks, type Pack } from "../memory/in-place-concat.ts";
import { AccumulatorFinder } from "./accumulators.ts";
import { formOf } from "./forms.ts";
import { type Group, groupStages } from "./groups.ts";
import { readsOfScan, readsOfStage } from "./reads.ts";
import type { ScanStage, Stage } from "./stages.ts";

/** How a graph is cut, decided once for all code that plans and writes its kernels. */
export interface Staging {
  readonly stages: readonly (Stage | ScanStage)[];
  /** Stages that run as one step, in order. */
  readonly groups: readonly Group[];
  /** Values that have a location in memory, except results of scans. */
  readonly stored: ReadonlySet<NodeId>;
  /** Concatenations whose parts are written directly into the whole. */
  readonly packs: ReadonlyMap<NodeId, Pack>;
  /** Short sums that each reader adds up. */
  readonly folded: ReadonlySet<NodeId>;
  /** Outputs that are numbers made of such sums: a stage stores them, and readers compute them all the same. */
  readonly recomputed: ReadonlySet<NodeId>;
}

export interface StagingOptions {
  /**
   * Copy scan results that are outputs to the output's own location, instead of leaving them where the scan stores
   * them.
   */
  readonly copyResults?: boolean;
  /** Write the parts of concatenations directly into the whole. */
  readonly packs?: boolean;
  /** Elements of the largest buffer. */
  readonly mostElements?: number;
  /** Let the readers of a number add it up, if it is the sum of a few stored ones. */
  readonly folds?: boolean;
  /** Compute numbers with functions once, for an adapter on which every lane would compute them. */
  readonly numbersOnce?: boolean;
}

/** Terms of a sum that each reader adds up, at most. */
const fewTerms = 32;

/** Maximum cost, in operations, at which each reader recomputes an elementwise value instead of loading it. */
const inlineLimit = { product: 2, scan: 2, reduction: 24, broadcast: 24 };
const transcendentalCost = 8;

/** Decides which values of a graph are stored and where its stages end. `outputs` are always stored. */
export function formStages(graph: Graph, outputs: readonly NodeId[], options: StagingOptions = {}): Staging {
  return new Stager(graph, outputs, options).form();
}

function kindOf(node: Node): string {
  return node.op === "scan" || node.op === "result" ? node.op : entryOf(node.op as TableOp).kind;
}

export function isLoop(node: Node): boolean {
  const kind = kindOf(node);
  return kind === "reduction" || kind === "contraction";
}

/** Whether a value is a sum of a few numbers that a loop computes. */
function isShortSum(graph: Graph, id: NodeId): boolean {
  const { op, aval, operands } = nodeAt(graph, id);
  if (op !== "sum" || sizeOf(aval.shape) !== 1) return false;
  const terms = nodeAt(graph, at(operands, 0));
  const count = sizeOf(terms.aval.shape);
  return typeof count === "number" && count <= fewTerms && isLoop(terms);
}

const isElementwise = (node: Node) => kindOf(node) === "elementwise";

function isTranscendental(node: Node): boolean {
  if (node.op === "scan" || node.op === "result") return false;
  const entry = entryOf(node.op as TableOp);
  return entry.kind === "elementwise" && !entry.cheap;
}

type CutStage = Pick<Stage, "kind" | "level" | "size" | "loops" | "roots">;
type CutScan = Pick<ScanStage, "kind" | "level" | "scan">;

class Stager {
  readonly #graph: Graph;
  readonly #live: ReadonlySet<NodeId>;
  readonly #stored: Set<NodeId>;
  readonly #packs: ReadonlyMap<NodeId, Pack>;
  readonly #folded: ReadonlySet<NodeId>;
  /** Those, and numbers that are computed from them. */
  readonly #ofFolded: Set<NodeId>;
  readonly #recomputed = new Set<NodeId>();
  readonly #level: number[];
  readonly #levelAnywhere = new Map<NodeId, number>();
  readonly #numbersOnce: boolean;

  constructor(graph: Graph, outputs: readonly NodeId[], options: StagingOptions) {
    this.#graph = graph;
    this.#numbersOnce = options.numbersOnce ?? false;
    this.#live = ancestorsOf(graph, outputs);
    this.#stored = new Set(outputs.filter((id) => options.copyResults || nodeAt(graph, id).op !== "result"));
    this.#packs = options.packs ? findPacks(graph, this.#live, options.mostElements) : new Map();
    this.#folded = new Set(options.folds ? [...this.#live].filter((id) => isShortSum(graph, id)) : []);
    this.#ofFolded = new Set(this.#folded);
    for (const [id, node] of graph.nodes.entries()) {
      const isNumber = sizeOf(node.aval.shape) === 1 && (isElementwise(node) || node.op === "reshape");
      if (isNumber && node.operands.some((operand) => this.#ofFolded.has(operand))) this.#ofFolded.add(id);
    }
    for (const id of this.#stored) this.#recompute(id);
    this.#level = new Array<number>(graph.nodes.length).fill(0);
  }

  form(): Staging {
    for (const { parts } of this.#packs.values()) {
      for (const { id } of parts) {
        if (nodeAt(this.#graph, id).op !== "result") this.#stored.add(id);
        this.#recompute(id);
      }
    }
    this.#storeCostly();
    for (const id of this.#stored) this.#recomputed.delete(id);
    this.#findLevels();
    this.#storeLoopsReadElsewhere();
    const cuts = this.#collect();
    // A pack has its own location, which its parts fill.
    for (const id of this.#packs.keys()) this.#stored.add(id);
    const stages = this.#decide(cuts);
    return {
      stages,
      groups: groupStages(stages),
      stored: this.#stored,
      packs: this.#packs,
      folded: this.#folded,
      recomputed: this.#recomputed,
    };
  }

  /** Lets readers compute a stored value, if it is made of sums that they add up. */
  #recompute(id: NodeId): void {
    if (this.#ofFolded.has(id) && this.#stored.delete(id)) this.#recomputed.add(id);
  }

  /** Whether a value is computed by a loop of its own stage. */
  #isLoop(id: NodeId): boolean {
    return !this.#folded.has(id) && isLoop(nodeAt(this.#graph, id));
  }

  #isRoot(id: NodeId): boolean {
    return this.#stored.has(id) || this.#recomputed.has(id);
  }

  /** Stores elementwise values that would cost more if every reader computed them. */
  #storeCostly(): void {
    const uses = countUses(this.#graph);
    // Stops at the limit: a value that is read twice at every step of a long chain has exponential cost.
    const costsMore = (id: NodeId, limit: number): boolean => {
      let total = 0;
      const visit = (next: NodeId): void => {
        if (total > limit) return;
        const node = nodeAt(this.#graph, next);
        if (this.#stored.has(next) || node.op === "input" || node.op === "result" || isLoop(node)) {
          total += 1;
          return;
        }
        total += isTranscendental(node) ? transcendentalCost : isElementwise(node) ? 1 : 0;
        node.operands.forEach(visit);
      };
      visit(id);
      return total > limit;
    };
    for (const id of comparedExactly(this.#graph, (equal) => this.#live.has(equal)))
      if (isElementwise(nodeAt(this.#graph, id))) this.#stored.add(id);
    for (const [id, node] of this.#graph.nodes.entries()) {
      if (!this.#live.has(id)) continue;
      // It is rounded in order to be stored.
      if (node.op === "roundToHalf") this.#stored.add(id);
      if (node.op === "broadcast") {
        // Values that are broadcast are computed once, such as Adam's bias corrections for all weights.
        for (const operand of beneathViews(this.#graph, node.operands)) {
          const value = nodeAt(this.#graph, operand);
          const isNumber = this.#numbersOnce && sizeOf(value.aval.shape) === 1;
          const limit = isNumber ? transcendentalCost - 1 : inlineLimit.broadcast;
          if (isElementwise(value) && costsMore(operand, limit)) this.#stored.add(operand);
        }
      }
      if (!(isLoop(node) || node.op === "scan")) continue;
      const isReduction = kindOf(node) === "reduction";
      for (const operand of beneathViews(this.#graph, node.operands)) {
        const onlyReader = isReduction && (uses[operand] ?? 0) === 1;
        const shared = isReduction
          ? inlineLimit.reduction
          : node.op === "scan"
            ? inlineLimit.scan
            : inlineLimit.product;
        if (!onlyReader && isElementwise(nodeAt(this.#graph, operand)) && costsMore(operand, shared))
          this.#stored.add(operand);
      }
    }
  }

  /** The level at which each live value is available at its own position. */
  #findLevels(): void {
    for (const [id, node] of this.#graph.nodes.entries()) {
      if (!this.#live.has(id)) continue;
      const { operands } = node;
      const most = (levels: readonly number[]) => Math.max(0, ...levels);
      if (node.op === "result") this.#level[id] = at(this.#level, at(operands, 0));
      else if (this.#packs.has(id)) this.#level[id] = most(operands.map((operand) => this.#own(operand)));
      else if (node.op === "reshape" || isElementwise(node))
        this.#level[id] = most(operands.map((operand) => this.#own(operand)));
      else if (kindOf(node) === "reduction" && this.#isLoop(id)) this.#level[id] = this.#reductionLevel(id);
      else this.#level[id] = most(operands.map((operand) => this.#anywhere(operand)));
    }
  }

  /** The level at which a reader at the same position can use a value that another kernel may compute. */
  #own(id: NodeId): number {
    const { op } = nodeAt(this.#graph, id);
    const elsewhere = op === "result" || op === "scatterAdd" || this.#packs.has(id);
    return at(this.#level, id) + (elsewhere ? 1 : 0);
  }

  /** The level at which a value can be read at any position; the levels of its operands must be known. */
  #anywhere(id: NodeId): number {
    const known = this.#levelAnywhere.get(id);
    if (known !== undefined) return known;
    const level = this.#findAnywhere(id);
    this.#levelAnywhere.set(id, level);
    return level;
  }

  #findAnywhere(id: NodeId): number {
    const node = nodeAt(this.#graph, id);
    if (node.op === "input") return 0;
    if (this.#stored.has(id) || this.#isLoop(id) || node.op === "result" || this.#packs.has(id))
      return at(this.#level, id) + 1;
    return node.operands.reduce((most, operand) => Math.max(most, this.#anywhere(operand)), 0);
  }

  /** A reduction can read values of its own row as soon as they are computed; everything else must be in memory. */
  #reductionLevel(id: NodeId): number {
    const levels = new Map<NodeId, number>();
    const visit = (operand: NodeId): number => {
      const level = levels.get(operand) ?? find(operand);
      levels.set(operand, level);
      return level;
    };
    const find = (operand: NodeId): number => {
      const node = nodeAt(this.#graph, operand);
      if (this.#stored.has(operand)) return this.#anywhere(operand);
      if (isElementwise(node)) return node.operands.reduce((most, next) => Math.max(most, visit(next)), 0);
      if (this.#broadcastsRow(id, operand)) return this.#own(at(node.operands, 0));
      return this.#anywhere(operand);
    };
    return visit(at(nodeAt(this.#graph, id).operands, 0));
  }

  /** Whether `view` repeats one number for each row that the reduction `id` reduces. */
  #broadcastsRow(id: NodeId, view: NodeId): boolean {
    const reduction = nodeAt(this.#graph, id);
    const node = nodeAt(this.#graph, view);
    if ((reduction.op !== "sum" && reduction.op !== "reduceMax") || node.op !== "broadcast") return false;
    const kept = node.attrs.shape.map((_, axis) => axis).filter((axis) => !reduction.attrs.axes.includes(axis));
    return (
      kept.length > 0 && kept.length === node.attrs.axes.length && kept.every((axis, i) => axis === node.attrs.axes[i])
    );
  }

  /** Keeps a loop's result in a register only if all its readers are at the same position in the same stage. */
  #storeLoopsReadElsewhere(): void {
    let visited = new Set<string>();
    const visit = (id: NodeId, reader: NodeId, samePosition: boolean): void => {
      const key = `${id} ${samePosition}`;
      if (visited.has(key)) return;
      visited.add(key);
      const node = nodeAt(this.#graph, id);
      const stage = at(this.#level, reader);
      if (this.#isLoop(id)) {
        const sameStage =
          at(this.#level, id) === stage && sizeOf(node.aval.shape) === sizeOf(nodeAt(this.#graph, reader).aval.shape);
        if (!samePosition || !sameStage || node.op === "scatterAdd") this.#stored.add(id);
        return;
      }
      if (
        this.#stored.has(id) ||
        kindOf(node) === "scan" ||
        node.op === "input" ||
        node.op === "result" ||
        this.#packs.has(id)
      )
        return;
      const isRow = !samePosition && this.#broadcastsRow(reader, id);
      const keeps = isRow || (samePosition && (isElementwise(node) || node.op === "reshape"));
      for (const operand of node.operands) visit(operand, reader, keeps);
    };
    for (const [id, node] of this.#graph.nodes.entries()) {
      if (!this.#live.has(id) || this.#packs.has(id)) continue;
      const isWhole = this.#isLoop(id) || node.op === "scan";
      if (!isWhole && !this.#isRoot(id)) continue;
      const keeps = !isWhole && (isElementwise(node) || node.op === "reshape");
      visited = new Set();
      for (const operand of node.operands) visit(operand, id, keeps);
    }
  }

  #collect(): (CutStage | CutScan)[] {
    const groups = new Map<string, { level: number; size: Dim; loops: NodeId[]; roots: NodeId[] }>();
    const scans: CutScan[] = [];
    for (const [id, node] of this.#graph.nodes.entries()) {
      if (!this.#live.has(id) || this.#packs.has(id) || (node.op === "result" && !this.#stored.has(id))) continue;
      if (node.op === "scan") {
        scans.push({ kind: "scan", level: at(this.#level, id), scan: id });
        continue;
      }
      if (!this.#isLoop(id) && !this.#isRoot(id)) continue;
      const size = sizeOf(node.aval.shape);
      const level = node.op === "result" ? this.#own(id) : at(this.#level, id);
      // A scatter owns columns, not positions, so it never shares a kernel.
      const key = node.op === "scatterAdd" ? `scatter ${id}` : `${level} ${size}`;
      const group = groups.get(key) ?? { level, size, loops: [], roots: [] };
      if (this.#isLoop(id)) group.loops.push(id);
      if (this.#isRoot(id)) group.roots.push(id);
      groups.set(key, group);
    }
    const stages = [...groups.values()].map((group): CutStage => ({ kind: "stage", ...group }));
    return [...stages, ...scans].sort((a, b) => a.level - b.level);
  }

  /** Derives everything that follows from the cuts. */
  #decide(cuts: readonly (CutStage | CutScan)[]): (Stage | ScanStage)[] {
    const graph = this.#graph;
    const accumulators = new AccumulatorFinder(graph);
    const results = new Map<NodeId, NodeId[]>();
    for (const [id, { op, operands }] of graph.nodes.entries()) {
      if (op === "scan") results.set(id, []);
      if (op === "result") results.get(at(operands, 0))?.push(id);
    }
    return cuts.map((cut): Stage | ScanStage => {
      if (cut.kind === "scan")
        return { ...cut, results: results.get(cut.scan) ?? [], reads: readsOfScan(graph, cut.scan, this.#stored) };
      const { size, loops, roots } = cut;
      return {
        ...cut,
        form: formOf(graph, size, loops),
        accumulators: accumulators.of(loops, roots),
        reads: readsOfStage(graph, [...loops, ...roots], size, this.#stored),
      };
    });
  }
}
