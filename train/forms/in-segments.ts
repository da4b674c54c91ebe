/**
 * @file Cuts a graph over whole sequences into segments of `steps` time steps, for a bounded memory: a loop over segments, of
 * which each does everything that has a time axis (lookups, products, loops over time, losses) for its own steps. States and
 * sums over time go from one segment to the next; what follows from them at the end is computed after the last one.
 *
 *   sequence   weights, x [T, ..]  -> h = loop over x, loss = sum(f(h)) / T
 *   segments   weights, x [N, K, ..] -> N times (state, sum -> state, sum), then loss = sum / T
 *
 * The loop is a scan with `recompute`: for the gradient it keeps the states between segments, and computes a segment again
 * before its backward steps (Chen et al. 2016, "Training deep nets with sublinear memory cost"). The values are the same;
 * a sum over time is added up in another order. The first segment takes the steps that are left over.
 */
import { at, expectArgument, InternalError } from "../../compiler/graph/errors.ts";
import { Fold } from "../../compiler/graph/fold.ts";
import { ancestorsOf, type Graph, inputName, type NodeId, nodeAt, type ScanNode } from "../../compiler/graph/graph.ts";
import { checkedOptions } from "../../compiler/graph/options.ts";
import { add, cast, max, mul } from "../../compiler/ops/elementwise.ts";
import { copyRules, emitResults } from "../../compiler/ops/inline.ts";
import { slice } from "../../compiler/ops/pieces.ts";
import { scanTensors } from "../../compiler/ops/scan.ts";
import { iota } from "../../compiler/ops/sources.ts";
import { traceGraph } from "../../compiler/ops/trace.ts";
import { broadcast, constant, fill, reshape, transpose, zerosLike } from "../../compiler/ops/views.ts";
import { removeDead } from "../../compiler/passes/dead.ts";
import { substitute } from "../../compiler/passes/specialize.ts";
import type { Tensor } from "../../compiler/trace/tensor.ts";
import { type Along, alongSegments, isOverTime } from "./along-time.ts";

type Float = Tensor<"f32">;

/** A sequence of `length` steps in segments of `steps`. */
export interface Segmentation {
  readonly length: number;
  readonly steps: number;
}

/** Checks segments that a user gave. */
export function checkedSegments(where: string, segments: Segmentation): Segmentation {
  const { length, steps } = checkedOptions(`${where}: segments`, segments, { length: "number", steps: "number" });
  const fits = Number.isInteger(length) && Number.isInteger(steps) && steps > 0 && steps <= length;
  expectArgument(
    fits,
    `${where}: segments`,
    segments,
    "whole numbers { length, steps }, with steps from 1 to the length",
  );
  return segments;
}

/** A value that goes from one segment to the next. */
interface Carried {
  /** The value of the sequence so far: a node, or a carry of a loop over time. */
  readonly of: NodeId | { readonly loop: NodeId; readonly index: number };
  /** Its value before the first step, outside of the segments. */
  readonly start: () => Tensor;
  /** Its next value from the one before and that of the segment. */
  readonly next: (before: Tensor, found: Tensor) => Tensor;
}

/**
 * The graph at T = `length`, in segments. Throws a UserError that names the op and the line which cannot be cut: a backward
 * loop, or a value that every step reads and only the last one knows.
 */
export function inSegments(whole: Graph, segments: Segmentation): Graph {
  const { length, steps } = checkedSegments("inSegments", segments);
  const graph = removeDead(whole);
  const full = substitute(graph, { T: length });
  const inputs = full.inputs.map((id) => ({ name: inputName(full, id), ...nodeAt(full, id).aval }));
  const plan = new SegmentPlan(graph);
  return traceGraph(graph.name, inputs, (tensors) => {
    const given = tensors.map((tensor, i) => [at(full.inputs, i), tensor] as const);
    const outside = new Fold(full, copyRules(full), given);
    const carried = plan.carried((id) => outside.value(id));
    const fixed = plan.fixed.map((id) => [id, outside.value(id)] as const);
    let values: readonly Tensor[] = carried.map(({ start }) => start());
    const run = (first: number, count: number, size: number): void => {
      if (count === 0) return;
      const sequences = graph.inputs.flatMap((id, i): [NodeId, Tensor][] => {
        const along = plan.along(id);
        return along.kind === "along" ? [[id, segmentsOf(at(tensors, i), along.axis, first, count, size)]] : [];
      });
      const numbers = iota([count], 0, "i32");
      const short = substitute(graph, { T: size });
      const results = scanTensors(
        (before, [number, ...xs]) => {
          const begin = add(mul(number as Tensor<"i32">, constant(size, "i32")), constant(first, "i32"));
          const known = [...fixed, ...sequences.map(([id], i) => [id, at(xs, i)] as const)];
          const found = plan.segment(short, known, carried, before, begin);
          return { carries: carried.map(({ next }, i) => next(at(before, i), at(found, i))), ys: [] };
        },
        values,
        [numbers, ...sequences.map(([, tensor]) => tensor)],
        { recompute: true, name: "segments" },
      );
      values = results.carries;
    };
    const rest = length % steps;
    run(0, rest === 0 ? 0 : 1, rest);
    run(rest, (length - rest) / steps, steps);
    const known = new Map<NodeId, Tensor>(given);
    for (const [i, { of }] of carried.entries()) {
      for (const id of plan.nodesOf(of)) known.set(id, at(values, i));
    }
    return new Fold(full, copyRules(full), known).outputs();
  });
}

