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
import { sizeOf } from "../graph/dim.ts";
import { at, InternalError } from "../graph/errors.ts";
import { Fold, inputsOf, type OpNode, opNodeAt } from "../graph/fold.ts";
import { ancestorsOf, type Graph, inputName, type NodeId, nodeAt } from "../graph/graph.ts";
import { pagesOf } from "../graph/pages.ts";
import { reduceMax } from "../ops/contractions.ts";
import { add, max } from "../ops/elementwise.ts";
import { copyRules, emitNode } from "../ops/inline.ts";
import { concat, pad, slice } from "../ops/pieces.ts";
import { scanTensors } from "../ops/scan.ts";
import { broadcastAxes, fill, reshape, sum, transpose, zerosLike } from "../ops/views.ts";
import { Frame, within } from "../trace/frame.ts";
import { atSite } from "../trace/site.ts";
import type { Tensor } from "../trace/tensor.ts";
import { removeDead } from "./dead.ts";
import { ChunkPlan, hasRowsInFront } from "./row-chunk-plan.ts";

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

/** A value of all rows, or some entries along its first axis. */
interface Sum {
  readonly id: NodeId;
  readonly part: { readonly first: number; readonly count: number } | undefined;
}

/** Writes the loops. */
class Chunker {
  readonly #graph: Graph;
  readonly #plan: ChunkPlan;
  /** Rows of a chunk. */
  readonly #chunk: number;
  readonly #most: number;

  constructor(graph: Graph, plan: ChunkPlan, most: number) {
    this.#graph = graph;
    this.#plan = plan;
    this.#most = most;
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
    const sums = found.filter(([, exit]) => exit !== "rows").flatMap(([id]) => this.#partsOf(id));
    const byRow = found.filter(([, exit]) => exit === "rows").map(([id]) => id);
    const given = this.#readByRow(level, outside);
    let carries: readonly Tensor[] = sums.map((each) => this.#start(each));
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
            carries: sums.map((each, i) => this.#next(each.id, at(before, i), body.exit(each.id, each.part))),
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
    for (const id of new Set(sums.map((each) => each.id))) {
      const parts = carries.filter((_, i) => sums[i]?.id === id);
      outside.know(id, parts.length === 1 ? at(parts, 0) : concat(parts, 0));
    }
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

  /** A gradient that is larger than a buffer is added up in parts. */
  #partsOf(id: NodeId): readonly Sum[] {
    const { op, aval } = nodeAt(this.#graph, id);
    const shape = aval.shape.map(Number);
    const pages = op === "dot" && Number(sizeOf(shape)) > this.#most ? pagesOf([shape], this.#most) : undefined;
    const row = Number(shape[1]);
    return (
      pages?.map(({ from, size }) => ({ id, part: { first: from / row, count: size / row } })) ?? [
        { id, part: undefined },
      ]
    );
  }

  #start({ id, part }: Sum): Tensor {
    const { dtype, shape } = nodeAt(this.#graph, id).aval;
    const own = part === undefined ? shape : [part.count, ...shape.slice(1)];
    return this.#plan.exits.get(id) === "max" ? fill(own, Number.NEGATIVE_INFINITY) : zerosLike({ dtype, shape: own });
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

  /** What a chunk adds to a value of all rows, or to a part of a product. */
  exit(id: NodeId, part?: Sum["part"]): Tensor {
    const { graph } = this.#plan;
    const node = opNodeAt(graph, id);
    const operand = at(node.operands, 0);
    return atSite(graph.sites[id], () => {
      if (node.op !== "sum" && node.op !== "reduceMax") {
        const [a, b] = [this.rows(operand), this.rows(at(node.operands, 1))];
        return emitNode(node, [part === undefined ? a : slice(a, 1, part.first, part.count), b]);
      }
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
