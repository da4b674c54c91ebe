/**
 * @file Finds the denominator of a loss. The loss of a batch is a mean over its positions, so a mean over batches weights each
 * by its number of positions: otherwise it is a mean of means, in which a position of a small batch counts more.
 *
 * The denominator is in the graph of the loss: a divisor that depends on the batch but not on parameters, such as the number
 * of positions in a mask. A sum of losses has one weight for each of its terms, so the result over several batches equals
 * that of one large batch. A loss that divides in another way can return its weight; a loss whose weight cannot be found
 * counts the rows of a batch.
 */
import { type Dim, dimFactors, symbolsOf } from "../compiler/graph/dim.ts";
import { at, inWords, UserError } from "../compiler/graph/errors.ts";
import { formatAval, type Graph, type NodeId } from "../compiler/graph/graph.ts";
import { add, div, less, mul, neg } from "../compiler/ops/elementwise.ts";
import { where } from "../compiler/ops/logic.ts";
import { dimSize } from "../compiler/ops/sources.ts";
import { constant } from "../compiler/ops/views.ts";
import { Tensor } from "../compiler/trace/tensor.ts";

type Float = Tensor<"f32">;

/** A loss or a metric, and the weight of the batch in a mean over batches: scalars. */
export interface WeightedMean {
  /** The mean over a batch. */
  readonly mean: Float;
  /** The denominator of the mean: a number of positions or rows, or a sum of weights; 0 or more, independent of parameters. */
  readonly weight: Float;
}

/** The result of a loss: a scalar, or a scalar with its weight if that cannot be found in the graph. */
export type Loss = Float | WeightedMean;

/** A term of a loss, and its weight; undefined if it is the same for every batch. */
interface Part {
  readonly value: Float;
  readonly weight: Float | undefined;
}

/** The scalar of a loss. */
export function lossOf(loss: Loss): Float {
  const mean = loss instanceof Tensor ? loss : checked(loss).mean;
  if (mean.dtype === "f32" && mean.shape.length === 0) return mean;
  throw new UserError(`the loss is ${formatAval(mean)}; expected a scalar, such as the mean of it: mean(loss)`);
}

/**
 * The terms of a loss [K] and their weights [K], in the current trace. `data` are the tensors of a batch; all other inputs are
 * learned or carried.
 */
export function lossParts(
  loss: Loss,
  data: readonly Tensor[],
): { readonly values: Float[]; readonly weights: Float[] } {
  const whole = lossOf(loss);
  const parts = loss instanceof Tensor ? new Terms(whole, data).of(whole) : [{ value: whole, weight: loss.weight }];
  const merged: Part[] = [];
  for (const { value, weight } of parts) {
    const same = merged.findIndex((part) => part.weight?.id === weight?.id);
    if (same < 0) merged.push({ value, weight });
    else merged[same] = { value: add(at(merged, same).value, value), weight };
  }
  return { values: merged.map(({ value }) => value), weights: merged.map(({ weight }) => weight ?? constant(1)) };
}

/** The weight of a batch when gradients are accumulated: one for the whole loss. */
export function lossWeight(loss: Loss, data: readonly Tensor[]): Float {
  const whole = lossOf(loss);
  if (!(loss instanceof Tensor)) return loss.weight;
  const weights = new Terms(whole, data).of(whole).flatMap(({ weight }) => weight ?? []);
  const [weight = constant(1), ...others] = weights;
  if (others.every(({ id }) => id === weight.id)) return weight;
  throw new UserError(
    "accumulate: the loss adds up means over different counts, such as steps and rows, whose gradients cannot be accumulated with one weight; return the weight of the batch with the loss, as { mean, weight }",
  );
}

/** The loss over several batches; each batch has K terms and then their K weights. */
export function meanOfBatches(batches: readonly Float64Array[]): number {
  const count = (batches[0]?.length ?? 0) / 2;
  return Array.from({ length: count }, (_, term) => {
    let [total, weights] = [0, 0];
    for (const batch of batches) {
      const [value = Number.NaN, weight = Number.NaN] = [batch[term], batch[count + term]];
      // If nothing counts, a quotient of two sums can be 0 / 0.
      if (weight === 0) continue;
      total += value * weight;
      weights += weight;
    }
    return weights === 0 ? 0 : total / weights;
  }).reduce((a, b) => a + b, 0);
}

function checked(loss: WeightedMean): WeightedMean {
  for (const [name, value] of Object.entries({ mean: loss?.mean, weight: loss?.weight })) {
    if (!(value instanceof Tensor))
      throw new UserError(`the loss is ${inWords(loss)}, ${name} of it ${inWords(value)}; expected a scalar tensor`);
  }
  const { weight } = loss;
  if (weight.dtype === "f32" && weight.shape.length === 0) return loss;
  throw new UserError(`the weight of the loss is ${formatAval(weight)}; expected f32[]`);
}

/** The terms of one loss. */
class Terms {
  readonly #graph: Graph;
  readonly #frame: Tensor["frame"];
  /** For each node: whether it varies between batches, and whether it depends on more than data. */
  readonly #varies: boolean[] = [];
  readonly #isLearned: boolean[] = [];
  readonly #rows: Float | undefined;

