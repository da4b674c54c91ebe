/**
 * @file Compares one case: reverse mode with forward mode and with difference quotients, along a random direction of each
 * argument separately, so that a failure names a weight, the input or a state.
 */
import { at } from "../../compiler/graph/errors.ts";
import { interpret, type NdArray, ndarray } from "../../index.ts";
import { along } from "../numbers/along.ts";
import { isFiniteArray, norm } from "../numbers/compare.ts";
import { compareWithQuotients, type QuotientComparison } from "../numbers/difference-quotient.ts";
import { differenceTolerance, exactTolerance } from "../tolerance.ts";
import { type Case, drawArguments, drawDirection } from "./case.ts";
import type { Programs } from "./programs.ts";

/** Limits of relative errors. Both modes are exact; a quotient is not. */
export const LIMITS = { forward: exactTolerance, difference: differenceTolerance } as const;

export interface Fault {
  /** The argument whose derivative is wrong; undefined if the value is wrong. */
  readonly argument?: string;
  readonly reason: string;
}

export interface Comparison {
  readonly worst: { readonly forward: number; readonly difference: number };
  /** Arguments whose derivatives were compared. */
  readonly compared: readonly string[];
  /** Number of directions in which the function has a kink (relu at 0) and so no derivative. */
  readonly kinks: number;
  /** Number of directions in which no quotient converges, because of strong curvature or rounding. */
  readonly undetermined: number;
  readonly fault?: Fault;
}

/** With `surrogates`, the vjp of a customGradient is the derivative, and quotients are not compared. */
export function compareCase(programs: Programs, sizes: Case, surrogates = false): Comparison {
  const args = drawArguments(programs, sizes);
  const [value, ...gradients] = interpret(programs.reverse, args);
  const f = value?.data[0] ?? Number.NaN;
  let worst = { forward: 0, difference: 0 };
  const compared: string[] = [];
  const leftOut = { kink: 0, undetermined: 0 };
  const result = (fault?: Fault): Comparison => {
    return { worst, compared, kinks: leftOut.kink, undetermined: leftOut.undetermined, ...(fault && { fault }) };
  };

  if (!Number.isFinite(f)) return result({ reason: notDefined(programs, f) });
  // A gradient that is NaN is reported before any other is compared, so that it affects no tolerance.
  const isOdd = (index: number) => !isFiniteArray(at(gradients, index));
  const inOrder = [...programs.arguments.entries()].sort(([a], [b]) => Number(isOdd(b)) - Number(isOdd(a)));
  const total = norm(gradients);
  for (const [index, { name }] of inOrder) {
    const gradient = at(gradients, index);
    const fail = (reason: string) => result({ argument: name, reason });
    const directions = drawDirection(programs.arguments, sizes, index);
    const direction = directions[index] as NdArray;
    const reverse = gradient.data.reduce((sum, g, i) => sum + g * (direction.data[i] ?? 0), 0);
    const forward = interpret(programs.forward, [...args, ...directions])[0]?.data[0] ?? Number.NaN;
    const move = (h: number) => {
      const moved = args.map((given, i) => (i === index ? along(given, direction, h) : given));
      return interpret(programs.value, moved);
    };
    const quotients = (scale: number) => compareWithQuotients(move, [ndarray([], [reverse])], scale);
    if (isOdd(index)) {
      const where = quotients(1e-9).outcome === "kink" ? " at a point where there is no derivative" : "";
      return fail(`reverse mode gives ${reverse}${where}`);
    }
    const scale = Math.max(norm([gradient]), 1e-6 * total, 1e-9);
    // Rounding is relative to the value; other errors are relative to the gradient of this argument.
    const exactScale = Math.max(scale, 1e-4 * (total + Math.abs(f)));
    const forwardError = Math.abs(forward - reverse) / exactScale;
    if (!Number.isFinite(forward) && quotients(scale).outcome !== "wrong") {
      // 0 · ∞ in a chain through a point without a finite derivative, such as the square root at 0.
      leftOut.kink += 1;
      continue;
    }
    if (!(forwardError <= LIMITS.forward)) return fail(`reverse mode gives ${reverse}, forward mode ${forward}`);
    worst = { ...worst, forward: Math.max(worst.forward, forwardError) };
    if (surrogates) {
      compared.push(name);
      continue;
    }

    const { outcome, quotient, excess }: QuotientComparison = quotients(scale);
    if (outcome === "wrong")
      return fail(`reverse mode gives ${reverse}, the difference quotient ${quotient[0]?.data[0]}`);
    if (outcome !== "right") {
      leftOut[outcome] += 1;
      continue;
    }
    compared.push(name);
    worst = { ...worst, difference: Math.max(worst.difference, excess / scale) };
  }
  return result();
}

function notDefined({ arguments: args }: Programs, value: number): string {
  const [first] = args;
  if (first?.role !== "argument") return `the cell itself computes ${value}`;
  return `the function itself computes ${value}; where it is not defined everywhere, say where it is: arguments: { ${first.name}: { shape: ${JSON.stringify(first.aval.shape)}, from: 0.1, to: 2 } }`;
}
