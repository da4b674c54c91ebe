/**
 * @file Large products in chunks of rows: what a loss makes of logits [rows, classes] is computed for some rows at a time, with
 * its gradient, so that all logits never exist together (Hsu et al. 2024, "Liger kernel", arXiv:2410.10989; Wijmans et al. 2024,
 * "Cut your losses in large-vocabulary language models", arXiv:2411.09009).
 *
 *   x [N, H] · W [H, V] = z;   loss = sum of f(z);   dz = f'(z);   dx = dz · Wᵀ;   dW = xᵀ · dz
 *   for each chunk of rows:    z, f(z), dz and its rows of dx;     loss and dW are added up
 *
 * It is found on the graph of a loss and its gradient: values with an entry for each row and class are *wide*. A loop over
 * chunks computes them from rows of what they read, and what reads them must need one row at a time (a sum over classes, a
 * product with rows) or a sum over all rows. If wide values read a result of all rows, such as a loss that is not a mean,
 * another loop computes them again. Where a wide value is read otherwise, nothing changes.
 */
import { type Dim, sizeOf } from "../graph/dim.ts";
import { at, InternalError } from "../graph/errors.ts";
import { Fold, inputsOf, type OpNode, opNodeAt } from "../graph/fold.ts";
import { ancestorsOf, type Graph, inputName, type NodeId, nodeAt } from "../graph/graph.ts";
import { reduceMax } from "../ops/contractions.ts";
import { add, max } from "../ops/elementwise.ts";
import { copyRules, emitNode } from "../ops/inline.ts";
import { concat, pad, slice } from "../ops/pieces.ts";
import { scanTensors } from "../ops/scan.ts";
import { entryOf } from "../ops/table.ts";
import { broadcastAxes, fill, reshape, sum, transpose, zerosLike } from "../ops/views.ts";
import { Frame, within } from "../trace/frame.ts";
import { atSite } from "../trace/site.ts";
import type { Tensor } from "../trace/tensor.ts";
import { removeDead } from "./dead.ts";

type Float = Tensor<"f32">;

export interface RowChunkOptions {
  /** Products of more elements are computed in chunks, of which each value has at most a quarter of that. */
  readonly most: number;
}

/** The graph with its large products in chunks of rows; undefined if there are none, or if one is read as a whole. */
export function inRowChunks(graph: Graph, { most }: RowChunkOptions): Graph | undefined {
  const needed = ancestorsOf(graph);
  const size = (id: NodeId) => Number(sizeOf(nodeAt(graph, id).aval.shape));
  const products = [...needed].filter((id) => {
    const node = nodeAt(graph, id);
    // The gradient of a table can be as large, but its rows are not those of a batch.
    return node.op === "dot" && node.aval.shape.length === 2 && !node.attrs.transposeA && size(id) > most;
  });
  for (const product of products.sort((a, b) => size(b) - size(a) || a - b)) {
    const rows = Number(at(nodeAt(graph, product).aval.shape, 0));
    const plan = new ChunkPlan(graph, needed, rows, size(product) / smallPart);
    if (plan.isFound) return new Chunker(graph, plan, most).run();
  }
  return undefined;
}

/** A value is wide if it has at least this part of the elements of the product. */
const smallPart = 4;

/** How a node outside of the loop is found by it. */
type Exit = "rows" | "sum" | "max";

class ChunkPlan {
  readonly graph: Graph;
  readonly rows: number;
  readonly isFound: boolean;
  /** Computed in the loops. */
  readonly inside = new Set<NodeId>();
  /** Values that the loops find, and how. */
  readonly exits = new Map<NodeId, Exit>();
  /** The loop that each of these nodes is computed in first, counted from 0. */
  readonly #levels = new Map<NodeId, number>();
  readonly #needed: ReadonlySet<NodeId>;

  constructor(graph: Graph, needed: ReadonlySet<NodeId>, rows: number, least: number) {
    this.graph = graph;
    this.rows = rows;
    this.#needed = needed;
    this.isFound = this.#find(least);
  }

  get levels(): number {
    return Math.max(...[...this.exits.keys()].map((id) => this.level(id))) + 1;
  }

