/**
 * @file The map from a group's carries to their next values, for all steps at once: the coefficients of an affine map
 * next_i = sum_j A_ij s_j + b_i, or a and b of next_i = max_j(s_j + a_ij, b_i). Each is a tensor [T, ..] that reads no
 * carry of the group. carry-forms.ts has found that the map has this form.
 */
import type { Shape } from "../graph/dim.ts";
import { at, InternalError } from "../graph/errors.ts";
import { Fold, type OpNode } from "../graph/fold.ts";
import { type NodeId, nodeAt, type ScanAttrs } from "../graph/graph.ts";
import { add, div, less, max, min, mul, neg, sub } from "../ops/elementwise.ts";
import { or, where } from "../ops/logic.ts";
import { bodyInputs } from "../ops/scan.ts";
import { entryOf } from "../ops/table.ts";
import { fill, reshape } from "../ops/views.ts";
import type { AllSteps } from "../passes/all-steps.ts";
import { atSite } from "../trace/site.ts";
import type { Tensor } from "../trace/tensor.ts";
import type { CarryGroup } from "./carry-groups.ts";
import { stoppedFactor } from "./stopped-factor.ts";

type Float = Tensor<"f32">;
type MaybeFloat = Float | undefined;

/** How the terms of a map are combined: by addition, or by the larger or the smaller of two. */
export type MapKind = "sum" | "max" | "min";

/** A value of the step as a function of the group's carries. What is absent is 0, or the least or greatest number. */
interface Mapped {
  readonly kind: MapKind;
  /** The factor of each carry; in a maximum, what is added to it. */
  readonly of: ReadonlyMap<NodeId, Float>;
  readonly rest: MaybeFloat;
  /** Whether a condition has chosen between sums: then a factor can be 0 where it is 1 elsewhere. */
  readonly chosen: boolean;
}

/** A value that reads no carry of the group. */
interface Free {
  readonly kind: "free";
  readonly id: NodeId;
}

/** A value that is no map: only the tests of guards (stopped-factor.ts) may be. */
interface Unmapped {
  readonly kind: "unmapped";
}

type Term = Mapped | Free | Unmapped;

/** The map of a group: `matrix[i][j]` is what carry j contributes to the next value of carry i. */
export interface CarryMap {
  readonly kind: MapKind;
  readonly matrix: readonly (readonly MaybeFloat[])[];
  readonly offset: readonly MaybeFloat[];
}

/**
 * Stands for an infinity: sums of many of these are finite, and numbers of a run are far from it. WGSL promises nothing
 * about infinities.
 */
const largest = 1e30;
/** What an absent contribution is. */
export const absentIn: Readonly<Record<MapKind, number>> = { sum: 0, max: -largest, min: largest };

/** Adds the tensors of a group's map to the current trace. `steps` knows the carries of other groups that it reads. */
export function carryMap(attrs: ScanAttrs, group: CarryGroup, steps: AllSteps, kind: MapKind): CarryMap {
  const inputs = bodyInputs(attrs).carries;
  const mine = group.map((carry) => at(inputs, carry));
  const terms = new Terms(attrs, mine, steps);
  const next = group.map((carry) => terms.of(at(attrs.body.outputs, carry), kind));
  return {
    kind,
    matrix: next.map(({ of }) => mine.map((id) => of.get(id))),
    offset: next.map(({ rest }) => rest),
  };
}

const unmapped: Unmapped = { kind: "unmapped" };

class Terms {
  readonly #attrs: ScanAttrs;
  readonly #steps: AllSteps;
  readonly #fold: Fold<Term>;

  constructor(attrs: ScanAttrs, mine: readonly NodeId[], steps: AllSteps) {
    const { body } = attrs;
    this.#attrs = attrs;
    this.#steps = steps;
    const known = body.inputs.map((id): readonly [NodeId, Term] => {
      if (!mine.includes(id)) return [id, { kind: "free", id }];
      const one = fill(this.#withTime(nodeAt(body, id).aval.shape), 1);
      return [id, { kind: "sum", of: new Map([[id, one]]), rest: undefined, chosen: false }];
    });
    this.#fold = new Fold<Term>(
      body,
      {
        node: (node, terms, id) =>
          terms.every(({ kind }) => kind === "free")
            ? { kind: "free", id }
            : atSite(body.sites[id], () => this.#term(node, terms)),
        scan: ({ attrs: { body: inner } }, _, id) => inner.outputs.map(() => ({ kind: "free", id })),
      },
      known,
    );
  }

  of(id: NodeId, kind: MapKind): Mapped {
    return this.#as(kind, this.#fold.value(id));
  }

  /** A free value, or a carry plus a free value, can be a sum or a term of an extremum. */
  #as(kind: MapKind, term: Term): Mapped {
    if (term.kind === "free") return { kind, of: new Map(), rest: this.#free(term), chosen: false };
    if (term.kind === kind) return term;
    if (term.kind !== "sum") throw new InternalError(`a value of kind ${term.kind} cannot be a term of a ${kind}`);
    return term.chosen ? chosenTerm(term, kind) : { kind, of: shiftedBy(term), rest: undefined, chosen: false };
  }

  /** The values [T, ..] of a value that reads no carry of the group. */
  #free(term: Term): Float {
    if (term.kind !== "free") throw new InternalError("a factor or a condition reads carries of its group");
    return this.#steps.of(term.id) as Float;
  }

