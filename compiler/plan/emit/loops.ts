/**
 * @file Writes the loops of a stage: the initial value of an accumulator, what one iteration adds to it, which loops
 * are fused, and where a result is found afterwards.
 */
import type { Dim, Shape } from "../../graph/dim.ts";
import { at, InternalError } from "../../graph/errors.ts";
import { type Node, type NodeId, nodeAt } from "../../graph/graph.ts";
import type { KernelBuilder } from "../../kernel/builder.ts";
import type { Index } from "../../kernel/index-arithmetic.ts";
import type { Expr, Variable } from "../../kernel/ir.ts";
import { operandsOf } from "../../kernel/walk.ts";
import { entryOf, type TableOp } from "../../ops/table.ts";
import type { Accumulator } from "../stages/accumulators.ts";
import { loopExtentsOf } from "../stages/loops.ts";
import { isLong, overBlocks, type RunningSum, RunningSums } from "./long-sums.ts";
import { type Emitter, type Region, valueKey } from "./values.ts";

/** A position of a stage: it has an index in every shape with as many elements as the stage has positions. */
export interface Position {
  readonly indexIn: (shape: Shape) => Index[];
  /** If lanes share rows: the position whose row this lane loads for all, and which lane loads this position's row. */
  readonly shared?: SharedRow | undefined;
}

export interface SharedRow {
  readonly loads: Position;
  readonly lane: number;
  /** What differs between the lanes that share: the columns. */
  readonly columns: readonly Expr[];
}

/** The position with a row-major number. */
export function flatPosition(emitter: Emitter, flat: Index): Position {
  return remembering((shape) => emitter.indexAt(flat, shape));
}

/** A position that caches its index per shape, since every term of every loop asks for it. */
export function remembering(find: (shape: Shape) => Index[]): Position {
  const found = new Map<string, Index[]>();
  return {
    indexIn: (shape) => {
      const key = shape.join(",");
      const known = found.get(key) ?? find(shape);
      found.set(key, known);
      return known;
    },
  };
}

/**
 * Groups loops of equal extents into fused loops, so that shared operands are loaded once. No loop in a group depends
 * on another's result.
 */
export function loopGroups(region: Region, accumulators: readonly Accumulator[]): Accumulator[][] {
  const groups: Accumulator[][] = [];
  for (const accumulator of [...accumulators].sort((a, b) => at(a.loops, 0) - at(b.loops, 0))) {
    const extents = loopExtentsOf(region, at(accumulator.loops, 0)).join(",");
    const last = groups[groups.length - 1];
    const isAlike = last !== undefined && loopExtentsOf(region, at(at(last, 0).loops, 0)).join(",") === extents;
    const others = last?.flatMap(({ loops }) => loops) ?? [];
    if (last !== undefined && isAlike && !accumulator.loops.some((id) => dependsOn(region, id, others)))
      last.push(accumulator);
    else groups.push([accumulator]);
  }
  return groups;
}

function dependsOn(region: Region, id: NodeId, others: readonly NodeId[]): boolean {
  const visited = new Set<NodeId>();
  const first = Math.min(...others);
  const reaches = (node: NodeId): boolean => {
    if (others.includes(node)) return true;
    if (visited.has(node) || node < first) return false;
    visited.add(node);
    return nodeAt(region.graph, node).operands.some(reaches);
  };
  return nodeAt(region.graph, id).operands.some(reaches);
}

/** Declares the accumulator of a loop. */
export function startLoop(k: KernelBuilder, region: Region, id: NodeId): Variable {
  return k.var(k.fresh("sum"), k.literal(initialOf(region, id), nodeAt(region.graph, id).aval.dtype));
}

/** What a loop without terms has as its result. */
export function initialOf(region: Region, id: NodeId): number {
  const entry = entryOf(nodeAt(region.graph, id).op as TableOp);
  return entry.kind === "reduction" ? entry.initial : 0;
}

export function combine(k: KernelBuilder, node: Node, a: Expr, b: Expr): Expr {
  const entry = entryOf(node.op as TableOp);
  return entry.kind === "reduction" ? entry.kernel(k, a, b) : k.add(a, b);
}

/** The results of a loop, for each position of a tile. */
export interface Sums {
  readonly id: NodeId;
  readonly loops: readonly NodeId[];
  readonly registers: readonly Variable[];
}

