/**
 * @file The interpreter: what a graph *means*, in float64. Slow and simple on purpose: kernels are tested against it.
 * It is also the device "interpreter".
 */
import { bindShape, type Dim, type DimSizes, evaluateDim, evaluateShape } from "../graph/dim.ts";
import { at, UserError } from "../graph/errors.ts";
import { Fold, inputsOf, type OpNode } from "../graph/fold.ts";
import { type DType, type Graph, inputName, type Node, type NodeId, nodeAt, type ScanNode } from "../graph/graph.ts";
import { type NdArray, sizeOfNumbers, stridesOf, valueFault } from "../graph/ndarray.ts";
import { unmetRequirement } from "../graph/requirements.ts";
import type { IndexArithmetic } from "../kernel/index-arithmetic.ts";
import type { Piece, ReductionEntry, ViewEntry } from "./entry.ts";
import { requirementsOf } from "./requirements.ts";
import { entryOf, type TableOp } from "./table.ts";

/** Observes an interpreter's values as they are computed. */
export interface Observer {
  /**
   * The value of a node other than an input, a loop or a loop's result. The observer can change its numbers; later
   * nodes read the changed ones.
   */
  readonly value: (graph: Graph, id: NodeId, node: Node, operands: readonly NdArray[], result: NdArray) => void;
  /** The value of one step becomes a row of the values over time. */
  readonly stacked: (all: NdArray, row: NdArray) => void;
  /** A step of a loop begins; the first in time is 0. */
  readonly enter: (body: Graph, step: number) => void;
  /** It ends. */
  readonly leave: () => void;
}

/** Runs a graph on concrete inputs, in the order of its inputs; the sizes of symbols are taken from their shapes. */
export function interpret(
  graph: Graph,
  inputs: readonly NdArray[],
  sizes: DimSizes = {},
  observer?: Observer,
): NdArray[] {
  const known: Record<string, number> = { ...sizes };
  for (const [i, id] of graph.inputs.entries()) {
    const given = inputs[i];
    if (given === undefined) throw new UserError(`${graph.name}: input ${inputName(graph, id)} is missing`);
    const { dtype, shape } = nodeAt(graph, id).aval;
    const fault = valueFault(given, dtype);
    if (fault !== undefined) throw new UserError(`${graph.name}: input ${inputName(graph, id)} ${fault}`);
    const problem = bindShape(shape, given.shape, known);
    if (problem !== undefined) throw new UserError(`${graph.name}: input ${inputName(graph, id)}: ${problem}`);
  }
  const unmet = unmetRequirement(requirementsOf(graph), known);
  if (unmet !== undefined) throw new UserError(`${graph.name}: ${unmet}`);
  return run(graph, inputs, known, observer);
}

function run(graph: Graph, inputs: readonly NdArray[], sizes: DimSizes, observer: Observer | undefined): NdArray[] {
  const lastUse = lastUses(graph);
  const release = (id: NodeId, operands: readonly NodeId[]) => {
    for (const operand of operands) if (lastUse[operand] === id) fold.drop(operand);
  };
  const fold = new Fold<NdArray>(
    graph,
    {
      node: (node, operands, id) => {
        const value = evaluateNode(node, operands, sizes);
        observer?.value(graph, id, node, operands, value);
        release(id, node.operands);
        return value;
      },
      scan: (node, operands, id) => {
        const results = runScan(node, operands, sizes, observer);
        release(id, node.operands);
        return results;
      },
    },
    inputsOf(graph, inputs),
  );
  for (const id of graph.nodes.keys()) fold.compute(id);
  return fold.outputs();
}

function lastUses(graph: Graph): number[] {
  const last = new Array<number>(graph.nodes.length).fill(-1);
  for (const [id, node] of graph.nodes.entries()) for (const operand of node.operands) last[operand] = id;
  for (const id of graph.outputs) last[id] = graph.nodes.length;
  return last;
}

function runScan(
  node: ScanNode,
  operands: readonly NdArray[],
  sizes: DimSizes,
  observer: Observer | undefined,
): NdArray[] {
  const { body, consts, carries: carryCount, length, reverse } = node.attrs;
  const steps = evaluateDim(length, sizes);
  const fixed = operands.slice(0, consts);
  const xs = operands.slice(consts + carryCount);
  let carries = operands.slice(consts, consts + carryCount);
  const ys = body.outputs.slice(carryCount).map((id): NdArray => {
    const { dtype, shape } = nodeAt(body, id).aval;
    const full = [steps, ...evaluateShape(shape, sizes)];
    return { dtype, shape: full, data: new Float64Array(sizeOfNumbers(full)) };
  });
  for (let step = 0; step < steps; step++) {
    const t = reverse ? steps - 1 - step : step;
    observer?.enter(body, t);
    const results = run(body, [...fixed, ...carries, ...xs.map((x) => rowOf(x, t))], sizes, observer);
    observer?.leave();
    carries = results.slice(0, carryCount);
    for (const [i, y] of ys.entries()) {
      const row = at(results, carryCount + i);
      y.data.set(row.data, t * row.data.length);
      observer?.stacked(y, row);
    }
  }
  return [...carries, ...ys];
}