  level(id: NodeId): number {
    return this.#levels.get(id) ?? -1;
  }

  /** How many leading axes of a value are its rows; undefined if none are. */
  rowAxes(id: NodeId): number | undefined {
    return leadingAxes(nodeAt(this.graph, id).aval.shape, this.rows);
  }

  #find(least: number): boolean {
    const order = [...this.#needed].sort((a, b) => a - b);
    const wide = new Set<NodeId>();
    for (const id of order) {
      const node = nodeAt(this.graph, id);
      if (node.op === "input" || node.op === "scan" || node.op === "result") continue;
      if (!(Number(sizeOf(node.aval.shape)) >= least && this.#isByRow(node, id))) continue;
      wide.add(id);
      this.inside.add(id);
    }
    if (wide.size === 0 || this.graph.outputs.some((id) => wide.has(id))) return false;
    const after = new Set<NodeId>();
    for (const id of order) {
      const { operands } = nodeAt(this.graph, id);
      if (wide.has(id) || operands.some((operand) => after.has(operand))) after.add(id);
    }
    const before = new Set<NodeId>();
    for (const id of [...order].reverse()) {
      if (wide.has(id) || before.has(id)) for (const operand of nodeAt(this.graph, id).operands) before.add(operand);
    }
    for (const id of order) {
      const node = nodeAt(this.graph, id);
      const readsWide = node.operands.some((operand) => wide.has(operand));
      const isBetween = after.has(id) && before.has(id) && node.operands.some((operand) => this.inside.has(operand));
      if (wide.has(id) || !(readsWide || isBetween)) continue;
      if (node.op === "input" || node.op === "scan" || node.op === "result") {
        if (readsWide) return false;
        continue;
      }
      if (this.#isByRow(node, id)) {
        this.inside.add(id);
        continue;
      }
      const exit = this.#exitOf(node);
      if (exit !== undefined) this.exits.set(id, exit);
      else if (readsWide) return false;
    }
    // What is read outside of the loop leaves it as rows.
    const reads = (id: NodeId) => {
      for (const operand of nodeAt(this.graph, id).operands)
        if (this.inside.has(operand)) {
          if (wide.has(operand)) return false;
          this.exits.set(operand, "rows");
        }
      return true;
    };
    for (const id of order) if (!(this.inside.has(id) || this.exits.has(id)) && !reads(id)) return false;
    for (const id of this.graph.outputs) if (this.inside.has(id)) this.exits.set(id, "rows");
    this.#findLevels(order);
    return this.exits.size > 0;
  }

  /** A value of the loop can be read in the same loop by the same row; from outside, it is known after the loop. */
  #findLevels(order: readonly NodeId[]): void {
    /** After which loop a value is known outside. */
    const known = new Map<NodeId, number>();
    for (const id of order) {
      const isInLoop = this.inside.has(id) || this.exits.has(id);
      const levels = nodeAt(this.graph, id).operands.map((operand) => {
        if (isInLoop) return this.inside.has(operand) ? this.level(operand) : (known.get(operand) ?? 0);
        return known.get(operand) ?? 0;
      });
      const level = Math.max(0, ...levels);
      if (isInLoop) this.#levels.set(id, level);
      known.set(id, isInLoop ? level + 1 : level);
    }
  }

  /** Whether each row of a value is computed from the same rows of its operands, and from values without rows. */
  #isByRow(node: OpNode, id: NodeId): boolean {
    const axes = this.rowAxes(id);
    if (axes === undefined) return false;
    const sameRows = (operand: NodeId) => this.rowAxes(operand) !== undefined;
    const isFixed = (operand: NodeId) => !this.inside.has(operand);
    switch (node.op) {
      case "reshape":
        return sameRows(at(node.operands, 0));
      case "iota":
        return node.attrs.axis >= axes;
      case "broadcast":
        return isFixed(at(node.operands, 0)) || hasRowsInFront(node.attrs.axes, axes);
      case "sum":
      case "reduceMax": {
        const before = this.rowAxes(at(node.operands, 0));
        return before === axes && node.attrs.axes.every((axis) => axis >= axes);
      }
      case "dot": {
        const [a, b] = [at(node.operands, 0), at(node.operands, 1)];
        return (
          node.aval.shape.length === 2 && !node.attrs.transposeA && axes === 1 && this.rowAxes(a) === 1 && isFixed(b)
        );
      }
      case "slice":
      case "pad":
      case "concat":
        return node.attrs.axis >= axes && node.operands.every((operand) => this.rowAxes(operand) === axes);
      case "transpose":
        return node.attrs.permutation.slice(0, axes).every((axis, i) => axis === i);
      default:
        return entryOf(node.op).kind === "elementwise";
    }
  }

