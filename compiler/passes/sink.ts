/**
 * @file Moves work that the loop does not depend on behind it. A product that only a y reads becomes one product over
 * [time × batch] rows; a carry that only sums products over time (the gradient of a weight) becomes one product with
 * time as part of its depth; a carry that only sums xs or ys becomes a sum over these. What the carries need stays
 * inside the loop, and so do sums whose terms would have to be stored for all steps.
 */
import { at } from "../graph/errors.ts";
import { opNodeAt } from "../graph/fold.ts";
import { countUses, type Graph, type NodeId, nodeAt, type OpName, type ScanNode } from "../graph/graph.ts";
import { dot, scatterAdd } from "../ops/contractions.ts";
import { not } from "../ops/elementwise.ts";
import { emitNode, emitResults } from "../ops/inline.ts";
import { equal, or, where } from "../ops/logic.ts";
import { bodyInputs } from "../ops/scan.ts";
import { sum } from "../ops/views.ts";
import { atSite } from "../trace/site.ts";
import type { Tensor } from "../trace/tensor.ts";
import { flattenSteps } from "./all-steps.ts";
import { LoopValues } from "./loop-values.ts";
import { emitPart, placesOf } from "./part-of-loop.ts";
import { rewriteGraph } from "./rewrite.ts";
import { constantValue } from "./simplify.ts";

type Float = Tensor<"f32">;
/** Builds a value outside the loop, from the loop's new ys. */
type Outside = (step: (id: NodeId) => Tensor) => Tensor;

export function sink(graph: Graph): Graph {
  return rewriteGraph(graph, (outer) => ({ scan: (node, _, operands) => sinkFromScan(outer, node, operands) }));
}

function sinkFromScan(outer: Graph, node: ScanNode, operands: readonly Tensor[]): readonly Tensor[] {
  const attrs = { ...node.attrs, body: sink(node.attrs.body) };
  const { body } = attrs;
  // Its values for all steps would not fit in memory.
  if (attrs.recompute) return emitResults(attrs, operands);
  const inputs = bodyInputs(attrs);
  const planner = new Planner(body, new LoopValues(attrs, operands));
  const sunk = new Map<number, Outside>();
  for (const [i, id] of body.outputs.entries()) {
    const outside = i >= attrs.carries ? planner.tail(id) : undefined;
    if (outside !== undefined) sunk.set(i, outside);
  }
  // Repeats, since the values that one sum needs of every step are then available for earlier carries too.
  for (let before = -1; before < sunk.size; ) {
    before = sunk.size;
    for (const [i, carry] of inputs.carries.entries()) {
      const startsAtZero = constantValue(outer, at(node.operands, attrs.consts + i)) === 0;
      const outside = startsAtZero && !sunk.has(i) ? planner.summed(carry, at(body.outputs, i)) : undefined;
      if (outside !== undefined) sunk.set(i, outside);
    }
  }
  const kept = body.outputs.map((_, i) => i).filter((i) => !sunk.has(i));
  const keptCarries = kept.filter((i) => i < attrs.carries);
  const steps = [...planner.steps];
  const places = placesOf(attrs);
  const results = emitPart(attrs, operands, { ...places, carries: keptCarries.map((i) => at(places.carries, i)) }, [
    ...kept.slice(keptCarries.length).map((i) => at(body.outputs, i)),
    ...steps,
  ]);
  const all = [...results.carries, ...results.ys];
  const stepOf = (id: NodeId) => at(all, kept.length + steps.indexOf(id));
  return body.outputs.map((_, i) => sunk.get(i)?.(stepOf) ?? at(all, kept.indexOf(i)));
}

/** Linear ops: a sum over time can be taken before or after them. */
const linear: ReadonlySet<string> = new Set<OpName>([
  ...(["add", "sub", "neg", "concat", "pad"] as const),
  ...(["reshape", "slice", "transpose", "broadcast"] as const),
]);

