/**
 * @file Writes one stage into a kernel: which position an invocation owns, the loops, and the stores of the roots.
 */
import { type Dim, type Shape, sizeOf } from "../graph/dim.ts";
import { at, InternalError } from "../graph/errors.ts";
import { type Node, type NodeId, nodeAt } from "../graph/graph.ts";
import { entryOf, type TableOp } from "../ops/table.ts";
import { type Accumulator, accumulatorsOf } from "./accumulators.ts";
import { type Emitter, type Region, valueKey, zeroOf } from "./emit-values.ts";
import type { Index } from "./index-expression.ts";
import { loopExtentsOf } from "./loops.ts";
import type { Stage } from "./stages.ts";

/** Puts a root's value where it belongs, or adds it to what is there. */
export type StoreRoot = (id: NodeId, index: readonly Index[], value: string, how?: "=" | "+=") => void;

/** How an invocation of the stage's kernel finds its work. */
export type StageForm = "element" | "tile" | "tree" | "scatter";

/** Lanes of a workgroup that reduces one output together. */
export const treeLanes = 256;
const smallOutput = 32;
const longReduction = 512;

export function formOf(region: Region, stage: Stage): StageForm {
  const [first] = stage.loops;
  if (first !== undefined && nodeAt(region.graph, first).op === "scatterAdd") return "scatter";
  const plain = stage.loops.some((id) => nodeAt(region.graph, id).op === "dot") ? "tile" : "element";
  if (typeof stage.size !== "number" || stage.size > smallOutput) return plain;
  const isLong = stage.loops.some((id) => {
    const extent = sizeOf(loopExtentsOf(region, id));
    return typeof extent !== "number" || extent >= longReduction;
  });
  return isLong ? "tree" : plain;
}

/** A position of a stage: it has an index in every shape that has as many elements as the stage. */
export interface Position {
  readonly indexIn: (shape: Shape) => Index[];
  /** Where lanes share rows: the position whose row this lane loads for all, and which lane loads this one's. */
  readonly shared?: { readonly loads: Position; readonly lane: number } | undefined;
}

/** The position with a row-major number. */
export function flatPosition(emitter: Emitter, flat: Index): Position {
  return { indexIn: (shape) => emitter.indexAt(flat, shape) };
}

/** The positions that an invocation owns. */
export interface Owned {
  readonly positions: readonly Position[];
  /** Walks over them at run time, leaving out those that lie outside; `number` counts as `positions` does. */
  readonly walk?: (body: (position: Position, number: string) => void) => void;
}

/**
 * One invocation computes some positions of the stage, alone. Loops run for all of them at once, so that what they
 * share is loaded once; what follows is written once and walks over them.
 */
export function emitPositions(emitter: Emitter, region: Region, stage: Stage, owned: Owned, store: StoreRoot): void {
  const { writer } = emitter;
  const { positions, walk } = owned;
  const sums: { id: NodeId; names: string[] }[] = [];
  for (const group of loopGroups(region, accumulatorsOf(region, stage))) {
    const started = group.map(({ result, loops }) => {
      return { id: result, loops, names: positions.map(() => startLoop(emitter, region, at(loops, 0))) };
    });
    const first = at(at(group, 0).loops, 0);
    overReduced(emitter, loopExtentsOf(region, first), nodeAt(region.graph, first).op === "dot", (turn) => {
      const terms = started.flatMap(({ loops, names }) =>
        loops.flatMap((id) =>
          positions.map((position, i) => {
            return accumulation(emitter, region, id, at(names, i), position, turn);
          }),
        ),
      );
      // All loads first, then all sums: the loads do not wait for each other.
      for (const term of terms) writer.line(term);
    });
    for (const { id, names } of started) {
      for (const [i, position] of positions.entries()) rememberLoop(emitter, region, id, position, at(names, i));
    }
    sums.push(...started);
  }
  if (walk === undefined) {
    for (const position of positions) storeRoots(emitter, region, stage, position, store);
    return;
  }
  const results = sums.map(({ id, names }) => ({ id, array: keepAll(emitter, region, id, names) }));
  walk((position, number) => {
    for (const { id, array } of results) {
      const name = writer.fresh("sum");
      writer.line(`let ${name} = ${array}[${number}];`);
      rememberLoop(emitter, region, id, position, name);
    }
    storeRoots(emitter, region, stage, position, store);
  });
}

/** Puts the results of a loop for all positions into an array, to be walked over. */
function keepAll(emitter: Emitter, region: Region, id: NodeId, names: readonly string[]): string {
  const array = emitter.writer.fresh("sums");
  const { dtype } = nodeAt(region.graph, id).aval;
  emitter.writer.line(`var ${array} = array<${dtype}, ${names.length}>(${names.join(", ")});`);
  return array;
}

