/**
 * @file The work of a kernel in one run, as sums of dimensions that hold at any batch and length.
 *
 * FLOP are counted from the graph, not from the kernel's code:
 *
 *   product [m, k] x [k, n]                  2 m n k
 *   sum, maximum, scatterAdd                 one per combined element
 *   elementwise op with an f32 result        one per element, whatever the op: a tanh counts like an addition
 *   where, cast, stopGradient, views,        none: they select and move
 *   integers, bools
 *
 * A value that several stages recompute is counted once per stage, even if neighbouring invocations of its kernel
 * recompute it too. Arithmetic on the initial values of a loop's states is not counted. So the FLOP of a loop do not
 * depend on its schedule: a kernel that walks the whole sequence counts all steps, and one that is dispatched per step
 * counts one step.
 *
 * Bytes are those that must move between storage and the kernel if every element is read or written once: weights count
 * once per kernel, however many workgroups and steps read them; values that stay in workgroup memory do not count. A
 * slice counts its own elements, a table lookup one row per index. A kernel that is dispatched per step reads its
 * states from the slots and writes them there: what only the first or the last step does is left out.
 */

import { addDims, type Dim, divideDims, mulDims, sizeOf } from "../graph/dim.ts";
import { at } from "../graph/errors.ts";
import { type Graph, type Node, type NodeId, nodeAt, type ScanNode } from "../graph/graph.ts";
import { storages } from "../graph/storage.ts";
import { dotDims } from "../ops/contractions.ts";
import { entryOf, type TableOp } from "../ops/table.ts";
import type { Work } from "./program.ts";
import type { Stage } from "./stages/stages.ts";

/** A graph whose stages are counted, and which of its values are stored. */
export interface WorkScope {
  /** Number of loops around the graph. */
  readonly depth: number;
  readonly graph: Graph;
  /** Values that some stage stores: other stages read them instead of recomputing them. */
  readonly stored: ReadonlySet<NodeId>;
  /** Set for the body of a loop. */
  readonly loop?: EnclosingLoop;
  /** Set for a graph in place of a node: the operands are its inputs. */
  readonly inlined?: { readonly outer: WorkScope; readonly operands: readonly NodeId[] };
}

export interface EnclosingLoop {
  readonly outer: WorkScope;
  readonly scan: ScanNode;
  /** Whether one dispatch walks all steps, with states and values that cross invocations in workgroup memory. */
  readonly persistent: boolean;
}

/** The work of one dispatch of a kernel made of stages; `places` returns in how many locations a root is stored. */
export function stagesWork(
  scope: WorkScope,
  stages: readonly Stage[],
  places: (root: NodeId) => number = () => 1,
): Work {
  const count = new WorkCount();
  for (const stage of stages) {
    count.stage(scope, stage, 1);
    for (const root of stage.roots) count.write(scope.graph, root, places(root));
  }
  return count.work;
}

/**
 * The work of one dispatch that walks all steps of a loop; `isWritten` says which results of the scan go to storage.
 */
export function wholeLoopWork(
  outer: WorkScope,
  scan: ScanNode,
  stages: readonly Stage[],
  isWritten: (result: number) => boolean,
): Work {
  const { body, carries, consts, length } = scan.attrs;
  const stored = new Set(stages.flatMap(({ roots }) => roots));
  const scope: WorkScope = {
    depth: outer.depth + 1,
    graph: body,
    stored,
    loop: { outer, scan, persistent: true },
  };
  const count = new WorkCount();
  for (const initial of scan.operands.slice(consts, consts + carries)) count.initial(outer, initial);
  for (const stage of stages) count.stage(scope, stage, length);
  for (const [i, id] of body.outputs.entries()) {
    if (isWritten(i)) count.write(body, id, i < carries ? 1 : length);
  }
  return count.work;
}

/** Which elements of a value a stage reads or computes. */
interface Reach {
  /** The views that narrow the value, the reader's first; empty if all of it is reached. */
  readonly path: string;
  readonly elements: Dim;
  /** How often each element is computed. */
  readonly times: Dim;
}

interface Read {
  readonly value: string;
  readonly path: string;
  /** Bytes per element. */
  readonly bytes: number;
  readonly elements: Dim;
}

/**
 * Different parts of a value that are counted one by one; if there are more, all of it is. Slices of slices, as in the
 * derivative of a long product, reach a value in more ways than can be listed.
 */
const mostWays = 64;

class WorkCount {
  readonly #flops: Dim[] = [];
  readonly #written: Dim[] = [];
  /** By value and path: a value that several stages of the kernel read counts once. */
  readonly #reads = new Map<string, Read>();
  /** Values that the current stage has already computed or read. */
  #visited = new Set<string>();
  /** In how many ways the current stage has reached each value. */
  #ways = new Map<string, number>();
  #own: ReadonlySet<NodeId> = new Set();
  #depth = 0;

