/**
 * @file Finds which values of a graph can be computed step by step, and the axis of their time steps. A value is
 *
 *   fixed          independent of the sequence and its length
 *   along an axis  its entry at step t depends on no later step, and on earlier ones only through the carries of loops
 *   so far         one value for the sequence up to now, such as the last state: it is complete after the last step
 *
 * A backward loop, a sum over time, a step's number, or a loop that starts from a value known only at the end cannot run
 * step by step; a UserError names the op and the line of the user's file. In segments of several steps, whose results are
 * added up (in-segments.ts), sums over time are known so far, steps have numbers, and the length is fixed.
 */
import { type Dim, divideDims, mulDims, type Shape, sizeOf, symbolsOf } from "../../compiler/graph/dim.ts";
import { at, UserError } from "../../compiler/graph/errors.ts";
import { type Fold, foldGraph, type OpNode } from "../../compiler/graph/fold.ts";
import { type Graph, type Node, type NodeId, nodeAt, type ScanNode } from "../../compiler/graph/graph.ts";
import { entryOf } from "../../compiler/ops/table.ts";

/** The symbol of time. */
const time = "T";

/**
 * How a value depends on time. For a value along an axis, steps are `inner` entries apart within the axis, as after a
 * reshape of [T, B] to [T*B]; undefined if the value is equal at all steps, which fits any.
 */
export type Along =
  | { readonly kind: "fixed" | "so far" }
  | { readonly kind: "along"; readonly axis: number; readonly inner: Dim | undefined };

const fixed: Along = { kind: "fixed" };
const soFar: Along = { kind: "so far" };

/** Whether a loop runs over time. */
export const isOverTime = ({ attrs }: ScanNode): boolean => attrs.length === time;

/** Whether a shape has a time axis. */
export const isTimed = (shape: Shape): boolean => shape.some((dim) => symbolsOf(dim).includes(time));

/** How each output depends on time, given inputs along their T axis. Throws a UserError if one cannot run step by step. */
export function outputsAlongTime(graph: Graph): readonly Along[] {
  return alongTime(
    graph,
    graph.inputs.map((id) => inputAlong(graph, id)),
  );
}

/** How each value of a graph that is cut into segments depends on time; for a loop, how each of its results does. */
export function alongSegments(graph: Graph): {
  readonly of: (id: NodeId) => Along;
  readonly results: (scan: NodeId) => readonly Along[];
} {
  const inputs = graph.inputs.map((id) => inputAlong(graph, id));
  const loops = new Map<NodeId, readonly (Along | Fault)[]>();
  const fold = foldAlong(graph, inputs, true, loops);
  return {
    of: (id) => withoutFault(fold.value(id)),
    results: (scan) => (loops.get(scan) ?? []).map(withoutFault),
  };
}

function withoutFault(along: Along | Fault): Along {
  if (along instanceof Fault) throw along.error;
  return along;
}

function inputAlong(graph: Graph, id: NodeId): Along {
  const { shape } = nodeAt(graph, id).aval;
  return isTimed(shape) ? { kind: "along", axis: timeAxis(graph, id, shape), inner: 1 } : fixed;
}

function alongTime(graph: Graph, inputs: readonly Along[]): readonly Along[] {
  return foldAlong(graph, inputs, false).outputs().map(withoutFault);
}

/** Dead nodes must not cause an error: a fault is the value of what cannot be computed so. Sets the results of `loops`. */
function foldAlong(
  graph: Graph,
  inputs: readonly Along[],
  inSegments: boolean,
  loops?: Map<NodeId, readonly (Along | Fault)[]>,
): Fold<Along | Fault> {
  return foldGraph<Along | Fault>(graph, inputs, {
    node: (node, operands, id) => {
      return faultIn(operands) ?? caught(() => ofOp(graph, node, operands as Along[], id, inSegments));
    },
    scan: (node, operands, id) => {
      const fault = faultIn(operands);
      const found = fault ?? caught(() => ofScan(graph, node, operands as Along[], id));
      const results = Array.isArray(found) ? found : node.attrs.body.outputs.map(() => found as Fault);
      loops?.set(id, results);
      return results;
    },
  });
}

/** An error about a value, stored until an output needs the value. */
class Fault {
  readonly error: UserError;
  constructor(error: UserError) {
    this.error = error;
  }
}

const faultIn = (operands: readonly (Along | Fault)[]) => operands.find((along) => along instanceof Fault);

function caught<T>(rule: () => T): T | Fault {
  try {
    return rule();
  } catch (error) {
    if (error instanceof UserError) return new Fault(error);
    throw error;
  }
}