  #withTime(shape: Shape): Shape {
    return [this.#attrs.length, ...shape];
  }

  #term(node: OpNode, terms: readonly Term[]): Term {
    const [a, b, c] = terms as readonly [Term, Term, Term];
    const factor = stoppedFactor(this.#attrs.body, node);
    if (factor !== undefined && a.kind === "sum") return each(a, (x) => mul(x, this.#steps.of(factor) as Float));
    if (terms.some(({ kind }) => kind === "unmapped")) return unmapped;
    switch (node.op) {
      case "stopGradient":
        return a;
      case "neg":
        return each(this.#as("sum", a), neg);
      case "add":
      case "sub":
        return this.#sum(node.op, a, b);
      case "mul":
        if (a.kind === "free") return each(this.#as("sum", b), (x) => mul(this.#free(a), x));
        return b.kind === "free" ? each(this.#as("sum", a), (x) => mul(x, this.#free(b))) : unmapped;
      case "div":
        return each(this.#as("sum", a), (x) => div(x, this.#free(b)));
      case "max":
      case "min":
        return combined(this.#as(node.op, a), this.#as(node.op, b), either(node.op === "max" ? max : min));
      case "where":
        return this.#choice(this.#free(a) as Tensor as Tensor<"bool">, b, c);
      default: {
        if (entryOf(node.op).kind === "elementwise") return unmapped;
        // A view or a reduction that only adds or drops axes of one entry.
        const shape = this.#withTime(node.aval.shape);
        return a.kind === "free" || a.kind === "unmapped" ? a : each(a, (x) => reshape(x, shape));
      }
    }
  }

  /** A sum of two values; of an extremum and a free value, every part of the extremum is shifted. */
  #sum(op: "add" | "sub", a: Term, b: Term): Mapped {
    const f = op === "add" ? add : sub;
    if (a.kind === "max" || a.kind === "min") return each(a, (x) => f(x, this.#free(b)));
    if (b.kind === "max" || b.kind === "min") return each(b, (x) => f(this.#free(a), x));
    const onlyRight = (y: Float) => (op === "add" ? y : neg(y));
    return combined(this.#as("sum", a), this.#as("sum", b), (x, y) =>
      x === undefined ? y && onlyRight(y) : y === undefined ? x : f(x, y),
    );
  }

  #choice(condition: Tensor<"bool">, a: Term, b: Term): Mapped {
    const kind = [a.kind, b.kind].find((one) => one === "max" || one === "min") ?? "sum";
    const absent = absentIn[kind];
    const either = combined(this.#as(kind, a), this.#as(kind, b), (x, y) =>
      x === undefined && y === undefined ? undefined : where(condition, x ?? absent, y ?? absent),
    );
    return { ...either, chosen: true };
  }
}

/** Applies a function to every part of a value. */
function each(term: Mapped, f: (x: Float) => Float): Mapped {
  return { ...term, of: new Map([...term.of].map(([id, x]) => [id, f(x)])), rest: term.rest && f(term.rest) };
}

/** Combines two values of one kind, part by part. */
function combined(a: Mapped, b: Mapped, f: (x: MaybeFloat, y: MaybeFloat) => MaybeFloat): Mapped {
  const of = new Map<NodeId, Float>();
  for (const id of new Set([...a.of.keys(), ...b.of.keys()])) {
    const value = f(a.of.get(id), b.of.get(id));
    if (value !== undefined) of.set(id, value);
  }
  return { kind: a.kind, of, rest: f(a.rest, b.rest), chosen: a.chosen || b.chosen };
}

/** What is added to each carry of a sum whose factors are 1. */
function shiftedBy({ of, rest }: Mapped): Map<NodeId, Float> {
  return new Map([...of].map(([id, one]) => [id, rest ?? fill(one.shape, 0)]));
}

/** A sum of which conditions have chosen one carry or none, as a term of an extremum: factors are 0 or 1. */
function chosenTerm(sum: Mapped, kind: MapKind): Mapped {
  const absent = absentIn[kind];
  const added = shiftedBy(sum);
  const isChosen = [...sum.of].map(([id, factor]) => [id, less(0.5, factor)] as const);
  const of = new Map(isChosen.map(([id, chosen]) => [id, where(chosen, added.get(id) ?? absent, absent)]));
  const any = isChosen.map(([, chosen]) => chosen).reduce(or);
  return { kind, of, rest: where(any, absent, sum.rest ?? fill(any.shape, 0)), chosen: false };
}

/** `f`, or the one that is present. */
function either(f: (x: Float, y: Float) => Float): (x: MaybeFloat, y: MaybeFloat) => MaybeFloat {
  return (x, y) => (x === undefined || y === undefined ? (x ?? y) : f(x, y));
}
