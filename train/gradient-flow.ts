/**
 * @file Gradient flow: the norm of the gradient of the loss with respect to the state at each time step. If it vanishes
 * towards the start of a sequence, nothing from there can be learned: the vanishing gradient of Hochreiter 1991, and Bengio,
 * Simard & Frasconi 1994. A constant error carousel, as in an LSTM, prevents it.
 *
 * A zero is added to the state wherever a step reads it, and the gradient is taken with respect to that zero. So it works
 * for every cell and every shape of state, with the library's own scan and grad.
 */
import { valueAndGrad } from "../compiler/autodiff/gradient.ts";
import { model } from "../compiler/dsl/model.ts";
import type { ParameterTensors } from "../compiler/dsl/parameters.ts";
import { at } from "../compiler/graph/errors.ts";
import { checkedOptions } from "../compiler/graph/options.ts";
import { square } from "../compiler/ops/composed.ts";
import { add } from "../compiler/ops/elementwise.ts";
import { slice } from "../compiler/ops/pieces.ts";
import { scanTensors } from "../compiler/ops/scan.ts";
import { zeros } from "../compiler/ops/sources.ts";
import { type NamedAval, traceGraph } from "../compiler/ops/trace.ts";
import { sqrt } from "../compiler/ops/transcendental.ts";
import { sum } from "../compiler/ops/views.ts";
import type { Tensor } from "../compiler/trace/tensor.ts";
import { arenaOf, unpack } from "./arena.ts";
import type { Advance } from "./cell-stack.ts";
import { lossOf } from "./loss-parts.ts";
import { checkNetwork, type Network, type NetworkState } from "./networks.ts";
import type { StepGraph } from "./training-step.ts";

type Float = Tensor<"f32">;

/** A tensor [T, B, …] for each state of a network. */
type Perturbations = Readonly<Record<string, Float>>;

/** Options of `gradientFlow`. */
export interface GradientFlowOptions {
  /** The loss of only the last time step (the default), or that of all steps, as in training. */
  readonly loss?: "last" | "all";
}

/**
 * The norms for one batch as a graph: (parameters, x, targets) -> (for each state [T]). Entry t is the norm, over batch and
 * units, of the gradient with respect to the state that step t reads. A sequence starts at zero states.
 */
export function gradientFlow(network: Network, options: GradientFlowOptions = {}): StepGraph {
  const { loss = "last" } = checkedOptions("gradientFlow", options, { loss: { last: 1, all: 1 } });
  checkNetwork("gradientFlow", network);
  const arena = arenaOf(network.specs);
  const names = Object.keys(network.stateShapes);
  const inputs: readonly NamedAval[] = [
    { name: "parameters", dtype: "f32", shape: [arena.size] },
    { name: "x", ...network.x },
    { name: "targets", ...network.targets },
  ];
  const over = (leading: readonly string[]) =>
    Object.fromEntries(names.map((name) => [name, zeros([...leading, ...(network.stateShapes[name] ?? [])])]));
  const graph = traceGraph("gradientFlow", inputs, ([parameters, x, targets]) => {
    const weights = unpack(parameters as Float, arena);
    const measured = (perturbations: Perturbations): Float => {
      const output = perturbed(network, weights, x as Tensor, over(["B"]), perturbations);
      return lossOf(
        loss === "all"
          ? network.loss(output, targets as Tensor)
          : network.loss(slice(output, 0, -1, 1), slice(targets as Tensor, 0, -1, 1)),
      );
    };
    const { grad } = valueAndGrad(measured)(over(["T", "B"]));
    return names.map((name) => {
      const gradient = grad[name] as Float;
      const axes = gradient.shape.map((_, axis) => axis).slice(1);
      return sqrt(sum(square(gradient), axes));
    });
  });
  return { graph, arena, donate: {}, outputs: Object.fromEntries(names.map((name, i) => [name, i])) };
}

/** The network's output if step t reads each state plus entry t of its perturbation. */
function perturbed(
  network: Network,
  weights: ParameterTensors,
  x: Tensor,
  initial: NetworkState,
  perturbations: Perturbations,
): Float {
  const advance: Advance = (cell, input, state, layer) => {
    const names = Object.keys(cell.stateShapes);
    const { carries, ys } = scanTensors(
      (before, [xAt, ...perturbation]) => {
        const read = names.map((name, i) => [name, add(at(before, i) as Float, at(perturbation, i) as Float)] as const);
        const next = cell.step(xAt as Float, Object.fromEntries(read));
        return { carries: names.map((name) => next.state[name] as Float), ys: [next.output] };
      },
      names.map((name) => state[name] as Float),
      [input, ...names.map((name) => perturbations[`layers/${layer}/${name}`] as Float)],
      { name: cell.name },
    );
    return {
      outputs: at(ys, 0) as Float,
      state: Object.fromEntries(names.map((name, i) => [name, at(carries, i) as Float])),
    };
  };
  const run = model("perturbed", () => network.through(x, initial, advance).output);
  return run.apply(weights);
}
