/**
 * @file Heads as rows. If a step multiplies its state with a stack of matrices, one for each head, and nothing else in
 * the step crosses heads, then the heads of a row are as independent as the rows of a batch. The step is rewritten for
 * rows of one head: a state [B, heads · d] becomes [heads · B, d], the same numbers in the same order. So a workgroup
 * owns one head of one row, and holds the weights of that head only.
 *
 * A value of a rewritten step is
 *
 *   split ::= [B, heads · n, ...s] as [heads · B, n, ...s]
 *   whole ::= [B, ...s] as [heads · B, ...s], the same for all heads of a row: a mask
 *   shared ::= a value without rows, unchanged
 */
import { type Dim, mulDims, type Shape } from "../../graph/dim.ts";
import { at } from "../../graph/errors.ts";
import { Fold, type OpNode } from "../../graph/fold.ts";
import { ancestorsOf, inputName, type NodeId, nodeAt, type ScanNode } from "../../graph/graph.ts";
import type { Index, IndexBuilder } from "../../kernel/index-arithmetic.ts";
import { emitNode } from "../../ops/inline.ts";
import { bodyInputs } from "../../ops/scan.ts";
import { entryOf } from "../../ops/table.ts";
import { broadcastAxes, reshape } from "../../ops/views.ts";
import { Frame, within } from "../../trace/frame.ts";
import { atSite, withoutCallSites } from "../../trace/site.ts";
import type { Tensor } from "../../trace/tensor.ts";

type Kind = "split" | "whole" | "shared";

/** A value of the rewritten step, or why it crosses heads. */
type Value = { readonly tensor: Tensor; readonly kind: Kind } | { readonly tensor?: never; readonly reason: string };

export interface HeadsAsRows {
  readonly heads: number;
  /** The step for one head. */
  readonly node: ScanNode;
  /** Inputs of the new body that are the same for all heads of a row. */
  readonly whole: ReadonlySet<NodeId>;
}

/** `reason` is undefined if the products of the step have no heads. */
export type HeadsChoice = HeadsAsRows | { readonly node?: never; readonly reason: string | undefined };

/** Rewrites a scan whose rows are separable and in front. */
export function headsAsRows(node: ScanNode): HeadsChoice {
  const { attrs } = node;
  const { body } = attrs;
  const heads = headsOf(node);
  if (heads < 2) return { reason: undefined };
  const frame = new Frame(body.name);
  return within(frame, () => {
    const { consts, carries } = bodyInputs(attrs);
    const whole = new Set<NodeId>();
    const inputs = body.inputs.map((id): Value => {
      const { aval } = nodeAt(body, id);
      const add = (shape: Shape) => frame.input(inputName(body, id), { ...aval, shape });
      if (consts.includes(id)) return { tensor: add(aval.shape), kind: "shared" };
      const parts = split(aval.shape, heads);
      if (parts !== undefined) return { tensor: add(parts), kind: "split" };
      if (carries.includes(id)) return crosses(`a state of shape [${aval.shape.join(", ")}]`, heads);
      const tensor = add(repeated(aval.shape, heads));
      whole.add(tensor.id);
      return { tensor, kind: "whole" };
    });
    const known = inputs.map((value, i) => [at(body.inputs, i), value] as const);
    const fold = new Fold<Value>(
      body,
      {
        node: (op, operands, id) => atSite(body.sites[id], () => withoutCallSites(() => nodeOf(op, operands, heads))),
        scan: (scan) => scan.attrs.body.outputs.map(() => crosses("a loop", heads)),
      },
      known,
    );
    const outputs = [...inputs, ...fold.outputs().map((value) => splitOf(value, heads))];
    const tensors: Tensor[] = [];
    for (const value of outputs) {
      if (value.tensor === undefined) return value;
      tensors.push(value.tensor);
    }
    const graph = frame.finish(
      tensors.slice(0, inputs.length).map(({ id }) => id),
      tensors.slice(inputs.length),
    );
    return { heads, node: { ...node, attrs: { ...attrs, body: graph } }, whole };
  });
}

