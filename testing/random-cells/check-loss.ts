/**
 * @file All checks of a loss at one point: reverse mode equals difference quotients and forward mode, a scan equals its
 * unrolled form, passes preserve values, and every executor agrees with the interpreter; optionally, the same for the
 * derivative of the gradient. A printed random cell ends with a call of `checkLoss`.
 */
import { at } from "../../compiler/graph/errors.ts";
import { checkedOptions } from "../../compiler/graph/options.ts";
import type { Aval, Model, NdArray, ParameterTensors, Shape, Tensor } from "../../index.ts";
import type { Executor } from "../executor.ts";
import { jittered, relativeError } from "../numbers/compare.ts";
import {
  gradientIsDifferenceQuotient,
  type Prepared,
  passesKeepValues,
  prepare,
  programsAreValid,
  reverseIsForward,
  sameOn,
  unrolledIsScan,
} from "./cell-checks.ts";
import { lossGraphs } from "./cell-graphs.ts";
import { leastMargin, marginOf } from "./margins.ts";
import { nodeValues, roundingExecutor, stoppedValues } from "./node-values.ts";
import { secondOrderAgrees } from "./second-order.ts";

type Arrays = Readonly<Record<string, NdArray>>;
type Arguments = Readonly<Record<string, Tensor>>;

/** Optional checks. */
export interface CheckOptions {
  /** 2 also checks the derivative of the gradient, on every executor, at about the cost of all other checks. 1 by default. */
  readonly order?: 1 | 2;
}

/** The outcome of the checks. */
export interface CheckOutcome {
  /** Why nothing was compared: the point is at a jump of a derivative or a decision, or f32 does not determine the loss. */
  readonly unsuitable?: string;
  /** For order 2: whether f32 determines the second derivatives, so that they were checked on executors. */
  readonly isSecondDetermined?: boolean;
}

/** The point at which a loss is checked, by names of parameters and arguments. */
export interface LossPoint {
  /** Values of the parameters, by path. */
  readonly parameters: Arrays;
  /** Values of the differentiated arguments. */
  readonly inputs: Arrays;
  /** Values of the other arguments. */
  readonly fixed?: Arrays;
  /** Shapes of arguments with symbolic dimensions: `{ x: ["T", "B", 3] }`. */
  readonly shapes?: Readonly<Record<string, Shape>>;
  /** Seed of the directions of differentiation; 1 by default. */
  readonly seed?: number;
}

/** A loss at its point, in float64. */
export interface LossOutcome extends CheckOutcome {
  /** Value of the loss. */
  readonly loss: number;
  /** Gradients by names of parameters and inputs. */
  readonly gradients: Arrays;
}

/**
 * Checks a loss, a model of named arguments, at one point. Throws an error that says which property is violated, and by how
 * much.
 */
export async function checkLoss(
  loss: Model<[Arguments], Tensor<"f32">>,
  point: LossPoint,
  executors: readonly Executor[] = [],
  options: CheckOptions = {},
): Promise<LossOutcome> {
  checkedOptions("checkLoss", options, ofCheck);
  const {
    parameters,
    inputs,
    fixed = {},
    shapes = {},
    seed = 1,
  } = checkedOptions("checkLoss", point, {
    parameters: "object",
    inputs: "object",
    fixed: "object",
    shapes: "object",
    seed: "number",
  });
  const given = Object.entries({ ...parameters, ...inputs, ...fixed });
  const moved = [...Object.keys(parameters), ...Object.keys(inputs)];
  const weightCount = Object.keys(parameters).length;
  const prepared = prepare(
    lossGraphs({
      avals: given.map(([name, { dtype, shape }]): Aval & { name: string } => ({
        ...{ name, dtype },
        shape: shapes[name] ?? shape,
      })),
      inputs: given.map(([, value]) => value),
      moving: given.map((_, i) => i < moved.length),
      lossOf: (tensors) => {
        const named = given.map(([name], i) => [name, at(tensors, i)] as const);
        const weights = Object.fromEntries(named.slice(0, weightCount)) as ParameterTensors;
        return loss.apply(weights, Object.fromEntries(named.slice(weightCount)));
      },
      seed,
    }),
  );
  return {
    loss: prepared.value.data[0] ?? Number.NaN,
    gradients: Object.fromEntries(moved.map((name, i) => [name, at(prepared.gradients, i)])),
    ...(await checkPrepared(prepared, executors, options)),
  };
}

/** 24 bits above the smallest normal f32. */
const leastGradient = 2 ** (24 - 126);

export const ofCheck = { order: "any" } as const;

/** The same as `checkLoss`, for existing graphs. */
export async function checkPrepared(
  prepared: Prepared,
  executors: readonly Executor[],
  { order = 1 }: CheckOptions,
): Promise<CheckOutcome> {
  if (!prepared.gradients.every(({ data }) => data.every(Number.isFinite)))
    throw new Error("the gradient is not finite");
  const unsuitable = await reasonNotTo(prepared);
  if (unsuitable !== undefined) return { unsuitable };
  gradientIsDifferenceQuotient(prepared);
  reverseIsForward(prepared);
  unrolledIsScan(prepared);
  passesKeepValues(prepared);
  programsAreValid(prepared);
  for (const executor of [roundingExecutor, ...executors]) await sameOn(executor, prepared);
  return order === 1 ? {} : { isSecondDetermined: await secondOrderAgrees(prepared, executors) };
}

/** Why a point is unsuitable for comparisons in f32, if it is. */
export async function reasonNotTo(prepared: Prepared): Promise<string | undefined> {
  // All errors are relative to the scale: if it were infinite, no error would count.
  if (!Number.isFinite(prepared.scale)) return "not finite where rounding moves its numbers";
  // A device can flush subnormals to 0, and terms of the gradient can be smaller than it by all its digits.
  if (prepared.scale > 0 && prepared.scale < leastGradient) return "so small that parts of it are subnormal";
  const { straightLoss: graph, inputs, moving, seed } = prepared;
  const values = nodeValues(graph, inputs);
  const nearby = jittered(inputs, moving, seed);
  const moved = [nodeValues(graph, nearby), stoppedValues(graph, nearby, values)];
  if (marginOf(graph, moving, values, moved) < leastMargin) return "near a kink or a comparison's edge";
  const [, ...rounded] = await roundingExecutor.execute(prepared.gradient, inputs);
  const lost = relativeError(rounded, prepared.gradients, prepared.scale);
  return lost > roundingExecutor.tolerance / 10 ? "determined badly by f32 numbers" : undefined;
}