/** Writes the fused loop of some accumulators, for all positions at once. */
export function runLoops(
  emitter: Emitter,
  region: Region,
  accumulators: readonly Accumulator[],
  positions: readonly Position[],
): Sums[] {
  const { writer } = emitter;
  const sums = accumulators.map(({ result, loops }): Sums => {
    return { id: result, loops, registers: positions.map(() => startLoop(writer, region, at(loops, 0))) };
  });
  const running = new RunningSums(
    writer,
    sums.map(({ loops, registers }) => runningSum(writer, region, at(loops, 0), registers)),
  );
  const extents = loopExtentsOf(region, at(at(accumulators, 0).loops, 0));
  const isApart = writer.addsApart && sums.length * positions.length >= fewSums;
  for (const parts of isApart ? partsOf(sums) : [sums.map(({ loops }) => loops)])
    overReduced(emitter, extents, stepsPerTurn(emitter, region, parts), running, (turn) => {
      const terms = parts.flatMap((loops, k) =>
        (loops.length === 0 ? [] : positions).map((position, i) => {
          const register = running.register(k, i);
          return { register, total: accumulated(emitter, region, loops, register, position, turn) };
        }),
      );
      // All loads come before all sums, so that the loads do not wait for each other.
      for (const { register, total } of terms) writer.assign(register, total);
    });
  return sums;
}

/** Sums whose registers leave room for the operands of several products. */
const fewSums = 4;

/** For each accumulator its first product, then its second, and so on; none where it has fewer than others. */
function partsOf(sums: readonly Sums[]): (readonly NodeId[])[][] {
  const most = Math.max(...sums.map(({ loops }) => loops.length));
  return Array.from({ length: most }, (_, i) => sums.map(({ loops }) => loops.slice(i, i + 1)));
}

/** The accumulators of a loop as a running sum. Maxima and integer sums are exact, so they need no partial sums. */
export function runningSum(k: KernelBuilder, region: Region, id: NodeId, registers: readonly Variable[]): RunningSum {
  const { op, aval } = nodeAt(region.graph, id);
  const rounds = op !== "reduceMax" && aval.dtype === "f32";
  return { registers, ...(rounds ? { startPart: () => startLoop(k, region, id) } : {}) };
}

/**
 * Depth steps of one iteration: fewer if several loops share an accumulator, which then gets enough terms in one step.
 */
function stepsPerTurn(emitter: Emitter, region: Region, parts: readonly (readonly NodeId[])[]): number {
  const isProduct = parts.every((loops) => loops.every((id) => nodeAt(region.graph, id).op === "dot"));
  const fewest = Math.max(1, Math.min(...parts.map((loops) => loops.length)));
  return isProduct ? Math.ceil(emitter.writer.termsPerTurn / fewest) : 1;
}

/** One step along the reduced axes. */
export interface ReducedStep {
  readonly index: readonly Index[];
  /**
   * If the step may be past the end: the condition under which it counts. Past the end, the index is that of the last
   * step.
   */
  readonly counts?: Expr;
}

/**
 * Nested loops over the reduced axes, each in blocks. `body` gets the steps of one iteration: `unrolled` of them if
 * there is only one axis. Their terms are added in one expression, so that the accumulator is read and written once.
 */
function overReduced(
  emitter: Emitter,
  extents: readonly Dim[],
  unrolled: number,
  running: RunningSums,
  body: (turn: readonly ReducedStep[]) => void,
): void {
  const { writer } = emitter;
  const { index } = writer;
  const [zero, one] = [writer.u32(0), writer.u32(1)];
  const [depth] = extents;
  const counted = (n: number) => Array.from({ length: n }, (_, step) => step);
  if (unrolled > 1 && extents.length === 1 && depth !== undefined && !(typeof depth === "number" && depth < unrolled)) {
    const limit = writer.size(depth);
    const rest = typeof depth === "number" ? depth % unrolled : 0;
    const whole = typeof depth === "number" ? depth - rest : depth;
    const axis = { extent: depth, role: "depth" } as const;
    overBlocks(writer, { start: zero, count: whole, stride: 1 }, running, (start, end, length) => {
      const known = length === undefined ? {} : { length };
      writer.for({ axis, name: writer.fresh("k"), first: start, end, step: writer.u32(unrolled), ...known }, (k) => {
        const first = index.of(k, depth);
        const stepAt = (step: number): ReducedStep => {
          const later = index.add(first, index.dim(step));
          if (typeof depth === "number" || step === 0) return { index: [index.below(later, depth)] };
          // The remainder of a symbolic depth has no loop of its own, which would double the length of the kernel.
          const last = index.sub(index.dim(depth), index.dim(1));
          return {
            index: [index.below(index.min(later, last), depth)],
            counts: writer.less(writer.add(k, writer.u32(step)), limit),
          };
        };
        body(counted(unrolled).map(stepAt));
      });
    });
    if (rest > 0)
      body(
        counted(rest).map((step) => ({ index: [index.below(index.dim(Number(depth) - rest + step), Number(depth))] })),
      );
    return;
  }
  const nest = (axis: number, reduced: readonly Index[]): void => {
    const extent = extents[axis];
    if (extent === undefined) {
      body([{ index: reduced }]);
      return;
    }
    overBlocks(writer, { start: zero, count: extent, stride: 1 }, running, (first, end, length) => {
      const known = length === undefined ? {} : { length };
      writer.for({ axis: { extent, role: "depth" }, name: writer.fresh("k"), first, end, step: one, ...known }, (k) => {
        const inner = () => nest(axis + 1, [...reduced, index.of(k, extent)]);
        // A short inner axis yields a partial sum of this axis; a long one has its own partial sums.
        if (isShort(extents[axis + 1])) running.inPart(inner);
        else inner();
      });
    });
  };
  nest(0, []);
}

