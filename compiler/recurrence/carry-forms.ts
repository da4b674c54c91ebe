/**
 * @file How the next value of a carry depends on the carries, by abstract interpretation of a loop's body. An element
 * of a state that is affine in itself, s' = A s + b with A and b free of carries, need not be computed one step after
 * another: affine maps compose, so a parallel scan computes all steps at once (Blelloch 1990, "Prefix sums and their
 * applications"). The same holds for small blocks of states, and for s' = max(s + a, b).
 *
 * A value of the step has one of these forms, each more general than those before it:
 *
 *   free        reads no carry of the group
 *   affine      a sum of carries at the same position, each times a free value, plus a free value
 *   extremum    the largest (or smallest) of carries plus free values, and of free values
 *   diagonal    any function of carries at the same position
 *   dense       reads carries at other positions
 */
import { type Shape, sizeOf } from "../graph/dim.ts";
import { at } from "../graph/errors.ts";
import { Fold, type OpNode } from "../graph/fold.ts";
import { type Graph, type NodeId, nodeAt, type OpName, type ScanAttrs, type Site } from "../graph/graph.ts";
import { bodyInputs } from "../ops/scan.ts";
import { entryOf } from "../ops/table.ts";
import { type CarryGroup, carryGroups, readsItself } from "./carry-groups.ts";
import { stoppedFactor } from "./stopped-factor.ts";

/**
 * The form of a carry: `delayed` if its next value needs no carry that is not known before, `affine`, `blocks` if it
 * is affine together with other carries, `max-plus` and `min-plus`, `diagonal`, or `dense`.
 */
export type CarryForm = "delayed" | "affine" | "blocks" | "max-plus" | "min-plus" | "diagonal" | "dense";

/** The op because of which a group has no simpler form. */
export interface FormCause {
  readonly op: OpName;
  /** The line that wrote it, if known. */
  readonly site: Site | undefined;
}

/** Carries that are computed together, and their form. */
export interface GroupForm {
  readonly carries: CarryGroup;
  readonly form: CarryForm;
  /** Only of groups that are diagonal or dense. */
  readonly cause: FormCause | undefined;
}

/** The groups of a loop's carries, each after those that it reads, which count as known. */
export function carryForms(attrs: ScanAttrs): GroupForm[] {
  return carryGroups(attrs).map((carries) => formOf(attrs, carries));
}

function formOf(attrs: ScanAttrs, carries: CarryGroup): GroupForm {
  const { body } = attrs;
  if (!readsItself(attrs, carries)) return { carries, form: "delayed", cause: undefined };
  const next = nextValues(attrs, carries);
  const worst = next.reduce(moreGeneral);
  if (worst.kind === "diagonal" || worst.kind === "dense")
    return { carries, form: worst.kind, cause: causeAt(body, worst.cause) };
  if (worst.kind !== "extremum") return { carries, form: carries.length === 1 ? "affine" : "blocks", cause: undefined };
  const same = next.every((value) => value.kind === "free" || isTerm(value, worst.of));
  if (!same) return { carries, form: "diagonal", cause: causeAt(body, worst.cause) };
  return { carries, form: worst.of === "max" ? "max-plus" : "min-plus", cause: undefined };
}

function causeAt(body: Graph, id: NodeId): FormCause {
  return { op: nodeAt(body, id).op, site: body.sites[id] };
}

/** A value of the step as a function of a group's carries. `cause` is the node that made it so general. */
export type CarryValue =
  | { readonly kind: "free" }
  /** `shifted`: one carry plus a free value, or the choice between such values and free ones. */
  | { readonly kind: "affine"; readonly shifted: boolean }
  | { readonly kind: "extremum"; readonly of: "max" | "min"; readonly cause: NodeId }
  | { readonly kind: "diagonal"; readonly cause: NodeId }
  | { readonly kind: "dense"; readonly cause: NodeId };

const kinds = ["free", "affine", "extremum", "diagonal", "dense"] as const;
const free: CarryValue = { kind: "free" };

function moreGeneral(a: CarryValue, b: CarryValue): CarryValue {
  return kinds.indexOf(b.kind) > kinds.indexOf(a.kind) ? b : a;
}

/** Whether a value can be an operand of max (or min) in the form `extremum`. */
function isTerm(value: CarryValue, of: "max" | "min"): boolean {
  return value.kind === "extremum" ? value.of === of : isFree(value) || isShifted(value);
}

function isShifted(value: CarryValue): boolean {
  return value.kind === "affine" && value.shifted;
}