  get work(): Work {
    const reads = [...this.#reads.values()];
    const isCovered = ({ value, path }: Read) =>
      reads.some((other) => other.value === value && other.path !== path && path.endsWith(other.path));
    const read = reads.filter((each) => !isCovered(each)).map(({ bytes, elements }) => mulDims(bytes, elements));
    return { flops: addDims(this.#flops), bytes: addDims([...read, ...this.#written]) };
  }

  /** Counts everything that a stage computes, `times` times, and reads. */
  stage(scope: WorkScope, stage: Stage, times: Dim): void {
    this.#visited = new Set();
    this.#ways = new Map();
    this.#own = new Set([...stage.loops, ...stage.roots]);
    this.#depth = scope.depth;
    for (const id of this.#own) this.#visit(scope, id, whole(scope.graph, id, times));
  }

  /** Counts the initial value of a state: its reads, but not its arithmetic. */
  initial(scope: WorkScope, id: NodeId): void {
    this.#own = new Set();
    this.#visit(scope, id, whole(scope.graph, id, 0));
  }

  write(graph: Graph, id: NodeId, times: Dim): void {
    const { dtype } = nodeAt(graph, id).aval;
    this.#written.push(mulDims(storages[dtype].bytes, mulDims(times, elementsOf(graph, id))));
  }

  #visit(scope: WorkScope, id: NodeId, asked: Reach): void {
    const value = `${scope.depth}%${id}`;
    const ways = this.#ways.get(value) ?? 0;
    const reach = ways < mostWays ? asked : whole(scope.graph, id, asked.times);
    const key = `${value}${reach.path} ${reach.times}`;
    if (this.#visited.has(key)) return;
    this.#visited.add(key);
    this.#ways.set(value, ways + 1);
    const node = nodeAt(scope.graph, id);
    if (node.op === "input" && scope.loop !== undefined) {
      this.#visitBodyInput(scope, scope.loop, id, reach);
    } else if (node.op === "input" && scope.inlined !== undefined) {
      const { outer, operands } = scope.inlined;
      this.#visit(outer, at(operands, scope.graph.inputs.indexOf(id)), reach);
    } else if (node.op === "input" || node.op === "result" || this.#isElsewhere(scope, id)) {
      this.#read(scope, id, value, reach);
    } else {
      this.#flops.push(mulDims(reach.times, flopsOf(scope.graph, node, reach.elements)));
      for (const [i, operand] of node.operands.entries())
        this.#visit(scope, operand, operandReach(scope.graph, id, i, reach));
    }
  }

  /** Whether another stage computes and stores a value. */
  #isElsewhere({ depth, stored }: WorkScope, id: NodeId): boolean {
    return stored.has(id) && !(depth === this.#depth && this.#own.has(id));
  }

  #read({ graph, loop }: WorkScope, id: NodeId, value: string, { path, elements }: Reach): void {
    const { bytes } = storages[nodeAt(graph, id).aval.dtype];
    if (!loop?.persistent) this.#reads.set(`${value}${path}`, { value, path, bytes, elements });
  }

  /** A weight is the outer value; an x is the current step's part of it; a state is in its slot. */
  #visitBodyInput(scope: WorkScope, { outer, scan }: EnclosingLoop, id: NodeId, reach: Reach): void {
    const { body, consts, carries } = scan.attrs;
    const role = body.inputs.indexOf(id);
    const operand = at(scan.operands, role);
    if (role < consts) this.#visit(outer, operand, reach);
    else if (role < consts + carries) this.#read(scope, id, `${scope.depth}%${id}`, reach);
    else {
      const elements = mulDims(reach.times, reach.elements);
      this.#visit(outer, operand, { path: `${reach.path}/step`, elements, times: 1 });
    }
  }
}

function elementsOf(graph: Graph, id: NodeId): Dim {
  return sizeOf(nodeAt(graph, id).aval.shape);
}

function whole(graph: Graph, id: NodeId, times: Dim): Reach {
  return { path: "", elements: elementsOf(graph, id), times };
}

/** Which elements of an operand are reached through its reader. */
function operandReach(graph: Graph, id: NodeId, operand: number, reach: Reach): Reach {
  const node = nodeAt(graph, id);
  const isElementwise = entryOf(node.op as TableOp).kind === "elementwise";
  if (isElementwise || node.op === "reshape" || node.op === "transpose") return reach;
  if (node.op === "slice" || (node.op === "gather" && operand === 0)) return { ...reach, path: `${reach.path}/${id}` };
  const all = whole(graph, at(node.operands, operand), reach.times);
  // Each element of any other view comes from at most one element of the operand; an index serves a whole row of its
  // table.
  const elements = node.op === "gather" ? divideDims(reach.elements, rowSize(graph, node)) : reach.elements;
  const isNarrow = reach.path !== "" && elements !== undefined && divideDims(all.elements, elements) !== undefined;
  return isNarrow ? { ...reach, elements } : all;
}

function rowSize(graph: Graph, { operands }: Node): Dim {
  return sizeOf(nodeAt(graph, at(operands, 0)).aval.shape.slice(1));
}

/** Ops that move or select numbers without arithmetic. */
const moves: ReadonlySet<string> = new Set(["where", "cast", "stopGradient"]);

/** FLOP to compute some elements of a value from its operands. */
function flopsOf(graph: Graph, node: Node, elements: Dim): Dim {
  const operandShape = (i: number) => nodeAt(graph, at(node.operands, i)).aval.shape;
  switch (node.op) {
    case "dot":
      return mulDims(2, mulDims(elements, dotDims(operandShape(0), operandShape(1), node.attrs).k));
    case "sum":
    case "reduceMax":
      return sizeOf(operandShape(0));
    case "scatterAdd":
      return sizeOf(operandShape(1));
    default: {
      const isArithmetic = entryOf(node.op as TableOp).kind === "elementwise" && !moves.has(node.op);
      return isArithmetic && node.aval.dtype === "f32" ? elements : 0;
    }
  }
}