/** `count` segments [count, .., size, ..] of a sequence [.., T, ..] along `axis`, from step `first` on. */
function segmentsOf(x: Tensor, axis: number, first: number, count: number, size: number): Tensor {
  const part = x.shape[axis] === count * size ? x : slice(x, axis, first, count * size);
  const [before, after] = [part.shape.slice(0, axis), part.shape.slice(axis + 1)];
  const cut = reshape(part, [...before, count, size, ...after]);
  const others = cut.shape.map((_, i) => i).filter((i) => i !== axis);
  return axis === 0 ? cut : transpose(cut, [axis, ...others]);
}

/** What of a graph belongs to the segments, and what goes from one to the next. */
class SegmentPlan {
  readonly #graph: Graph;
  readonly #along: ReturnType<typeof alongSegments>;
  /** Nodes that are computed in the segments, in order. */
  readonly #inside: readonly NodeId[];
  /** Values outside of the segments that these read. */
  readonly fixed: readonly NodeId[];

  constructor(graph: Graph) {
    this.#graph = graph;
    this.#along = alongSegments(graph);
    const needed = [...ancestorsOf(graph)].sort((a, b) => a - b);
    this.#inside = needed.filter((id) => nodeAt(graph, id).op !== "input" && this.#isInside(id));
    const reads = this.#inside.flatMap((id) => nodeAt(graph, id).operands);
    const carries = this.#inside.flatMap((id) => this.#startsOf(id));
    const outside = [...reads, ...carries].filter(
      (id) => nodeAt(graph, id).op !== "scan" && this.along(id).kind === "fixed",
    );
    this.fixed = [...new Set(outside)];
  }

  along(id: NodeId): Along {
    return this.#along.of(id);
  }

  /** All values that go from segment to segment; `outside` computes fixed ones. */
  carried(outside: (id: NodeId) => Tensor): readonly Carried[] {
    return this.#inside.flatMap((id): Carried[] => {
      const node = nodeAt(this.#graph, id);
      if (node.op === "scan") {
        const replace = (_: Tensor, found: Tensor) => found;
        return this.#startsOf(id).map((start, index) => {
          return { of: { loop: id, index }, start: () => outside(start), next: replace };
        });
      }
      if (node.op === "result" || this.along(id).kind !== "so far") return [];
      const zeros = () => zerosLike(node.aval);
      if (node.op === "sum") return [{ of: id, start: zeros, next: (a, b) => add(a as Float, b as Float) }];
      if (node.op === "slice") return [{ of: id, start: zeros, next: (_, found) => found }];
      if (node.op !== "reduceMax") throw new InternalError(`${node.op} is no value of a sequence so far`);
      const least = () => fill(node.aval.shape, Number.NEGATIVE_INFINITY);
      return [{ of: id, start: least, next: (a, b) => max(a as Float, b as Float) }];
    });
  }

  /** The nodes of the whole graph that are a carried value. */
  nodesOf(of: Carried["of"]): readonly NodeId[] {
    if (typeof of === "number") return [of];
    return [...this.#graph.nodes.entries()].flatMap(([id, node]) =>
      node.op === "result" && node.operands[0] === of.loop && node.attrs.index === of.index ? [id] : [],
    );
  }

  /** What one segment finds for each carried value, in the current trace; `short` is the graph at its length. */
  segment(
    short: Graph,
    known: readonly (readonly [NodeId, Tensor])[],
    carried: readonly Carried[],
    before: readonly Tensor[],
    begin: Tensor<"i32">,
  ): readonly Tensor[] {
    const loops = new Map<NodeId, readonly Tensor[]>();
    const fold = new Fold(
      short,
      copyRules(short, {
        node: (node, _, id) => {
          const along = this.along(id);
          const isNumber = node.op === "iota" && along.kind === "along" && along.axis === node.attrs.axis;
          if (!isNumber) return undefined;
          const { dtype, shape } = node.attrs;
          const within = iota(shape, node.attrs.axis, "i32");
          return cast(add(within, broadcast(begin, shape)), dtype);
        },
        scan: (node, operands, id) => {
          if (!this.#isLoop(id)) return undefined;
          const { consts, carries } = node.attrs;
          const starts = carried.flatMap(({ of }, i) =>
            typeof of !== "number" && of.loop === id ? [at(before, i)] : [],
          );
          const results = emitResults(node.attrs, [
            ...operands.slice(0, consts),
            ...starts,
            ...operands.slice(consts + carries),
          ]);
          loops.set(id, results);
          return results;
        },
      }),
      known,
    );
    for (const id of this.#inside) fold.compute(id);
    return carried.map(({ of }) => (typeof of === "number" ? fold.value(of) : at(loops.get(of.loop) ?? [], of.index)));
  }

  /** Whether a node is a loop over time. */
  #isLoop(id: NodeId): boolean {
    const node = nodeAt(this.#graph, id);
    return node.op === "scan" && isOverTime(node);
  }

  /** The initial values of a loop over time. */
  #startsOf(id: NodeId): readonly NodeId[] {
    if (!this.#isLoop(id)) return [];
    const { operands, attrs } = nodeAt(this.#graph, id) as ScanNode;
    return operands.slice(attrs.consts, attrs.consts + attrs.carries);
  }

  #isInside(id: NodeId): boolean {
    const node = nodeAt(this.#graph, id);
    if (node.op === "scan") return this.#isLoop(id) || this.#along.results(id).some(({ kind }) => kind === "along");
    const along = this.along(id);
    if (along.kind === "along") return true;
    // A value so far is found by the segments if it is the first: what it reads has a time axis.
    if (along.kind === "fixed") return false;
    if (node.op === "result") return this.#isLoop(at(node.operands, 0));
    return node.operands.some((operand) => this.along(operand).kind === "along");
  }
}
