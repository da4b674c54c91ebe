/**
 * @file Brings the rows of a batch to the front of every value of a step. A stack of products, such as one for each
 * head, has the stack in front: [heads, B, d]. A workgroup that owns rows needs [B, heads, d], the order in which states
 * are stored; so the same products are written row by row, [B, heads, 1, d] times matrices that are the same for all
 * rows. Stepwise, the stack stays: there one matrix serves many rows of a tile.
 */
import { type Dim, type Shape, sizeOf } from "../../graph/dim.ts";
import { at } from "../../graph/errors.ts";
import { Fold, type OpNode } from "../../graph/fold.ts";
import { type Graph, inputName, nodeAt, type ScanNode } from "../../graph/graph.ts";
import { dot } from "../../ops/contractions.ts";
import { emitNode } from "../../ops/inline.ts";
import { entryOf } from "../../ops/table.ts";
import { broadcastAxes, reshape, transpose } from "../../ops/views.ts";
import { Frame, within } from "../../trace/frame.ts";
import { atSite, withoutCallSites } from "../../trace/site.ts";
import type { Tensor } from "../../trace/tensor.ts";

/** A value with its rows in front, if it has rows, and the axis where it had them. */
type Moved =
  | { readonly tensor: Tensor; readonly shape: Shape; readonly rows: number | undefined }
  /** A value of which this file does not know where its rows are. */
  | undefined;
type Known = NonNullable<Moved>;

/** The same scan with the rows in front, or undefined if that is not possible. */
export function rowsFirst(node: ScanNode): ScanNode | undefined {
  const { attrs } = node;
  const body = withRowsFirst(attrs.body, attrs.consts);
  return body && { ...node, attrs: { ...attrs, body } };
}

function withRowsFirst(body: Graph, consts: number): Graph | undefined {
  const frame = new Frame(body.name);
  return within(frame, () => {
    const inputs = body.inputs.map((id) => frame.input(inputName(body, id), nodeAt(body, id).aval));
    const known = inputs.map((tensor, i) => {
      const moved: Known = { tensor, shape: tensor.shape, rows: i < consts ? undefined : 0 };
      return [at(body.inputs, i), { moved }] as const;
    });
    const fold = new Fold<{ readonly moved: Moved }>(
      body,
      {
        node: (op, operands, id) =>
          atSite(body.sites[id], () =>
            withoutCallSites(() => ({
              moved: movedNode(
                op,
                operands.map(({ moved }) => moved),
              ),
            })),
          ),
        scan: ({ attrs }) => attrs.body.outputs.map(() => ({ moved: undefined })),
      },
      known,
    );
    const outputs = fold.outputs().map(({ moved }) => (moved?.rows ? undefined : moved?.tensor));
    const found = outputs.flatMap((tensor) => tensor ?? []);
    if (found.length < outputs.length) return undefined;
    return frame.finish(
      inputs.map(({ id }) => id),
      found,
    );
  });
}

