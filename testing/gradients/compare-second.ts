/**
 * @file Second order compared: the derivative of the gradient along a random direction of all arguments, by reverse mode
 * twice, by forward mode over reverse mode, and by a difference quotient of the gradient.
 */

import type { Graph } from "../../index.ts";
import { interpret, type NdArray, ndarray } from "../../index.ts";
import { type Case, drawArguments, drawWholeDirection } from "./case.ts";
import { type Fault, LIMITS } from "./compare.ts";
import type { Argument } from "./programs.ts";

export interface SecondPrograms {
  readonly reverse: Graph;
  readonly second: Graph;
  readonly secondForward: Graph;
  readonly arguments: readonly Argument[];
  readonly finalState?: Graph;
}

export interface SecondComparison {
  readonly worst: { readonly forward: number; readonly difference: number };
  /** The gradient jumps along the direction: there is no second derivative to compare. */
  readonly kink: boolean;
  readonly fault?: Fault;
}

export function compareSecond(programs: SecondPrograms, sizes: Case): SecondComparison {
  const args = drawArguments(programs, sizes);
  const direction = drawWholeDirection(programs.arguments, sizes);
  const reverse = interpret(programs.second, [...args, ...direction]);
  const forward = interpret(programs.secondForward, [...args, ...direction]);
  const gradientAt = (h: number): NdArray[] =>
    interpret(
      programs.reverse,
      args.map((given, i) => along(given, direction[i], h)),
    ).slice(1);
  const here = gradientAt(0);
  const scale = Math.max(norm(reverse), 1e-4 * norm(here), 1e-9);
  const forwardError = norm(minus(forward, reverse)) / scale;
  const errorOf = (h: number) => norm(minus(quotient(gradientAt(h), gradientAt(-h), 2 * h), reverse)) / scale;
  const differenceError = Math.min(...[1e-5, 1e-4, 1e-6].map(errorOf));
  const worst = { forward: forwardError, difference: differenceError };
  const fail = (reason: string): SecondComparison => ({ worst, kink: false, fault: { reason } });
  if (!(forwardError <= LIMITS.forward))
    return fail(
      `second order: reverse over reverse and forward over reverse differ by ${forwardError.toExponential(1)}`,
    );
  if (differenceError <= LIMITS.difference) return { worst, kink: false };
  const sides = [1e-4, 1e-6].map((h) => {
    const [right, left] = [quotient(gradientAt(h), here, h), quotient(here, gradientAt(-h), h)];
    return norm(minus(right, left));
  });
  // The two sides of a smooth gradient differ in proportion to h; at a kink by the same at every h.
  if ((sides[1] ?? 0) > Math.max(0.3 * (sides[0] ?? 0), 1e-5 * scale))
    return { worst: { ...worst, difference: 0 }, kink: true };
  return fail(
    `second order: reverse mode and a difference quotient of the gradient differ by ${differenceError.toExponential(1)}`,
  );
}

function along(x: NdArray, direction: NdArray | undefined, h: number): NdArray {
  return ndarray(
    x.shape,
    x.data.map((value, i) => value + h * (direction?.data[i] ?? 0)),
  );
}

function minus(a: readonly NdArray[], b: readonly NdArray[]): NdArray[] {
  return a.map((array, i) => along(array, b[i], -1));
}

function quotient(a: readonly NdArray[], b: readonly NdArray[], h: number): NdArray[] {
  return minus(a, b).map(({ shape, data }) =>
    ndarray(
      shape,
      data.map((x) => x / h),
    ),
  );
}

function norm(arrays: readonly NdArray[]): number {
  return Math.hypot(...arrays.flatMap(({ data }) => [...data]));
}