/** The next values of a group's carries. */
function nextValues(attrs: ScanAttrs, carries: CarryGroup): CarryValue[] {
  const { body } = attrs;
  const inputs = bodyInputs(attrs);
  const mine = new Set(carries.map((carry) => at(inputs.carries, carry)));
  const known = body.inputs.map((id) => {
    const value: CarryValue = mine.has(id) ? { kind: "affine", shifted: true } : free;
    return [id, value] as const;
  });
  const isFreeNode = (id: NodeId): boolean => isFree(fold.value(id));
  const fold: Fold<CarryValue> = new Fold<CarryValue>(
    body,
    {
      node: (node, operands, id) => (operands.every(isFree) ? free : nodeValue(body, node, operands, id, isFreeNode)),
      scan: ({ attrs: { body: inner } }, operands, id) => {
        const value: CarryValue = operands.every(isFree) ? free : { kind: "dense", cause: id };
        return inner.outputs.map(() => value);
      },
    },
    known,
  );
  return carries.map((carry) => fold.value(at(body.outputs, carry)));
}

function isFree({ kind }: CarryValue): boolean {
  return kind === "free";
}

/** The form of a node of which at least one operand reads the group. */
function nodeValue(
  body: Graph,
  node: OpNode,
  operands: readonly CarryValue[],
  cause: NodeId,
  isFreeNode: (id: NodeId) => boolean,
): CarryValue {
  const worst = operands.reduce(moreGeneral);
  if (worst.kind === "dense") return worst;
  if (keepsPositions(body, node)) return worst;
  if (entryOf(node.op).kind !== "elementwise") return { kind: "dense", cause };
  const factor = stoppedFactor(body, node);
  if (factor !== undefined && isFreeNode(factor))
    return sumOf(operands.slice(0, 1), false) ?? { kind: "diagonal", cause };
  if (worst.kind === "diagonal") return worst;
  return elementwise(node, operands, cause) ?? { kind: "diagonal", cause };
}

/** Whether a view or reduction has the same elements in the same order: only axes of one entry come or go. */
function keepsPositions(body: Graph, { op, operands, aval }: OpNode): boolean {
  if (!["reshape", "broadcast", "sum", "reduceMax"].includes(op)) return false;
  const shapeOf = (id: NodeId): Shape => nodeAt(body, id).aval.shape;
  return sizeOf(shapeOf(at(operands, 0))) === sizeOf(aval.shape);
}

/** The form of an elementwise op, none of whose operands is diagonal; undefined if it is diagonal. */
function elementwise({ op, aval }: OpNode, operands: readonly CarryValue[], cause: NodeId): CarryValue | undefined {
  const [a = free, b = free, c = free] = operands;
  switch (op) {
    case "stopGradient":
      return a;
    case "neg":
      return sumOf([a], false);
    case "add":
      if (a.kind === "extremum" && isFree(b)) return a;
      if (b.kind === "extremum" && isFree(a)) return b;
      return sumOf([a, b], isFree(a) ? isShifted(b) : isFree(b) && isShifted(a));
    case "sub":
      if (a.kind === "extremum" && isFree(b)) return a;
      return sumOf([a, b], isFree(b) && isShifted(a));
    case "mul":
      return isFree(a) || isFree(b) ? sumOf([a, b], false) : undefined;
    case "div":
      return isFree(b) ? sumOf([a], false) : undefined;
    case "max":
    case "min":
      return aval.dtype !== "bool" && isTerm(a, op) && isTerm(b, op) ? { kind: "extremum", of: op, cause } : undefined;
    case "where":
      return isFree(a) ? choiceOf(b, c) : undefined;
    default:
      return undefined;
  }
}

/** A sum of values with free factors; undefined if one of them is an extremum. */
function sumOf(terms: readonly CarryValue[], shifted: boolean): CarryValue | undefined {
  const isSum = terms.every(({ kind }) => kind === "free" || kind === "affine");
  return isSum ? { kind: "affine", shifted } : undefined;
}

/** One of two values, by a free condition. */
function choiceOf(a: CarryValue, b: CarryValue): CarryValue | undefined {
  const extremum = [a, b].find(({ kind }) => kind === "extremum");
  if (extremum?.kind === "extremum") return isTerm(a, extremum.of) && isTerm(b, extremum.of) ? extremum : undefined;
  return sumOf(
    [a, b],
    [a, b].every((value) => isFree(value) || isShifted(value)),
  );
}
