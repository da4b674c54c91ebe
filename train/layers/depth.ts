/** @file Combinators of layers: stacks of any depth, residual and highway connections, and dropout. */

import { dense } from "../../compiler/dsl/dense.ts";
import { scope } from "../../compiler/dsl/parameters.ts";
import { fork } from "../../compiler/dsl/randomness.ts";
import { formatShape, sameShape } from "../../compiler/graph/dim.ts";
import { expectArgument } from "../../compiler/graph/errors.ts";
import { checkedOptions } from "../../compiler/graph/options.ts";
import { oneMinus } from "../../compiler/ops/composed.ts";
import { add, mul } from "../../compiler/ops/elementwise.ts";
import { sigmoid } from "../../compiler/ops/transcendental.ts";
import { faultOf } from "../../compiler/trace/fault.ts";
import type { Tensor } from "../../compiler/trace/tensor.ts";
import type { Rate } from "../hyperparameter.ts";
import { checkRate, dropout, variationalDropout } from "./dropout.ts";
import { type Layer, type LayerContext, prefixed, within } from "./layer.ts";
import { whereTrue } from "./lengths.ts";
import { ofEach } from "./recurrent-dropout.ts";

type Float = Tensor<"f32">;

/** Layers on top of each other. Parameters and states of layer i are `layers/i/…`. */
export function stacked(layers: readonly Layer[]): Layer {
  expectArgument(Array.isArray(layers), "stacked: the argument", layers, "a list of layers");
  for (const layer of layers) checkLayer("stacked", layer);
  const parts = Object.fromEntries(layers.map((layer, i) => [`layers/${i}`, layer]));
  return {
    states: prefixed(parts),
    run: (input, context = {}) => {
      let outputs = input;
      const state: Record<string, Float> = {};
      for (const [name, layer] of Object.entries(parts)) {
        const result = within(name, layer, outputs, context);
        outputs = result.outputs;
        Object.assign(state, result.state);
      }
      return { outputs, state };
    },
  };
}

/** x + layer(x) of the same width: He et al. 2016, arXiv:1512.03385; between recurrent layers Wu et al. 2016, arXiv:1609.08144. */
export function residual(layer: Layer): Layer {
  return around(layer, "residual", (input, outputs) => add(input, outputs));
}

/**
 * t * layer(x) + (1 - t) * x with t = sigmoid(W x + b), of the same width: Srivastava, Greff & Schmidhuber 2015,
 * arXiv:1505.00387, eq. 3. The bias starts below 0, so that x passes through at first (their section 2.2).
 */
export function highway(layer: Layer, options: { readonly bias?: number } = {}): Layer {
  const { bias = -1 } = checkedOptions("highway", options, { bias: "number" });
  checkLayer("highway", layer);
  const inside: Layer = {
    states: layer.states,
    run: (input, context) => scope("highway", () => layer.run(input, context)),
  };
  return around(inside, "highway", (input, outputs) => {
    const width = Number(input.shape.at(-1));
    const transform = sigmoid(scope("highway", () => dense("transform", input, width, { bias })));
    return add(mul(transform, outputs), mul(oneMinus(transform), input));
  });
}

/** Options of dropout around a layer. */
export interface DropoutOptions {
  /** One mask for the whole sequence (variational dropout, the default), or a new one at each step. */
  readonly each?: "sequence" | "step";
}

/** The layer with dropout on its input. */
export function inputDropout(layer: Layer, rate: Rate, options: DropoutOptions = {}): Layer {
  checkedOptions("inputDropout", options, { each: ofEach });
  checkLayer("inputDropout", layer);
  checkRate("inputDropout", rate);
  return {
    states: layer.states,
    run: (input, context = {}) => layer.run(dropped(input, rate, "input", context, options), inner(context)),
  };
}

/** The layer with dropout on its output. */
export function outputDropout(layer: Layer, rate: Rate, options: DropoutOptions = {}): Layer {
  checkedOptions("outputDropout", options, { each: ofEach });
  checkLayer("outputDropout", layer);
  checkRate("outputDropout", rate);
  return {
    states: layer.states,
    run: (input, context = {}) => {
      const { outputs, state } = layer.run(input, inner(context));
      return { outputs: dropped(outputs, rate, "output", context, options), state };
    },
  };
}

function dropped(x: Float, rate: Rate, site: string, { random, isStep }: LayerContext, options: DropoutOptions) {
  const own = fork(random, site);
  return options.each === "step" || isStep ? dropout(x, rate, own) : variationalDropout(x, rate, own);
}

/** The context of the inner layer, with a separate random stream. */
const inner = (context: LayerContext): LayerContext => ({ ...context, random: fork(context.random, "inner") });

/** Throws if the argument is not a layer, such as a cell. */
function checkLayer(where: string, layer: Layer): void {
  expectArgument(
    typeof layer?.run === "function",
    `${where}: a layer`,
    layer,
    "a layer; make one of a cell with recurrent(cell)",
  );
}

function around(layer: Layer, name: string, join: (input: Float, outputs: Float) => Float): Layer {
  checkLayer(name, layer);
  return {
    states: layer.states,
    run: (input, context) => {
      const { outputs, state } = layer.run(input, context);
      const { mask } = context ?? {};
      // Padding does not bypass the layer either.
      if (sameShape(input.shape, outputs.shape))
        return { outputs: join(mask === undefined ? input : whereTrue(mask, input), outputs), state };
      throw faultOf(
        name,
        `the layer's input is ${formatShape(input.shape)} and its output ${formatShape(outputs.shape)}; they must have the same width`,
      );
    },
  };
}