/** Decides what can be built outside the loop, and records which values of each step that needs. */
class Planner {
  readonly #body: Graph;
  readonly #values: LoopValues;
  readonly #uses: readonly number[];
  readonly #ys: readonly NodeId[];
  /** Body values that must become ys. */
  readonly steps = new Set<NodeId>();

  constructor(body: Graph, values: LoopValues) {
    this.#body = body;
    this.#values = values;
    this.#uses = countUses(body);
    this.#ys = body.outputs.slice(values.attrs.carries);
  }

  /** A y that ends in products with invariant matrices, and that the loop itself does not read. */
  tail(id: NodeId): Outside | undefined {
    return this.#endsInProduct(id) ? this.#stacked(id) : undefined;
  }

  #endsInProduct(id: NodeId): boolean {
    const node = nodeAt(this.#body, id);
    if (this.#uses[id] !== 1) return false;
    if (this.#values.canStackProduct(id)) return true;
    // For example, the cotangent of an x under a mask.
    if (node.op === "where") {
      const [condition, a, b] = node.operands as [NodeId, NodeId, NodeId];
      return this.#endsInProduct(a) && [condition, b].every((operand) => this.#values.canStackCheaply(operand));
    }
    return node.op === "add" && node.operands.some((operand) => this.#endsInProduct(operand));
  }

  /** Gives nodes built from a value of the body that value's source line. */
  #atSiteOf(id: NodeId, make: Outside): Outside {
    return (step) => atSite(this.#body.sites[id], () => make(step));
  }

  /** All steps of a value, [T, ..]: tails are built outside, other values come out of the loop. */
  #stacked(id: NodeId): Outside {
    const node = nodeAt(this.#body, id);
    if (this.#values.canStackCheaply(id)) return () => this.#values.stacked(id);
    if (this.#endsInProduct(id)) {
      const parts = node.operands.map((operand, i) =>
        node.op === "dot" && i > 0 ? undefined : this.#stacked(operand),
      );
      return this.#atSiteOf(id, (step) => {
        const made = parts.flatMap((part) => part?.(step) ?? []);
        return node.op === "dot"
          ? this.#values.stackProduct(id, at(made, 0))
          : emitNode(opNodeAt(this.#body, id), made);
      });
    }
    if (node.op === "transpose" || node.op === "reshape") {
      // What it is a view of may be stored anyway, and has the rows of the batch in front.
      const part = this.#stacked(at(node.operands, 0));
      return this.#atSiteOf(id, (step) => this.#values.stackView(id, part(step)));
    }
    this.steps.add(id);
    return (step) => step(id);
  }

  /** A carry that starts at zero and only adds a term in every step: the sum of the term over time. */
  summed(carry: NodeId, next: NodeId): Outside | undefined {
    const node = nodeAt(this.#body, next);
    // Another reader of the carry, or of the sum so far, needs it in every step.
    if (this.#uses[carry] !== 1 || this.#uses[next] !== 1) return undefined;
    if (node.op !== "add" || !node.operands.includes(carry)) return undefined;
    const term = at(node.operands, node.operands[0] === carry ? 1 : 0);
    return this.#canSum(term) ? this.#sum(term) : undefined;
  }

  #canSum(id: NodeId): boolean {
    if (this.#isAtHand(id)) return true;
    const node = nodeAt(this.#body, id);
    if (node.op === "dot") return node.attrs.transposeA && !node.attrs.transposeB;
    if (node.op === "sum" || node.op === "scatterAdd") return true;
    if (this.#scaled(id) !== undefined) return true;
    return linear.has(node.op) && node.operands.every((operand) => this.#canSum(operand));
  }

  /** Whether all steps of a value are in memory anyway. */
  #isAtHand(id: NodeId): boolean {
    const isKept = this.steps.has(id) || this.#ys.includes(id) || this.#values.xsOperand(id) !== undefined;
    return isKept && nodeAt(this.#body, id).aval.dtype === "f32";
  }

  /** Which operand of an elementwise product or quotient can be summed, if the other is the same in every step. */
  #scaled(id: NodeId): number | undefined {
    const { op, operands } = nodeAt(this.#body, id);
    if (op !== "mul" && op !== "div") return undefined;
    const candidates = op === "mul" ? [0, 1] : [0];
    return candidates.find((i) => {
      const [part, other] = [at(operands, i), at(operands, 1 - i)];
      return (this.#values.isInvariant(other) || this.#stops(other, part)) && this.#canSum(part);
    });
  }

  /**
   * Whether a factor is where(or(a, not(equal(part, 0))), b, c), with a, b and c the same in every step and `part` the
   * value that it is multiplied by: a derivative that stops a cotangent of 0 (autodiff/chain.ts). It can stop the sum
   * instead.
   */
  #stops(factor: NodeId, part: NodeId): boolean {
    const choice = nodeAt(this.#body, factor);
    const condition = choice.op === "where" ? nodeAt(this.#body, at(choice.operands, 0)) : undefined;
    const moves = condition?.op === "or" ? nodeAt(this.#body, at(condition.operands, 1)) : undefined;
    const isZero = moves?.op === "not" ? nodeAt(this.#body, at(moves.operands, 0)) : undefined;
    if (condition === undefined || isZero?.op !== "equal" || isZero.operands[0] !== part) return false;
    const others = [...choice.operands.slice(1), at(condition.operands, 0)];
    return (
      constantValue(this.#body, at(isZero.operands, 1)) === 0 && others.every((id) => this.#values.isInvariant(id))
    );
  }

  /** The factor of a sum: invariant, or one that stops if the sum is 0. */
  #factorOf(total: Tensor, id: NodeId): Tensor {
    if (this.#values.isInvariant(id)) return this.#values.invariant(id);
    const [condition, kept, other] = nodeAt(this.#body, id).operands.map((operand, i) =>
      this.#values.invariant(i === 0 ? at(nodeAt(this.#body, operand).operands, 0) : operand),
    ) as [Tensor<"bool">, Float, Float];
    return where(or(condition, not(equal(total as Float, 0))), kept, other);
  }

  /** The sum of a value over all steps. */
  #sum(id: NodeId): Outside {
    if (this.#isAtHand(id)) {
      const x = this.#stacked(id);
      return this.#atSiteOf(id, (step) => sum(x(step) as Float, 0));
    }
    const node = opNodeAt(this.#body, id);
    if (node.op === "dot") {
      const [a, b] = [this.#stacked(at(node.operands, 0)), this.#stacked(at(node.operands, 1))];
      return this.#atSiteOf(id, (step) => dot(flattenSteps(a(step)), flattenSteps(b(step)), node.attrs));
    }
    if (node.op === "sum") {
      const x = this.#stacked(at(node.operands, 0));
      return this.#atSiteOf(id, (step) => sum(x(step) as Float, [0, ...node.attrs.axes.map((axis) => axis + 1)]));
    }
    if (node.op === "scatterAdd") {
      const [indices, updates] = [this.#stacked(at(node.operands, 0)), this.#stacked(at(node.operands, 1))];
      return this.#atSiteOf(id, (step) => scatterAdd(indices(step), updates(step), node.attrs.rows));
    }
    const scaled = this.#scaled(id);
    if (scaled !== undefined) {
      const [part, other] = [this.#sum(at(node.operands, scaled)), at(node.operands, 1 - scaled)];
      return this.#atSiteOf(id, (step) => {
        const total = part(step);
        const factor = this.#factorOf(total, other);
        return emitNode(opNodeAt(this.#body, id), scaled === 0 ? [total, factor] : [factor, total]);
      });
    }
    const parts = node.operands.map((operand) => this.#sum(operand));
    return this.#atSiteOf(id, (step) =>
      emitNode(
        node,
        parts.map((part) => part(step)),
      ),
    );
  }
}