function rowOf(x: NdArray, t: number): NdArray {
  const shape = x.shape.slice(1);
  const size = sizeOfNumbers(shape);
  return { dtype: x.dtype, shape, data: x.data.subarray(t * size, (t + 1) * size) };
}

export function evaluateNode(node: OpNode, operands: readonly NdArray[], sizes: DimSizes): NdArray {
  const entry = entryOf(node.op);
  const attrs = node.attrs as never;
  const { dtype } = node.aval;
  const shape = evaluateShape(node.aval.shape, sizes);
  if (node.op === "reshape") return { dtype, shape, data: at(operands, 0).data };
  switch (entry.kind) {
    case "source":
      return fillEach(dtype, shape, (index) => entry.element(index, attrs, sizes));
    case "elementwise": {
      const data = new Float64Array(sizeOfNumbers(shape));
      const columns = operands.map((operand) => operand.data);
      const from = operands.map((operand) => operand.dtype);
      const scalars = new Array<number>(columns.length);
      for (let i = 0; i < data.length; i++) {
        for (let k = 0; k < columns.length; k++) scalars[k] = columns[k]?.[i] ?? 0;
        data[i] = wrap(entry.scalar(scalars, dtype, attrs, from), dtype);
      }
      return { dtype, shape, data };
    }
    case "view":
      return evaluateView(entry, node, operands, shape, sizes);
    case "reduction":
      return evaluateReduction(entry, node, at(operands, 0), shape);
    case "contraction":
      return entry.evaluate(operands, attrs, shape);
  }
}

/** Integer results wrap around, as they do on the device. */
function wrap(value: number, dtype: DType): number {
  if (dtype === "i32") return value | 0;
  return dtype === "u32" ? value >>> 0 : value;
}

function fillEach(dtype: DType, shape: readonly number[], element: (index: readonly number[]) => number): NdArray {
  const data = new Float64Array(sizeOfNumbers(shape));
  const index = new Array<number>(shape.length).fill(0);
  for (let i = 0; i < data.length; i++) {
    data[i] = element(index);
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      const next = at(index, axis) + 1;
      index[axis] = next === shape[axis] ? 0 : next;
      if (next !== shape[axis]) break;
    }
  }
  return { dtype, shape, data };
}

function numberArithmetic(sizes: DimSizes): IndexArithmetic<number> {
  return {
    dim: (dim: Dim) => evaluateDim(dim, sizes),
    add: (a, b) => a + b,
    sub: (a, b) => a - b,
    mul: (a, b) => a * b,
    div: (a, b) => Math.floor(a / b),
    mod: (a, b) => a % b,
    min: Math.min,
    below: (a) => a,
  };
}

function evaluateView(
  entry: ViewEntry<TableOp>,
  node: Node,
  operands: readonly NdArray[],
  shape: readonly number[],
  sizes: DimSizes,
): NdArray {
  const arithmetic = numberArithmetic(sizes);
  const shapes = operands.map((operand) => operand.shape);
  const strides = shapes.map(stridesOf);
  const read = (operand: number, index: readonly number[]): number => {
    const position = index.reduce((sum, i, axis) => sum + i * at(at(strides, operand), axis), 0);
    return at(operands, operand).data[position] ?? Number.NaN;
  };
  const context = {
    arithmetic,
    attrs: node.attrs as never,
    operands: shapes,
    shape,
    load: (k: number, i: readonly number[]) => read(k, i) >>> 0,
  };
  return fillEach(node.aval.dtype, shape, (index) => {
    const piece = entry.locate({ ...context, index }).find(holds);
    return piece === undefined ? 0 : read(piece.operand, piece.index);
  });
}

function holds({ when }: Piece<number>): boolean {
  return when === undefined || (when.from <= when.at && when.at < when.to);
}

function evaluateReduction(entry: ReductionEntry<TableOp>, node: Node, x: NdArray, shape: readonly number[]): NdArray {
  const axes = entry.axes(node.attrs as never);
  const data = new Float64Array(sizeOfNumbers(shape)).fill(entry.initial);
  const outStrides = stridesOf(shape);
  const kept = x.shape.map((_, axis) => axis).filter((axis) => !axes.includes(axis));
  // The stride in the result of each input axis: 0 along a reduced axis.
  const strides = x.shape.map((_, axis) => (axes.includes(axis) ? 0 : at(outStrides, kept.indexOf(axis))));
  let i = 0;
  fillEach(x.dtype, x.shape, (index) => {
    const position = index.reduce((sum, n, axis) => sum + n * at(strides, axis), 0);
    data[position] = entry.combine(data[position] ?? 0, x.data[i++] ?? 0);
    return 0;
  });
  return { dtype: node.aval.dtype, shape, data: data.map((value) => wrap(value, node.aval.dtype)) };
}