/** Loops of the same extents run as one, so that what they share is loaded once; none may wait for another's result. */
function loopGroups(region: Region, accumulators: readonly Accumulator[]): Accumulator[][] {
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

/** A workgroup computes the position together: each lane a strided part, then a tree over the lanes. */
export function emitTree(emitter: Emitter, region: Region, stage: Stage, position: Position, store: StoreRoot): void {
  const { writer } = emitter;
  for (const id of stage.loops) {
    const node = nodeAt(region.graph, id);
    const accumulator = startLoop(emitter, region, id);
    const extents = loopExtentsOf(region, id);
    const extent = sizeOf(extents);
    const k = writer.fresh("k");
    writer.block(`for (var ${k}: u32 = lane; ${k} < ${writer.index.dim(extent).text}; ${k} += ${treeLanes}u)`, () => {
      const flat = writer.index.variable(k, writer.depth, extent);
      writer.line(accumulation(emitter, region, id, accumulator, position, [emitter.indexAt(flat, extents)]));
    });
    const shared = writer.workgroupArray(node.aval.dtype, treeLanes);
    writer.line(`${shared}[lane] = ${accumulator};`);
    const half = writer.fresh("half");
    writer.block(`for (var ${half}: u32 = ${treeLanes / 2}u; ${half} > 0u; ${half} = ${half} / 2u)`, () => {
      writer.line("workgroupBarrier();");
      writer.block(`if (lane < ${half})`, () => {
        writer.line(`${shared}[lane] = ${combine(node, `${shared}[lane]`, `${shared}[lane + ${half}]`)};`);
      });
    });
    writer.line("workgroupBarrier();");
    const total = writer.fresh("total");
    writer.line(`let ${total} = ${shared}[0];`);
    rememberLoop(emitter, region, id, position, total);
  }
  writer.block("if (lane == 0u)", () => storeRoots(emitter, region, stage, position, store));
}

/**
 * One invocation owns a column of the result and adds every update to it in order: no two write to one place, and the
 * order of the sums is fixed.
 */
export function emitScatter(emitter: Emitter, region: Region, stage: Stage, column: Index, store: StoreRoot): void {
  const { writer } = emitter;
  const scatter = at(stage.loops, 0);
  const node = nodeAt(region.graph, scatter);
  if (node.op !== "scatterAdd") throw new InternalError("a scatter stage without a scatter");
  const indices = at(node.operands, 0);
  const updates = at(node.operands, 1);
  const { rows } = node.attrs;
  const indexShape = nodeAt(region.graph, indices).aval.shape;
  const width = node.aval.shape.slice(1);
  const rest = emitter.indexAt(column, width);
  const placeOf = (row: Index) => [row, ...rest];
  const row = writer.fresh("row");
  writer.block(`for (var ${row}: u32 = 0u; ${row} < ${rows}u; ${row}++)`, () => {
    store(scatter, placeOf(writer.index.variable(row, writer.depth, rows)), "0.0");
  });
  const count = sizeOf(indexShape);
  const n = writer.fresh("k");
  writer.block(`for (var ${n}: u32 = 0u; ${n} < ${writer.index.dim(count).text}; ${n}++)`, () => {
    const source = emitter.indexAt(writer.index.variable(n, writer.depth, count), indexShape);
    const target = emitter.value(region, indices, source);
    const update = emitter.value(region, updates, [...source, ...rest]);
    const rowIndex = writer.index.min(
      writer.index.variable(`u32(${target.text})`, target.depth),
      writer.index.dim(rows - 1),
    );
    store(scatter, placeOf(rowIndex), update.text, "+=");
  });
}

/** All values are computed before the first is stored: a root may take over the memory of what another one reads. */
function storeRoots(emitter: Emitter, region: Region, stage: Stage, position: Position, store: StoreRoot): void {
  const values = stage.roots.map((id) => {
    const index = position.indexIn(nodeAt(region.graph, id).aval.shape);
    return { id, index, text: emitter.compute(region, id, index).text };
  });
  for (const { id, index, text } of values) store(id, index, text);
}

function startLoop(emitter: Emitter, region: Region, id: NodeId): string {
  const node = nodeAt(region.graph, id);
  const name = emitter.writer.fresh("sum");
  emitter.writer.line(`var ${name}: ${node.aval.dtype} = ${neutral(node)};`);
  return name;
}

function neutral(node: Node): string {
  const entry = entryOf(node.op as TableOp);
  if (entry.kind !== "reduction" || entry.initial === 0) return zeroOf(node.aval.dtype);
  return entry.wgsl.initial;
}

function combine(node: Node, a: string, b: string): string {
  const entry = entryOf(node.op as TableOp);
  return entry.kind === "reduction" ? entry.wgsl.combine(a, b) : `${a} + ${b}`;
}

/** Steps of a product's depth that are written out in one turn of its loop. */
const unrolled = 2;

/**
 * Nested loops over what is reduced; `body` gets the indices of one turn, of which there are several where the loop is
 * unrolled: their terms are added in one expression, so that the accumulator is read and written once.
 */
function overReduced(
  emitter: Emitter,
  extents: readonly Dim[],
  unroll: boolean,
  body: (turn: readonly (readonly Index[])[]) => void,
): void {
  const { index } = emitter.writer;
  const { writer } = emitter;
  const [depth] = extents;
  if (unroll && extents.length === 1 && depth !== undefined && !(typeof depth === "number" && depth < unrolled)) {
    const k = writer.fresh("k");
    const limit = index.dim(depth).text;
    writer.block(`for (var ${k}: u32 = 0u; ${k} + ${unrolled - 1}u < ${limit}; ${k} += ${unrolled}u)`, () => {
      const first = index.variable(k, writer.depth, depth);
      body(Array.from({ length: unrolled }, (_, step) => [index.below(index.add(first, index.dim(step)), depth)]));
    });
    if (typeof depth === "number" && depth % unrolled === 0) return;
    const last = index.below(index.sub(index.dim(depth), index.dim(1)), depth);
    if (typeof depth === "number") body([[last]]);
    else writer.block(`if ((${limit} & 1u) == 1u)`, () => body([[last]]));
    return;
  }
  const nest = (axis: number, reduced: readonly Index[]): void => {
    const extent = extents[axis];
    if (extent === undefined) {
      body([reduced]);
      return;
    }
    const k = writer.fresh("k");
    writer.block(`for (var ${k}: u32 = 0u; ${k} < ${index.dim(extent).text}; ${k}++)`, () => {
      nest(axis + 1, [...reduced, index.variable(k, writer.depth, extent)]);
    });
  };
  nest(0, []);
}

/** The indices of a loop's operands for an output position and an index of what is reduced. */
function operandIndices(region: Region, id: NodeId, position: Position, reduced: readonly Index[]): Index[][] {
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
  if (node.op !== "sum" && node.op !== "reduceMax") throw new InternalError(`${node.op} is no loop`);
  const { axes } = node.attrs;
  const kept = [...out];
  const shape = nodeAt(region.graph, at(node.operands, 0)).aval.shape;
  return [shape.map((_, axis) => (axes.includes(axis) ? at(reduced, axes.indexOf(axis)) : (kept.shift() as Index)))];
}

/** The statement that adds one turn of a loop to its accumulator. */
function accumulation(
  emitter: Emitter,
  region: Region,
  id: NodeId,
  accumulator: string,
  position: Position,
  turn: readonly (readonly Index[])[],
): string {
  const node = nodeAt(region.graph, id);
  const terms = turn.map((reduced) => {
    const indices = operandIndices(region, id, position, reduced);
    const value = (i: number) => emitter.value(region, at(node.operands, i), at(indices, i)).text;
    if (node.op !== "dot") return value(0);
    return `${sharedRow(emitter, region, id, position, reduced) ?? value(0)} * ${value(1)}`;
  });
  return `${accumulator} = ${terms.reduce((total, term) => combine(node, total, term), accumulator)};`;
}

/** The left operand of a product, loaded by one lane for its neighbours. */
function sharedRow(
  emitter: Emitter,
  region: Region,
  id: NodeId,
  { shared }: Position,
  reduced: readonly Index[],
): string | undefined {
  if (shared === undefined) return undefined;
  const operand = at(nodeAt(region.graph, id).operands, 0);
  const index = at(operandIndices(region, id, shared.loads, reduced), 0);
  // A product whose rows are not the tile's own, such as one of another shape in the same stage, loads for itself.
  if (index.some(({ text }) => text.includes("column"))) return undefined;
  const { text, depth } = emitter.value(region, operand, index);
  const key = `shared ${shared.lane} ${valueKey(region, operand, index)}`;
  return emitter.writer.bind(key, "f32", `subgroupBroadcast(${text}, ${shared.lane}u)`, depth).text;
}

function rememberLoop(emitter: Emitter, region: Region, id: NodeId, position: Position, name: string): void {
  const index = position.indexIn(nodeAt(region.graph, id).aval.shape);
  emitter.writer.remember(valueKey(region, id, index), name);
}