  constructor(loss: Float, data: readonly Tensor[]) {
    this.#frame = loss.frame;
    this.#graph = loss.frame.builder.finish([], []);
    const given = new Set(data.map(({ id }) => id));
    for (const [id, node] of this.#graph.nodes.entries()) {
      const dims = node.op === "dimSize" ? [node.attrs.dim] : node.aval.shape;
      const isSized = dims.some((dim) => symbolsOf(dim).length > 0);
      this.#varies.push(isSized || given.has(id) || node.operands.some((operand) => this.#varies[operand]));
      const isLearned = node.op === "input" && !given.has(id);
      this.#isLearned.push(isLearned || node.operands.some((operand) => this.#isLearned[operand]));
    }
    const hasRows = data.some(({ shape }) => shape.some((dim) => symbolsOf(dim).includes("B")));
    this.#rows = hasRows ? dimSize("B") : undefined;
  }

  of(loss: Float): Part[] {
    if (!this.#varies[loss.id]) return [{ value: loss, weight: undefined }];
    const [a, b, c] = this.#operands(loss);
    const { op } = at(this.#graph.nodes, loss.id);
    if (op === "stopGradient" && a) return this.of(a);
    if (op === "neg" && a) return this.of(a).map(scaledBy(neg));
    if (op === "add" && a && b) return [...this.of(a), ...this.of(b)];
    if (op === "sub" && a && b) return [...this.of(a), ...this.of(b).map(scaledBy(neg))];
    if (op === "mul" && a && b) return this.#product(loss, a, b);
    if (op === "div" && a && b) return this.#quotient(loss, a, b);
    if (op === "where" && a && b && c && !this.#isLearned[a.id] && this.#isConstant(c, (value) => value === 0)) {
      const kept = (x: Float) => where(condition(a), x, 0);
      return this.of(b).map(({ value, weight }) => ({ value: kept(value), weight: weight && kept(weight) }));
    }
    return this.#unknown(loss);
  }

  #product(loss: Float, a: Float, b: Float): Part[] {
    for (const [factor, other] of [
      [a, b],
      [b, a],
    ] as const) {
      if (this.#isLearned[factor.id] && this.#varies[factor.id]) continue;
      const [numerator, denominator] = this.#operands(factor);
      const isShare = at(this.#graph.nodes, factor.id).op === "div" && this.#varies[factor.id];
      if (isShare && numerator && denominator && !this.#varies[numerator.id])
        return [{ value: loss, weight: this.#weight(denominator) }];
      return this.of(other).map(scaledBy((x) => mul(x, factor)));
    }
    return this.#unknown(loss);
  }

  #quotient(loss: Float, a: Float, b: Float): Part[] {
    if (!this.#varies[b.id]) return this.of(a).map(scaledBy((x) => div(x, b)));
    if (this.#isLearned[b.id]) return this.#unknown(loss);
    const divisors = [b, ...this.#divisorsIn(a)];
    const sizes = divisors.map((divisor) => this.#sizeIn(divisor));
    if (sizes.every((size) => size !== undefined)) {
      // A mean over time of means over rows counts the rows as well.
      const factors = sizes.flatMap((size) => dimFactors(size));
      const all = factors.includes("B") || this.#rows === undefined ? factors : [...factors, "B"];
      return [{ value: loss, weight: dimSize([...all].sort().join("*")) }];
    }
    return [{ value: loss, weight: divisors.map((divisor) => this.#weight(divisor)).reduce((x, y) => mul(x, y)) }];
  }

  /** The divisors within the numerator of a quotient. */
  #divisorsIn(numerator: Float): Float[] {
    const [a, b] = this.#operands(numerator);
    const isQuotient = at(this.#graph.nodes, numerator.id).op === "div" && a && b && !this.#isLearned[b.id];
    if (!isQuotient || a.shape.length > 0) return [];
    return [...(this.#varies[b.id] ? [b] : []), ...this.#divisorsIn(a)];
  }

  #sizeIn(x: Float): Dim | undefined {
    const node = at(this.#graph.nodes, x.id);
    return node.op === "dimSize" ? node.attrs.dim : undefined;
  }

  /** The weight of a denominator; where it is guarded against 0, the weight is 0. */
  #weight(denominator: Float): Float {
    const node = at(this.#graph.nodes, denominator.id);
    const [a, b, c] = this.#operands(denominator);
    const isAbove0 = (x: Float) => this.#isConstant(x, (value) => value > 0);
    if (node.op === "mul" && a && b && !this.#varies[b.id]) return this.#weight(a);
    if (node.op === "mul" && a && b && !this.#varies[a.id]) return this.#weight(b);
    if (node.op === "mul" && a && b) return mul(this.#weight(a), this.#weight(b));
    if (node.op === "max" && a && b && isAbove0(b)) return where(less(0, a), denominator, 0);
    if (node.op === "max" && a && b && isAbove0(a)) return where(less(0, b), denominator, 0);
    if (node.op === "where" && a && b && c && isAbove0(c)) return where(condition(a), b, 0);
    return denominator;
  }

  #unknown(loss: Float): Part[] {
    return [{ value: loss, weight: this.#rows }];
  }

  #isConstant(x: Float, fits: (value: number) => boolean): boolean {
    const node = at(this.#graph.nodes, x.id);
    return node.op === "constant" && fits(node.attrs.value);
  }

  #operands({ id }: Tensor): Float[] {
    const { nodes } = this.#graph;
    return at(nodes, id).operands.map((operand: NodeId) => {
      return new Tensor(this.#frame, operand, at(nodes, operand).aval) as Float;
    });
  }
}

const condition = (x: Tensor) => x as Tensor<"bool">;
const scaledBy =
  (scale: (x: Float) => Float) =>
  ({ value, weight }: Part): Part => ({ value: scale(value), weight });