/** The index in an operand of the scan, without time, of an element of an input of the rewritten body. */
export function indexOfRow(
  index: IndexBuilder,
  heads: number,
  isWhole: boolean,
  shape: Shape,
  [row, ...rest]: readonly Index[],
): readonly Index[] {
  if (row === undefined) return [];
  const count = index.dim(heads);
  const batchRow = index.div(row, count);
  const [first, ...others] = rest;
  if (isWhole || first === undefined) return [batchRow, ...rest];
  return [batchRow, index.add(index.mul(index.mod(row, count), index.dim(at(shape, 1))), first), ...others];
}

/** The heads that all stacks of products of a step have, or 1. */
function headsOf({ attrs: { body } }: ScanNode): number {
  const counts = [...ancestorsOf(body)].flatMap((id) => {
    const { op, aval } = nodeAt(body, id);
    return op === "dot" && aval.shape.length > 3 ? [Number(aval.shape[1])] : [];
  });
  const common = (a: number, b: number): number => (b === 0 ? a : common(b, a % b));
  return counts.every(Number.isInteger) ? counts.reduce(common, 0) : 1;
}

function split([rows, first, ...rest]: Shape, heads: number): Shape | undefined {
  if (rows === undefined || typeof first !== "number" || first % heads !== 0) return undefined;
  return [mulDims(heads, rows), first / heads, ...rest];
}

function repeated([rows, ...rest]: Shape, heads: number): Shape {
  return [mulDims(heads, rows as Dim), ...rest];
}

function crosses(what: string, heads: number): Value {
  return { reason: `${what} does not separate into its ${heads} heads` };
}

/** A value, which can be one without rows, by head. */
function splitOf(value: Value, heads: number): Value {
  if (value.tensor === undefined || value.kind === "split") return value;
  if (value.kind === "whole") return crosses("a value that all heads of a row share", heads);
  const shape = split(value.tensor.shape, heads);
  if (shape === undefined) return crosses(`a value of shape [${value.tensor.shape.join(", ")}]`, heads);
  return { tensor: reshape(value.tensor, shape), kind: "split" };
}

function nodeOf(node: OpNode, operands: readonly Value[], heads: number): Value {
  const tensors: Tensor[] = [];
  const kinds = new Set<Kind>();
  for (const operand of operands) {
    if (operand.tensor === undefined) return operand;
    tensors.push(operand.tensor);
    kinds.add(operand.kind);
  }
  const { shape } = node.aval;
  const copy = (kind: Kind): Value => ({ tensor: emitNode(node, tensors), kind });
  kinds.delete("shared");
  const no = crosses(`${node.op} of shape [${shape.join(", ")}]`, heads);
  const [kind] = kinds;
  if (kind === undefined) return copy("shared");
  if (kinds.size > 1) return no;
  const isSplit = kind === "split";
  const made = isSplit ? split(shape, heads) : repeated(shape, heads);
  switch (node.op) {
    case "reshape":
      return made === undefined ? no : { tensor: reshape(at(tensors, 0), made), kind };
    case "broadcast": {
      const { axes } = node.attrs;
      if (isSplit) {
        const keeps = made !== undefined && axes[1] === 1;
        return keeps ? { tensor: broadcastAxes(at(tensors, 0), made, axes), kind } : no;
      }
      const parts = axes.includes(1) ? undefined : split(shape, heads);
      const [target, after]: [Shape, Kind] = parts === undefined ? [repeated(shape, heads), kind] : [parts, "split"];
      return { tensor: broadcastAxes(at(tensors, 0), target, axes), kind: after };
    }
    case "transpose":
      return isSplit && node.attrs.permutation[1] !== 1 ? no : copy(kind);
    case "slice":
    case "pad":
      return isSplit && node.attrs.axis === 1 ? no : copy(kind);
    case "sum":
    case "reduceMax":
      return isSplit && node.attrs.axes.includes(1) ? no : copy(kind);
    case "dot":
      if (shape.length < 4 || !isSplit) return no;
      break;
    case "concat":
      if (node.attrs.axis === 1 || !isSplit) return no;
      break;
    default:
      if (entryOf(node.op).kind !== "elementwise") return no;
      if (!isSplit) return operands.every((operand) => operand.tensor && operand.kind === kind) ? copy(kind) : no;
  }
  // Operands without rows have the shape of those with rows.
  const parts: Tensor[] = [];
  for (const operand of operands) {
    const part = splitOf(operand, heads);
    if (part.tensor === undefined) return part;
    parts.push(part.tensor);
  }
  return { tensor: emitNode(node, parts), kind };
}