function ofOp(graph: Graph, node: OpNode, operands: readonly Along[], id: NodeId, inSegments: boolean): Along {
  const cannot = (why: string) => faultAt(graph, id, `${node.op}`, why);
  const shapes = node.operands.map((operand) => nodeAt(graph, operand).aval.shape);
  const along = operands.find((operand) => operand.kind === "along");
  const isSoFar = operands.some(({ kind }) => kind === "so far");
  if (isSoFar && (along !== undefined || isTimed(node.aval.shape)))
    throw cannot("reads at every step a value that is known only after the last one");
  if (node.op === "dimSize" && symbolsOf(node.attrs.dim).includes(time) && !inSegments)
    throw cannot("counts the steps of a sequence");
  if (node.op === "iota" && isTimed(node.attrs.shape)) {
    const axis = timeAxis(graph, id, node.attrs.shape);
    const isNumber = axis === node.attrs.axis;
    if (isNumber && !(inSegments && node.attrs.shape[axis] === time)) throw cannot("numbers the steps of a sequence");
    if (isNumber) return { kind: "along", axis, inner: 1 };
    return { kind: "along", axis, inner: undefined };
  }
  if (along === undefined && node.op !== "broadcast") return isSoFar ? soFar : fixed;
  const axisOf = (i: number) => axisIn(operands[i]);
  const first = operands[0] as Along;
  switch (node.op) {
    case "broadcast": {
      if (!isTimed(node.attrs.shape)) return isSoFar ? soFar : first;
      const axis = timeAxis(graph, id, node.attrs.shape);
      if (first.kind !== "along") return { kind: "along", axis, inner: undefined };
      return { ...first, axis };
    }
    case "reshape":
      return reshaped(graph, id, first, at(shapes, 0), node.attrs.shape);
    case "transpose":
      return first.kind === "along" ? { ...first, axis: node.attrs.permutation.indexOf(first.axis) } : first;
    case "slice": {
      if (node.attrs.axis !== axisOf(0)) return first;
      const isLast = node.attrs.start === -1 && node.attrs.size === 1 && at(shapes, 0)[node.attrs.axis] === time;
      if (isLast) return soFar;
      throw cannot("selects some steps of a sequence");
    }
    case "pad":
      if (node.attrs.axis !== axisOf(0)) return first;
      throw cannot("shifts the steps of a sequence");
    case "concat":
      if (node.attrs.axis !== axisIn(along)) return joined(cannot, operands);
      throw cannot("joins sequences one after the other");
    case "sum":
    case "reduceMax": {
      const axis = axisOf(0);
      if (first.kind !== "along" || axis === undefined) return first;
      if (node.attrs.axes.includes(axis)) {
        if (inSegments) return soFar;
        throw cannot("goes over all steps of a sequence");
      }
      return { ...first, axis: axis - node.attrs.axes.filter((other) => other < axis).length };
    }
    case "dot":
      return product(cannot, node, operands, shapes);
    case "gather": {
      const [table, index] = [axisOf(0), axisOf(1)];
      if (index !== undefined && table === undefined) return operands[1] as Along;
      if (index !== undefined || table === 0 || first.kind !== "along")
        throw cannot("looks up steps of a sequence by their number");
      return { ...first, axis: at(shapes, 1).length + Number(table) - 1 };
    }
    default:
      if (entryOf(node.op).kind === "elementwise") return joined(cannot, operands);
      throw cannot("goes over all steps of a sequence");
  }
}

const axisIn = (along: Along | undefined) => (along?.kind === "along" ? along.axis : undefined);

/** The result of operands with one shape: their steps have the same layout, or are all equal. */
function joined(cannot: (why: string) => UserError, operands: readonly Along[]): Along {
  const known = operands.find((along) => along.kind === "along" && along.inner !== undefined) ?? operands[0];
  const isAlike = operands.every(
    (along) =>
      along.kind === "along" && (along.inner === undefined || known?.kind !== "along" || along.inner === known.inner),
  );
  if (known?.kind === "along" && isAlike && operands.every((along) => axisIn(along) === known.axis)) return known;
  throw cannot("mixes sequences whose steps are in different orders");
}

function reshaped(graph: Graph, id: NodeId, from: Along, before: Shape, after: Shape): Along {
  if (from.kind !== "along") return from;
  const axis = timeAxis(graph, id, after);
  if (from.inner === undefined) return { kind: "along", axis, inner: undefined };
  const stride = mulDims(from.inner, sizeOf(before.slice(from.axis + 1)));
  const inner = divideDims(stride, sizeOf(after.slice(axis + 1)));
  const fits = inner !== undefined && divideDims(at(after, axis), mulDims(inner, time)) !== undefined;
  if (fits) return { kind: "along", axis, inner };
  throw faultAt(graph, id, "reshape", "mixes the steps of a sequence with another axis");
}

