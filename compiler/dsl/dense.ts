/** @file Layers that are one expression: dense (affine), embedding and layer normalisation. */

import { formatShape } from "../graph/dim.ts";
import { at } from "../graph/errors.ts";
import { standardize } from "../ops/composed.ts";
import { gather, matmul } from "../ops/contractions.ts";
import { add, mul } from "../ops/elementwise.ts";
import { concat } from "../ops/pieces.ts";
import { expectTensors } from "../trace/expect.ts";
import { faultOf, opOptions } from "../trace/fault.ts";
import { expectIndex } from "../trace/index-ranges.ts";
import type { Tensor } from "../trace/tensor.ts";
import { glorot, type Initializer, normal, onesInit, zerosInit } from "./initializers.ts";
import { parameter, scope } from "./parameters.ts";

type Float = Tensor<"f32">;

/** How the weights of a dense layer are initialized, and whether it has a bias. */
export interface DenseOptions {
  /** One for the whole kernel, or one for the rows of each input: `[glorot, orthogonal()]` for [x, h]. */
  readonly kernel?: Initializer | readonly Initializer[];
  /** Initial value of the bias (0 by default), or false for no bias. */
  readonly bias?: Initializer | number | false;
}

/**
 * concat(inputs)·W + b with W of shape [sum of the inputs' last axes, units] under `name/kernel` and b of shape [units]
 * under `name/bias`. Inputs have shape [..., features]; the result is [..., units].
 *
 * @param name The scope of its parameters.
 * @param inputs One tensor or several, each [..., features].
 * @param units The number of features of the result.
 */
export function dense(
  name: string,
  inputs: Float | readonly Float[],
  units: number,
  options: DenseOptions = {},
): Float {
  const { kernel = glorot, bias = 0 } = opOptions(`dense "${name}"`, options, { kernel: "any", bias: "any" });
  if (!Number.isInteger(units) || units < 1)
    throw faultOf(`dense "${name}"`, `units must be a whole number above 0, got ${units}`);
  const list = Array.isArray(inputs) ? (inputs as readonly Float[]) : [inputs as Float];
  if (list.length === 0) throw faultOf(`dense "${name}"`, "expected at least one input, got none");
  expectTensors(`dense "${name}"`, ...list);
  const widths = list.map((x) => {
    const width = x.shape[x.shape.length - 1];
    if (typeof width === "number") return width;
    throw faultOf(
      `dense "${name}"`,
      `an input is ${formatShape(x.shape)}; its last axis must be a known number of features`,
    );
  });
  const rows = widths.reduce((a, b) => a + b, 0);
  return scope(name, () => {
    const weights = parameter("kernel", [rows, units], kernelInitializer(name, kernel, widths));
    const product = matmul(list.length === 1 ? at(list, 0) : concat(list), weights);
    if (bias === false) return product;
    const start: Initializer = typeof bias === "number" ? { kind: "constant", value: bias } : bias;
    return add(product, parameter("bias", [units], start));
  });
}

function kernelInitializer(
  name: string,
  kernel: Initializer | readonly Initializer[],
  widths: readonly number[],
): Initializer {
  if (!Array.isArray(kernel)) return kernel as Initializer;
  const list = kernel as readonly Initializer[];
  if (list.length !== widths.length)
    throw faultOf(
      `dense "${name}"`,
      `${list.length} kernel initializers for ${widths.length} inputs; give one for each, or one for all`,
    );
  return { kind: "rows", parts: widths.map((rows, i) => ({ rows, initializer: at(list, i) })) };
}

/** A table [vocabulary, units] under `name/table`, looked up by integer tokens [...]; the result is [..., units]. */
export function embedding(
  name: string,
  tokens: Tensor<"i32"> | Tensor<"u32">,
  vocabulary: number,
  units: number,
  init: Initializer = normal(0.1),
): Float {
  expectIndex({ index: tokens, what: "tokens", to: vocabulary, below: 1 });
  return scope(name, () => gather(parameter("table", [vocabulary, units], init), tokens));
}

/** A parameter of shape [units]: the bias of an affine map that is written by hand. */
export function bias(name: string, units: number, init: Initializer = zerosInit): Float {
  return parameter(name, [units], init);
}

/**
 * Layer normalisation: Ba, Kiros & Hinton 2016, arXiv:1607.06450, eq. 4. Each vector along the last axis is scaled to
 * mean 0 and variance 1, then each entry is multiplied by `name/gain` (initially 1) and `name/bias` (initially 0) is
 * added.
 */
export function layerNorm(name: string, x: Float): Float {
  const width = x.shape[x.shape.length - 1];
  if (typeof width !== "number")
    throw faultOf(
      `layerNorm "${name}"`,
      `x is ${formatShape(x.shape)}; its last axis must be a known number of features`,
    );
  return scope(name, () => add(mul(standardize(x), parameter("gain", [width], onesInit)), bias("bias", width)));
}
