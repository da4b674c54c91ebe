/**
 * @file Zoneout: in training a unit of a state keeps its old value with some probability, independently for each unit and
 * step; Krueger et al. 2016, arXiv:1606.01305, eq. 1. In evaluation the next state is the expectation, rate * old +
 * (1 - rate) * new (their section 3.1).
 */
import type { Cell, State } from "../../compiler/dsl/cell.ts";
import { bernoulli, fork, type Randomness } from "../../compiler/dsl/randomness.ts";
import { add, mul } from "../../compiler/ops/elementwise.ts";
import { where } from "../../compiler/ops/logic.ts";
import { faultOf } from "../../compiler/trace/fault.ts";
import type { Tensor } from "../../compiler/trace/tensor.ts";
import { checkRate } from "./dropout.ts";

type Float = Tensor<"f32">;

/** One rate for all states of a cell, or one for some of them by name (the others 0). */
export type StateRates<Names extends string> = number | Readonly<Partial<Record<Names, number>>>;

/**
 * The cell with zoneout; it has the same weights and states. If the cell's output is one of its states, as in most cells,
 * it is that state with zoneout.
 */
export function zoneout<Names extends string>(
  instance: Cell<Names>,
  rates: StateRates<Names>,
  random?: Randomness,
): Cell<Names> {
  const rateOf = stateRates("zoneout", instance, rates);
  return {
    ...instance,
    isTimed: instance.isTimed === true || random !== undefined,
    step: (x, before, time) => {
      const after = instance.step(x, before, time);
      const zoned = (name: Names): Float => {
        const [old, next, rate] = [before[name], after.state[name], rateOf(name)];
        if (rate === 0) return next;
        if (random === undefined) return add(mul(old, rate), mul(next, 1 - rate));
        return where(bernoulli(fork(random, name), rate, next.shape, time), old, next);
      };
      const names = Object.keys(instance.stateShapes) as Names[];
      const state = Object.fromEntries(names.map((name) => [name, zoned(name)])) as State<Names>;
      const shown = names.find((name) => after.state[name].id === after.output.id);
      return { state, output: shown === undefined ? after.output : state[shown] };
    },
  };
}

/** Checks the rates, and returns the rate of each state. */
export function stateRates<Names extends string>(
  what: string,
  instance: Cell<Names>,
  rates: StateRates<Names>,
): (name: Names) => number {
  const given = typeof rates === "number" ? [rates] : Object.values<number | undefined>(rates);
  for (const rate of given) checkRate(what, rate ?? 0);
  const stranger = typeof rates === "number" ? undefined : Object.keys(rates).find((n) => !(n in instance.stateShapes));
  if (stranger !== undefined) {
    const known = Object.keys(instance.stateShapes).join(", ");
    throw faultOf(what, `${instance.name} has no state ${stranger}; its states are ${known}`);
  }
  return (name) => (typeof rates === "number" ? rates : (rates[name] ?? 0));
}
