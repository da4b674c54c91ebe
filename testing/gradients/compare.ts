/**
 * @file One case compared: reverse mode against forward mode and against difference quotients, along a random direction
 * of each argument by itself, so that a fault has the name of a weight, of the input or of a state.
 */
import { at } from "../../compiler/graph/errors.ts";
import { interpret, type NdArray, ndarray } from "../../index.ts";
import { along } from "../numbers/along.ts";
import { isFiniteArray, norm } from "../numbers/compare.ts";
import { compareWithQuotients, type QuotientComparison } from "../numbers/difference-quotient.ts";
import { differenceTolerance, exactTolerance } from "../tolerance.ts";
import { type Case, drawArguments, drawDirection } from "./case.ts";
import type { Programs } from "./programs.ts";

/** Relative errors above these are faults. Two modes are both exact; a quotient is not. */
export const LIMITS = { forward: exactTolerance, difference: differenceTolerance } as const;

export interface Fault {
  /** The argument whose derivative is wrong; none where the value is. */
  readonly argument?: string;
  readonly reason: string;
}

export interface Comparison {
  readonly worst: { readonly forward: number; readonly difference: number };
  /** The arguments whose derivatives were compared. */
  readonly compared: readonly string[];
  /** Directions along which the function has a kink (relu at 0) and so no derivative to compare. */
  readonly kinks: number;
  /** Directions along which no quotient settles: the function turns too fast, or rounding hides how it does. */
  readonly undetermined: number;
  readonly fault?: Fault;
}

/** With `surrogates`, what a customGradient says is the derivative, and no quotient knows it. */
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
  // A gradient that is no number is named before any other is compared, so that it enters no tolerance.
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
    // Rounding is relative to the value; the rest is relative to the gradient of this argument.
    const exactScale = Math.max(scale, 1e-4 * (total + Math.abs(f)));
    const forwardError = Math.abs(forward - reverse) / exactScale;
    if (!Number.isFinite(forward) && quotients(scale).outcome !== "wrong") {
      // 0 · ∞ of a chain through a point without a finite derivative, such as the square root at 0.
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