function product(
  cannot: (why: string) => UserError,
  { attrs: { transposeA, transposeB } }: Extract<OpNode, { op: "dot" }>,
  operands: readonly Along[],
  shapes: readonly Shape[],
): Along {
  const [a, b] = [operands[0] as Along, operands[1] as Along];
  const [left, right] = [axisIn(a), axisIn(b)];
  const rank = at(shapes, 0).length;
  const [rows, columns] = [transposeA ? rank - 1 : rank - 2, transposeB ? rank - 2 : rank - 1];
  if (left !== undefined && left < rank - 2) return joined(cannot, operands);
  if (left === rows && right === undefined) return { ...a, axis: rank - 2 } as Along;
  if (right === columns && left === undefined) return { ...b, axis: rank - 1 } as Along;
  throw cannot("multiplies steps of a sequence with each other");
}

function ofScan(graph: Graph, node: ScanNode, operands: readonly Along[], id: NodeId): Along[] {
  const { body, consts, carries, length, reverse } = node.attrs;
  const cannot = (why: string) => faultAt(graph, id, `the loop ${body.name}`, why);
  const [fixedOnes, starts, xs] = [
    operands.slice(0, consts),
    operands.slice(consts, consts + carries),
    operands.slice(consts + carries),
  ];
  if (!symbolsOf(length).includes(time)) return ofInnerLoop(cannot, body, fixedOnes, starts, xs);
  if (length !== time) throw cannot(`has ${length} steps where the sequence has ${time}`);
  if (reverse) throw cannot("runs backwards through time, so that its first step needs the last one");
  if ([...fixedOnes, ...starts].some(({ kind }) => kind === "so far"))
    throw cannot("needs from its first step on a value that is known only after the last one");
  if (
    [...fixedOnes, ...starts].some(({ kind }) => kind === "along") ||
    body.nodes.some(({ aval }) => isTimed(aval.shape))
  )
    throw cannot("reads a whole sequence at every step");
  if (xs.some((along) => axisIn(along) !== 0)) throw cannot("walks another axis than the steps of its sequence");
  return body.outputs.map((_, i) => (i < carries ? soFar : { kind: "along", axis: 0, inner: 1 }));
}

/** A loop over another axis, within a step or over all steps in parallel. */
function ofInnerLoop(
  cannot: (why: string) => UserError,
  body: Graph,
  consts: readonly Along[],
  starts: readonly Along[],
  xs: readonly Along[],
): Along[] {
  const shifted = (along: Along, by: number): Along =>
    along.kind === "along" ? { ...along, axis: along.axis + by } : along;
  let carried = starts;
  // A carry that starts fixed can depend on the sequence after a step; each iteration settles at least one.
  for (let iteration = 0; iteration <= 2 * starts.length; iteration++) {
    const results = alongTime(body, [...consts, ...carried, ...xs.map((along) => shifted(along, -1))]);
    const next = results.slice(0, starts.length).map((along, i) => (along.kind === "fixed" ? at(carried, i) : along));
    if (next.every((along, i) => isSame(along, at(carried, i))))
      return [...next, ...results.slice(starts.length).map((along) => shifted(along, 1))];
    carried = next;
  }
  throw cannot("changes the order in which it holds the steps of a sequence");
}

const isSame = (a: Along, b: Along) =>
  a.kind === b.kind && axisIn(a) === axisIn(b) && (a.kind !== "along" || b.kind !== "along" || a.inner === b.inner);

/** The single time axis of a shape. */
function timeAxis(graph: Graph, id: NodeId, shape: Shape): number {
  const axes = shape.flatMap((dim, axis) => (symbolsOf(dim).includes(time) ? [axis] : []));
  const [axis] = axes;
  const isOne = axes.length === 1 && axis !== undefined && divideDims(at(shape, axis), time) !== undefined;
  if (isOne && !symbolsOf(divideDims(at(shape, axis), time) ?? time).includes(time)) return axis;
  throw faultAt(graph, id, nodeAt(graph, id).op, "combines steps of a sequence with each other");
}

function faultAt(graph: Graph, id: NodeId, what: string, why: string): UserError {
  const site = graph.sites[id];
  return new UserError(`${what}${site === undefined ? "" : ` at ${site}`} ${why}`);
}

/** Whether a node is zero everywhere. */
export function isZero(graph: Graph, id: NodeId): boolean {
  const node: Node = nodeAt(graph, id);
  if (node.op === "constant") return node.attrs.value === 0 && !Object.is(node.attrs.value, -0);
  const isView = node.op === "broadcast" || node.op === "reshape" || node.op === "transpose" || node.op === "slice";
  return isView && isZero(graph, at(node.operands, 0));
}