  /** How a value of all rows follows from those of chunks. */
  #exitOf(node: OpNode): Exit | undefined {
    if (node.op === "sum" || node.op === "reduceMax") {
      const axes = this.rowAxes(at(node.operands, 0));
      const isOverRows =
        axes !== undefined && Array.from({ length: axes }, (_, i) => i).every((i) => node.attrs.axes.includes(i));
      if (!isOverRows || node.aval.dtype === "bool") return undefined;
      return node.op === "sum" ? "sum" : "max";
    }
    if (node.op !== "dot" || node.aval.shape.length !== 2) return undefined;
    const isOverRows =
      node.attrs.transposeA && !node.attrs.transposeB && node.operands.every((id) => this.rowAxes(id) === 1);
    return isOverRows ? "sum" : undefined;
  }
}

/** Whether the first axes of an operand become the axes of rows. */
function hasRowsInFront(places: readonly number[], axes: number): boolean {
  return Array.from({ length: axes }, (_, i) => i).every((i) => places[i] === i);
}

/** How many leading axes have this product; undefined if none. */
function leadingAxes(shape: readonly Dim[], rows: number): number | undefined {
  let product = 1;
  for (const [axis, extent] of shape.entries()) {
    product *= Number(extent);
    if (product === rows) return axis + 1;
    if (!(product < rows)) return undefined;
  }
  return undefined;
}

/**
 * What a chunk of a value takes of what fits in a buffer. Larger ones are multiplied little faster, and there are several values
 * of this size.
 */
const partOfChunk = 4;

/** Rows of a chunk, of at most `most`: without a remainder if that is possible with chunks of half of that. */
function chunkOf(rows: number, most: number): number {
  for (let chunk = Math.min(rows, most); 2 * chunk > most && chunk > 0; chunk--) if (rows % chunk === 0) return chunk;
  return Math.ceil(rows / Math.ceil(rows / most));
}

/** Writes the loops. */
class Chunker {
  readonly #graph: Graph;
  readonly #plan: ChunkPlan;
  /** Rows of a chunk. */
  readonly #chunk: number;

  constructor(graph: Graph, plan: ChunkPlan, most: number) {
    this.#graph = graph;
    this.#plan = plan;
    const widest = Math.max(...[...plan.inside].map((id) => Number(sizeOf(nodeAt(graph, id).aval.shape)) / plan.rows));
    this.#chunk = chunkOf(plan.rows, Math.max(1, Math.floor(most / partOfChunk / widest)));
  }