function movedNode(node: OpNode, operands: readonly Moved[]): Moved {
  const known = operands.flatMap((operand) => operand ?? []);
  if (known.length < operands.length) return undefined;
  const withRows = known.flatMap(({ rows }) => rows ?? []);
  const { shape } = node.aval;
  const [rows] = withRows;
  if (rows === undefined) {
    const tensors = known.map(({ tensor }) => tensor);
    return { tensor: emitNode(node, tensors), shape, rows: undefined };
  }
  if (node.op === "dot") return movedDot(node, at(known, 0), at(known, 1));
  const isAgreed = withRows.every((axis) => axis === rows);
  const [from] = known as [Known];
  /** Where an axis of the operand is once the rows are in front. */
  const place = (axis: number) => (axis < rows ? axis + 1 : axis === rows ? 0 : axis);
  const copy = (made: OpNode, after = rows): Moved => ({
    tensor: emitNode(
      made,
      known.map((operand) => inFront(operand, rows)),
    ),
    shape,
    rows: after,
  });
  switch (node.op) {
    case "reshape": {
      const before = sizeOf(from.shape.slice(0, rows));
      const after = shape.findIndex((dim, axis) => dim === from.shape[rows] && sizeOf(shape.slice(0, axis)) === before);
      return after < 0 ? undefined : { tensor: reshape(from.tensor, front(shape, after)), shape, rows: after };
    }
    case "broadcast": {
      const after = at(node.attrs.axes, rows);
      const placeAfter = (axis: number) => (axis < after ? axis + 1 : axis === after ? 0 : axis);
      const axes = [after, ...node.attrs.axes.filter((axis) => axis !== after)].map(placeAfter);
      return { tensor: broadcastAxes(from.tensor, front(shape, after), axes), shape, rows: after };
    }
    case "transpose": {
      const { permutation } = node.attrs;
      const after = permutation.indexOf(rows);
      const order = [rows, ...permutation.filter((axis) => axis !== rows)].map(place);
      return { tensor: transpose(from.tensor, order), shape, rows: after };
    }
    case "slice":
    case "pad":
      if (node.attrs.axis === rows) return undefined;
      return copy({ ...node, attrs: { ...node.attrs, axis: place(node.attrs.axis) } });
    case "concat":
      if (node.attrs.axis === rows || !isAgreed) return undefined;
      return copy({ ...node, attrs: { ...node.attrs, axis: place(node.attrs.axis) } });
    case "sum":
    case "reduceMax": {
      const { axes } = node.attrs;
      if (axes.includes(rows)) return undefined;
      const moved = [...axes].map(place).sort((a, b) => a - b);
      return copy({ ...node, attrs: { ...node.attrs, axes: moved } }, rows - axes.filter((a) => a < rows).length);
    }
    default:
      return entryOf(node.op).kind === "elementwise" && isAgreed ? copy(node) : undefined;
  }
}

/**
 * A product whose rows are an axis of the stack, or the rows of the left matrices, or the columns of the right ones, if
 * the other matrices are the same for all rows.
 */
function movedDot(node: Extract<OpNode, { readonly op: "dot" }>, a: Known, b: Known): Moved {
  const { transposeA, transposeB } = node.attrs;
  const { shape } = node.aval;
  const [m, n] = [shape.length - 2, shape.length - 1];
  const stacked = a.rows ?? b.rows ?? 0;
  if (stacked < m && (a.rows ?? stacked) === (b.rows ?? stacked))
    return { tensor: dot(inFront(a, stacked), inFront(b, stacked), node.attrs), shape, rows: stacked };
  const rowsOfA = b.rows === undefined && a.rows === (transposeA ? n : m);
  const rowsOfB = a.rows === undefined && b.rows === (transposeB ? m : n);
  if (!rowsOfA && !rowsOfB) return undefined;
  const [rows, [vectors, matrices]] = rowsOfA ? [m, [a, b]] : [n, [b, a]];
  const flags = { transposeB: rowsOfA ? transposeB : !transposeA };
  if (m === 0) return { tensor: dot(vectors.tensor, matrices.tensor, flags), shape, rows };
  const [first, ...rest] = vectors.tensor.shape as readonly [Dim, ...Dim[]];
  const left = reshape(vectors.tensor, [first, ...rest.slice(0, -1), 1, at(rest, rest.length - 1)]);
  const axes = matrices.shape.map((_, axis) => axis + 1);
  const right = broadcastAxes(matrices.tensor, [first, ...matrices.shape], axes);
  return { tensor: reshape(dot(left, right, flags), front(shape, rows)), shape, rows };
}

/** The tensor with axis `rows` in front, where it is if the value has rows. */
function inFront(value: Known, rows: number): Tensor {
  if (value.rows !== undefined) return value.tensor;
  const axes = value.shape.map((_, axis) => axis);
  return transpose(value.tensor, [rows, ...axes.filter((axis) => axis !== rows)]);
}

function front(shape: Shape, axis: number): Shape {
  return [at(shape, axis), ...shape.filter((_, i) => i !== axis)];
}
