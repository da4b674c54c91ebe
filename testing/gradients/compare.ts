/**
 * @file One case compared: reverse mode against forward mode and against difference quotients, along a random direction
 * of each argument by itself, so that a fault has the name of a weight, of the input or of a state.
 */
import { interpret, type NdArray, ndarray } from "../../index.ts";
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
  readonly compared: number;
  /** Directions along which the function has a kink (relu at 0) and so no derivative to compare. */
  readonly kinks: number;
  readonly fault?: Fault;
}

export function compareCase(programs: Programs, sizes: Case): Comparison {
  const args = drawArguments(programs, sizes);
  const [value, ...gradients] = interpret(programs.reverse, args);
  const f = value?.data[0] ?? Number.NaN;
  let worst = { forward: 0, difference: 0 };
  let [compared, kinks] = [0, 0];
  const result = (fault?: Fault): Comparison => ({ worst, compared, kinks, ...(fault && { fault }) });

  if (!Number.isFinite(f)) return result({ reason: `the cell itself computes ${f}` });
  const total = Math.hypot(...gradients.map((g) => norm(g)));
  for (const [index, { name }] of programs.arguments.entries()) {
    const gradient = gradients[index] as NdArray;
    const fail = (reason: string) => result({ argument: name, reason });
    const directions = drawDirection(programs.arguments, sizes, index);
    const direction = directions[index] as NdArray;
    const reverse = gradient.data.reduce((sum, g, i) => sum + g * (direction.data[i] ?? 0), 0);
    if (!Number.isFinite(reverse)) return fail(`reverse mode gives ${reverse}`);
    const forward = interpret(programs.forward, [...args, ...directions])[0]?.data[0] ?? Number.NaN;
    // Rounding is relative to the value; the rest is relative to the gradient of this argument.
    const scale = Math.max(norm(gradient), 1e-4 * (total + Math.abs(f)), 1e-9);
    const forwardError = Math.abs(forward - reverse) / scale;
    if (!(forwardError <= LIMITS.forward)) return fail(`reverse mode gives ${reverse}, forward mode ${forward}`);

    const move = (h: number) => {
      const moved = args.map((given, i) => (i === index ? along(given, direction, h) : given));
      return interpret(programs.value, moved)[0]?.data[0] ?? Number.NaN;
    };
    const quotient = differenceQuotient(move, f, reverse, scale);
    if (quotient === "kink") {
      kinks += 1;
      continue;
    }
    const differenceError = Math.abs(quotient - reverse) / scale;
    if (!(differenceError <= LIMITS.difference))
      return fail(`reverse mode gives ${reverse}, the difference quotient ${quotient}`);
    compared += 1;
    worst = {
      forward: Math.max(worst.forward, forwardError),
      difference: Math.max(worst.difference, differenceError),
    };
  }
  return result();
}

/**
 * (f(x + h) - f(x - h)) / 2h. What h is right depends on the function's higher derivatives, so where the first does not
 * agree others are tried: the nearest counts. A wrong derivative agrees with none of them.
 */
function differenceQuotient(
  move: (h: number) => number,
  f: number,
  derivative: number,
  scale: number,
): number | "kink" {
  const slopes = (h: number) => {
    const [above, below] = [move(h), move(-h)];
    return { right: (above - f) / h, left: (f - below) / h, central: (above - below) / (2 * h) };
  };
  const error = (quotient: number) => Math.abs(quotient - derivative);
  const first = slopes(1e-5);
  if (error(first.central) <= LIMITS.difference * scale) return first.central;
  const [wide, narrow] = [slopes(1e-4), slopes(1e-6)];
  const nearest = [first, wide, narrow].map(({ central }) => central).reduce((a, b) => (error(b) < error(a) ? b : a));
  if (error(nearest) <= LIMITS.difference * scale) return nearest;
  return isKink(wide, narrow, scale) ? "kink" : nearest;
}

interface Slopes {
  readonly left: number;
  readonly right: number;
}

/**
 * Where a function is smooth, the slopes of its two sides differ in proportion to h; at a kink they differ by the same
 * at every h. Differences that small rounding can make are none.
 */
function isKink(wide: Slopes, narrow: Slopes, scale: number): boolean {
  const gap = ({ left, right }: Slopes) => Math.abs(right - left);
  return gap(narrow) > Math.max(0.3 * gap(wide), 1e-5 * scale);
}

function along(x: NdArray, direction: NdArray, h: number): NdArray {
  return ndarray(
    x.shape,
    x.data.map((value, i) => value + h * (direction.data[i] ?? 0)),
  );
}

function norm(x: NdArray): number {
  return Math.hypot(...x.data);
}