  run(): Graph {
    const graph = this.#graph;
    const frame = new Frame(graph.name);
    const inputs = graph.inputs.map((id) => frame.input(inputName(graph, id), nodeAt(graph, id).aval));
    return within(frame, () => {
      const outside = new Fold<Tensor>(graph, copyRules(graph), inputsOf(graph, inputs));
      for (let level = 0; level < this.#plan.levels; level++) this.#addLoop(level, outside);
      const outputs = graph.outputs.map((id) => outside.value(id));
      return removeDead(
        frame.finish(
          inputs.map(({ id }) => id),
          outputs,
        ),
      );
    });
  }

  /** One loop over all rows, and what it finds. */
  #addLoop(level: number, outside: Fold<Tensor>): void {
    const { rows, exits } = this.#plan;
    const found = [...exits].filter(([id]) => this.#plan.level(id) === level);
    const sums = found.filter(([, exit]) => exit !== "rows").map(([id]) => id);
    const byRow = found.filter(([, exit]) => exit === "rows").map(([id]) => id);
    const given = this.#readByRow(level, outside);
    let carries: readonly Tensor[] = sums.map((id) => this.#start(id));
    const ys: (readonly Tensor[])[] = [];
    const add = (first: number, count: number, size: number): void => {
      if (count === 0) return;
      const xs = [...given.values()].map((tensor) => {
        const part = slice(tensor, 0, first, count * size);
        return reshape(part, [count, size, ...tensor.shape.slice(1)]);
      });
      const results = scanTensors(
        (before, parts) => {
          const known = new Map([...given.keys()].map((key, i) => [key, at(parts, i)]));
          const body = new ChunkBody(this.#plan, level, size, outside, (key) => known.get(key));
          return {
            carries: sums.map((id, i) => this.#next(id, at(before, i), body.exit(id))),
            ys: byRow.map((id) => body.rows(id)),
          };
        },
        carries,
        xs,
        { length: count, recompute: true, name: "rows" },
      );
      carries = results.carries;
      ys.push(results.ys.map((y) => reshape(y, [count * size, ...y.shape.slice(2)])));
    };
    const rest = rows % this.#chunk;
    add(0, rest === 0 ? 0 : 1, rest);
    add(rest, (rows - rest) / this.#chunk, this.#chunk);
    for (const [i, id] of sums.entries()) outside.know(id, at(carries, i));
    for (const [i, id] of byRow.entries()) {
      const all = concat(
        ys.map((each) => at(each, i)),
        0,
      );
      outside.know(id, reshape(all, nodeAt(this.#graph, id).aval.shape));
    }
  }

  /** What a loop reads row by row from outside, and from earlier loops: [rows, …]. */
  #readByRow(level: number, outside: Fold<Tensor>): ReadonlyMap<string, Tensor> {
    const read = new Map<string, Tensor>();
    // All rows as one chunk, of which only the reads are kept.
    const body = new ChunkBody(this.#plan, level, this.#plan.rows, outside, (key, make) => {
      const tensor = read.get(key) ?? make();
      read.set(key, tensor);
      return tensor;
    });
    for (const [id, exit] of this.#plan.exits)
      if (this.#plan.level(id) === level) exit === "rows" ? body.rows(id) : body.exit(id);
    return read;
  }

  #start(id: NodeId): Tensor {
    const { aval } = nodeAt(this.#graph, id);
    return this.#plan.exits.get(id) === "max" ? fill(aval.shape, Number.NEGATIVE_INFINITY) : zerosLike(aval);
  }

  #next(id: NodeId, before: Tensor, chunk: Tensor): Tensor {
    const join = this.#plan.exits.get(id) === "max" ? max : add;
    return join(before as Float, chunk as Float);
  }
}

/** Finds a tensor [rows of the chunk, …] that is read from outside; `make` computes that of all rows. */
type Reader = (key: string, make: () => Tensor) => Tensor | undefined;

/** One chunk in the current trace. Its values have one axis of rows in front. */
class ChunkBody {
  readonly #plan: ChunkPlan;
  readonly #level: number;
  readonly #size: number;
  readonly #outside: Fold<Tensor>;
  readonly #read: Reader;
  readonly #made = new Map<NodeId, Tensor>();

  constructor(plan: ChunkPlan, level: number, size: number, outside: Fold<Tensor>, read: Reader) {
    this.#plan = plan;
    this.#level = level;
    this.#size = size;
    this.#outside = outside;
    this.#read = read;
  }

  /** The rows of a value. */
  rows(id: NodeId): Tensor {
    const known = this.#made.get(id);
    if (known !== undefined) return known;
    const { inside, exits, graph } = this.#plan;
    const isKnown = exits.has(id) && this.#plan.level(id) < this.#level;
    const made =
      inside.has(id) && !isKnown
        ? atSite(graph.sites[id], () => this.#computed(opNodeAt(graph, id), id))
        : this.#given(`${id}`, () => this.#allRows(id));
    this.#made.set(id, made);
    return made;
  }

  /** What a chunk adds to a value of all rows. */
  exit(id: NodeId): Tensor {
    const { graph } = this.#plan;
    const node = opNodeAt(graph, id);
    const operand = at(node.operands, 0);
    return atSite(graph.sites[id], () => {
      if (node.op !== "sum" && node.op !== "reduceMax")
        return emitNode(
          node,
          node.operands.map((each) => this.rows(each)),
        );
      const axes = this.#plan.rowAxes(operand) ?? 1;
      const others = node.attrs.axes.filter((axis) => axis >= axes).map((axis) => axis - axes + 1);
      const x = this.rows(operand) as Float;
      return node.op === "sum" ? sum(x, [0, ...others]) : reduceMax(x, [0, ...others]);
    });
  }

  #given(key: string, make: () => Tensor): Tensor {
    const given = this.#read(key, make);
    if (given === undefined) throw new InternalError(`a chunk of rows reads ${key}, which it is not given`);
    return given;
  }

  #allRows(id: NodeId): Tensor {
    const { shape } = nodeAt(this.#plan.graph, id).aval;
    const axes = this.#plan.rowAxes(id) ?? 0;
    return reshape(this.#outside.value(id), [this.#plan.rows, ...shape.slice(axes)]);
  }

  #computed(node: OpNode, id: NodeId): Tensor {
    const { shape } = node.aval;
    const axes = this.#plan.rowAxes(id) ?? 1;
    const inner = (axis: number) => axis - axes + 1;
    const target = [this.#size, ...shape.slice(axes)];
    const first = node.operands[0] ?? id;
    switch (node.op) {
      case "reshape":
        return reshape(this.rows(first), target);
      case "iota":
        return emitNode({ ...node, attrs: { ...node.attrs, shape: target, axis: inner(node.attrs.axis) } }, []);
      case "broadcast":
        return this.#broadcast(node, id, axes);
      case "sum":
        return sum(this.rows(first) as Float, node.attrs.axes.map(inner));
      case "reduceMax":
        return reduceMax(this.rows(first) as Float, node.attrs.axes.map(inner));
      case "dot":
        return emitNode(node, [this.rows(first), this.#outside.value(at(node.operands, 1))]);
      case "slice":
        return slice(this.rows(first), inner(node.attrs.axis), node.attrs.start, node.attrs.size);
      case "pad":
        return pad(this.rows(first), inner(node.attrs.axis), node.attrs.start, node.attrs.size);
      case "concat":
        return concat(
          node.operands.map((operand) => this.rows(operand)),
          inner(node.attrs.axis),
        );
      case "transpose":
        return transpose(this.rows(first), [0, ...node.attrs.permutation.slice(axes).map(inner)]);
      default:
        return emitNode(
          node,
          node.operands.map((operand) => this.rows(operand)),
        );
    }
  }

  /** A repetition of rows, of a value without rows, or of one that has some of the axes of rows. */
  #broadcast(node: OpNode & { readonly op: "broadcast" }, id: NodeId, axes: number): Tensor {
    const operand = at(node.operands, 0);
    const { shape } = node.aval;
    const target = [this.#size, ...shape.slice(axes)];
    const others = node.attrs.axes.filter((axis) => axis >= axes);
    const inner = others.map((axis) => axis - axes + 1);
    const ofRows = node.attrs.axes.length - others.length;
    if (ofRows === 0) return broadcastAxes(this.#outside.value(operand), target, inner);
    if (hasRowsInFront(node.attrs.axes, axes)) return broadcastAxes(this.rows(operand), target, [0, ...inner]);
    const repeated = () => {
      const wide = [...shape.slice(0, axes), ...others.map((axis) => at(shape, axis))];
      const places = node.attrs.axes.map((axis) => (axis < axes ? axis : axes + others.indexOf(axis)));
      const all = broadcastAxes(this.#outside.value(operand), wide, places);
      return reshape(all, [this.#plan.rows, ...wide.slice(axes)]);
    };
    return broadcastAxes(this.#given(`repeated ${id}`, repeated), target, [0, ...inner]);
  }
}