function isShort(extent: Dim | undefined): boolean {
  return extent !== undefined && !isLong({ count: extent, stride: 1 });
}

/** The indices of a loop's operands for an output position and an index along the reduced axes. */
export function operandIndices(region: Region, id: NodeId, position: Position, reduced: readonly Index[]): Index[][] {
  const node = nodeAt(region.graph, id);
  const out = position.indexIn(node.aval.shape);
  if (node.op === "dot") {
    const { transposeA, transposeB } = node.attrs;
    const batch = out.slice(0, -2);
    const [m, n] = [at(out, out.length - 2), at(out, out.length - 1)];
    const k = at(reduced, 0);
    return [
      [...batch, ...(transposeA ? [k, m] : [m, k])],
      [...batch, ...(transposeB ? [n, k] : [k, n])],
    ];
  }
  if (node.op !== "sum" && node.op !== "reduceMax") throw new InternalError(`${node.op} is not a loop`);
  const { axes } = node.attrs;
  const kept = [...out];
  const shape = nodeAt(region.graph, at(node.operands, 0)).aval.shape;
  return [shape.map((_, axis) => (axes.includes(axis) ? at(reduced, axes.indexOf(axis)) : (kept.shift() as Index)))];
}

/** An accumulator after one iteration of its loops. */
export function accumulated(
  emitter: Emitter,
  region: Region,
  loops: readonly NodeId[],
  accumulator: Expr,
  position: Position,
  turn: readonly ReducedStep[],
): Expr {
  const terms = loops.flatMap((id) => turn.map((step) => termOf(emitter, region, id, position, step)));
  const node = nodeAt(region.graph, at(loops, 0));
  return terms.reduce((total, term) => combine(emitter.writer, node, total, term), accumulator);
}

/** What a step of a loop adds. */
export function termOf(emitter: Emitter, region: Region, id: NodeId, position: Position, step: ReducedStep): Expr {
  const node = nodeAt(region.graph, id);
  const k = emitter.writer;
  const indices = operandIndices(region, id, position, step.index);
  const value = (i: number) => emitter.value(region, at(node.operands, i), at(indices, i));
  if (node.op !== "dot") return value(0);
  const left = sharedRow(emitter, region, id, position, step.index) ?? value(0);
  const right = value(1);
  if (step.counts === undefined) return k.mul(left, right);
  const counted = k.select(step.counts, right, k.literal(0, node.aval.dtype));
  return k.mul(left, k.bind(`counted ${step.counts.id} ${right.id}`, counted, k.depth));
}

/** The left operand of a product, loaded by one lane for its neighbours. */
function sharedRow(
  emitter: Emitter,
  region: Region,
  id: NodeId,
  { shared }: Position,
  reduced: readonly Index[],
): Expr | undefined {
  if (shared === undefined) return undefined;
  const operand = at(nodeAt(region.graph, id).operands, 0);
  const index = at(operandIndices(region, id, shared.loads, reduced), 0);
  // A product whose rows are not the tile's rows, such as one of another shape in the same stage, does its own loads.
  if (index.some(({ expr }) => reads(expr, shared.columns))) return undefined;
  const value = emitter.value(region, operand, index);
  const key = `shared ${shared.lane} ${valueKey(region, operand, index)}`;
  return emitter.writer.bind(key, emitter.writer.fromLane(value, shared.lane));
}

function reads(expr: Expr, variables: readonly Expr[]): boolean {
  return variables.includes(expr) || operandsOf(expr).some((operand) => reads(operand, variables));
}

export function rememberLoop(emitter: Emitter, region: Region, id: NodeId, position: Position, value: Expr): void {
  const index = position.indexIn(nodeAt(region.graph, id).aval.shape);
  emitter.writer.remember(valueKey(region, id, index), value);
}
