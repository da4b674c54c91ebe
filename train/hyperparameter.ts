/**
 * @file Hyperparameters: numbers of a network or an optimizer that are inputs of its training step, so that the models of a
 * population can have different ones. Wherever a rate may be one, it is a number in all graphs but those of training.
 */
import { expectArgument, UserError } from "../compiler/graph/errors.ts";
import { type NdArray, scalar } from "../compiler/graph/ndarray.ts";
import { constant } from "../compiler/ops/views.ts";
import type { Tensor } from "../compiler/trace/tensor.ts";

type Float = Tensor<"f32">;

/** A named number that training can change without compiling again. */
export class Hyperparameter {
  /** Its name among those of a training step. */
  readonly name: string;
  /** Its value where no other is given. */
  readonly value: number;

  /** Use `hyperparameter`. */
  constructor(name: string, value: number) {
    this.name = name;
    this.value = value;
  }
}

/** A rate that is fixed, or that training gives. */
export type Rate = number | Hyperparameter;

/**
 * A number for `dropout` of layers and networks and for weight decay, of which each model of a population can have its own:
 * option `hyperparameters` of `createPopulation` lists their values by name. Elsewhere it is `value`.
 */
export function hyperparameter(name: string, value: number): Hyperparameter {
  expectArgument(typeof name === "string" && name !== "", "hyperparameter: the name", name, 'text, such as "dropout"');
  expectArgument(Number.isFinite(value), `hyperparameter ${name}: its value`, value, "a finite number");
  return new Hyperparameter(name, value);
}

/** The number of a rate, for checks. */
export function numberOf(rate: Rate): number {
  return rate instanceof Hyperparameter ? rate.value : rate;
}

/** A hyperparameter that a trace has met. */
export interface UsedHyperparameter {
  readonly name: string;
  /** Its value where no other is given. */
  readonly value: number;
  /** Its values are 0 or more, and below this. */
  readonly below: number;
}

interface Scope {
  readonly tensors: Readonly<Record<string, Float>>;
  readonly used: Map<string, UsedHyperparameter>;
}

let current: Scope | undefined;

/**
 * The value of a rate in the current trace: a number, or a scalar tensor where training gives it. Where it is used, rates are
 * `below` that number.
 */
export function rateValue(rate: Rate, below = Number.POSITIVE_INFINITY): number | Float {
  if (!(rate instanceof Hyperparameter)) return rate;
  if (current === undefined) return rate.value;
  const { tensors, used } = current;
  const { name, value } = rate;
  const other = used.get(name);
  if (other !== undefined && other.value !== value)
    throw new UserError(
      `there are two hyperparameters ${name}, ${other.value} and ${value}; use one for both places, or two names`,
    );
  used.set(name, { name, value, below: Math.min(below, other?.below ?? below) });
  return tensors[name] ?? constant(value);
}

/** Runs `body` with a tensor for each hyperparameter, by name; those that are not given are constants. Notes all in `used`. */
export function withHyperparameters<T>(scope: Scope, body: () => T): T {
  const before = current;
  current = scope;
  try {
    return body();
  } finally {
    current = before;
  }
}

/** The name of the input of a training step that gives a hyperparameter. */
export const inputOfHyperparameter = (name: string): string => `hyperparameters/${name}`;

/** The inputs of a training step that do not change: the seed of its random numbers, if it has any, and hyperparameters. */
export function constantsOf(
  step: { readonly isSeeded: boolean; readonly hyperparameters: readonly UsedHyperparameter[] },
  seed: number,
): Record<string, NdArray> {
  return {
    ...(step.isSeeded ? { seed: scalar(seed, "u32") } : {}),
    ...Object.fromEntries(step.hyperparameters.map(({ name, value }) => [inputOfHyperparameter(name), scalar(value)])),
  };
}
