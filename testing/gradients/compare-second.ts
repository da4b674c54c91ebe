/**
 * @file Compares second derivatives: the derivative of the gradient along a random direction of all arguments, by reverse
 * over reverse mode, by forward over reverse mode, and by a difference quotient of the gradient.
 */
import { at } from "../../compiler/graph/errors.ts";
import { type Graph, interpret, type NdArray } from "../../index.ts";
import { along } from "../numbers/along.ts";
import { difference, isFiniteArray, norm } from "../numbers/compare.ts";
import { compareWithQuotients } from "../numbers/difference-quotient.ts";
import { type Case, drawArguments, drawWholeDirection } from "./case.ts";
import { type Fault, LIMITS } from "./compare.ts";
import type { Argument } from "./programs.ts";

export interface SecondPrograms {
  readonly value: Graph;
  readonly reverse: Graph;
  readonly second: Graph;
  readonly secondForward: Graph;
  readonly arguments: readonly Argument[];
  readonly finalState?: Graph;
}

export interface SecondComparison {
  readonly worst: { readonly forward: number; readonly difference: number };
  /** Why nothing was compared: the gradient jumps along the direction, or no quotient of it converges. */
  readonly leftOut?: "kink" | "undetermined";
  readonly fault?: Fault;
}

/** With `surrogates`, only the two modes are compared with each other. */
export function compareSecond(programs: SecondPrograms, sizes: Case, surrogates = false): SecondComparison {
  const args = drawArguments(programs, sizes);
  const direction = drawWholeDirection(programs.arguments, sizes);
  // The rounding of an intermediate of size 1 cannot be distinguished from a second derivative.
  const [value] = interpret(programs.value, args);
  const size = Math.min(1, Math.abs(value?.data[0] ?? 1));
  const reverse = interpret(programs.second, [...args, ...direction]);
  const forward = interpret(programs.secondForward, [...args, ...direction]);
  const gradientAt = (h: number): NdArray[] =>
    interpret(
      programs.reverse,
      args.map((given, i) => along(given, direction[i], h)),
    ).slice(1);
  // NaN is reported, and affects no tolerance.
  const odd = programs.arguments.find((_, i) => !isFiniteArray(at(reverse, i)));
  const scale = Math.max(norm(reverse.filter(isFiniteArray)), 1e-4 * (norm(gradientAt(0)) + size), 1e-9);
  const forwardError = norm(difference(forward, reverse)) / scale;
  const { outcome, excess } = surrogates
    ? ({ outcome: "right", excess: 0 } as const)
    : compareWithQuotients(gradientAt, reverse, scale);
  const worst = { forward: forwardError, difference: outcome === "right" ? excess / scale : 0 };
  const fail = (reason: string, argument?: string): SecondComparison => ({
    worst,
    fault: { ...(argument !== undefined && { argument }), reason: `second order: ${reason}` },
  });
  if (!Number.isFinite(forwardError)) {
    if (outcome === "kink") return { worst: { ...worst, forward: 0 }, leftOut: outcome };
    if (odd !== undefined) return fail("reverse mode over reverse mode gives NaN or infinity", odd.name);
  }
  if (!(forwardError <= LIMITS.forward))
    return fail(`reverse over reverse and forward over reverse differ by ${forwardError.toExponential(1)}`);
  if (outcome === "wrong")
    return fail(
      `reverse mode and a difference quotient of the gradient differ by ${(excess / scale).toExponential(1)}`,
    );
  return outcome === "right" ? { worst } : { worst, leftOut: outcome };
}
