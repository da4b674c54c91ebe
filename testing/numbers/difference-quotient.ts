/**
 * @file Compares a derivative along a line with difference quotients in float64. The best step size depends on the
 * curvature of the function and the size of its values, so several are tried (fourth-order central differences, which are
 * Richardson extrapolations of second-order ones), and the effect of rounding on each is measured. A derivative is right if
 * one of them agrees, and wrong if they converge to another value. Otherwise the result is undetermined: the function
 * changes direction within the smallest step, or its values are too large for their differences.
 */

import { at } from "../../compiler/graph/errors.ts";
import type { NdArray } from "../../compiler/graph/ndarray.ts";
import { differenceTolerance } from "../tolerance.ts";
import { difference, norm } from "./compare.ts";

/** A point of a vector space, in several arrays. */
type Vector = readonly NdArray[];
/** The value of a function at a distance along a direction. */
export type Line = (distance: number) => Vector;

/** The result of comparing a derivative with difference quotients. */
export interface QuotientComparison {
  readonly outcome: "right" | "wrong" | "kink" | "undetermined";
  /** The quotient closest to the derivative. */
  readonly quotient: Vector;
  /** Distance between the two; if noise was measured, minus the effect of rounding and of the step size. */
  readonly excess: number;
}

interface Measured {
  readonly quotient: Vector;
  readonly error: number;
  /** Its change due to rounding and the step size. */
  readonly noise: number;
  /** Lower bound of its change due to rounding of the value. */
  readonly floor: number;
}

const steps = [1e-2, 1e-3, 3e-4, 1e-4, 3e-5, 1e-5, 1e-6, 1e-7] as const;
/** A quotient has converged if it is the same at this many smaller steps. */
const confirmations = 3;
/** An error counts only if the quotient is known ten times more accurately. */
const clarity = 10;

/** Checks a derivative of a line at 0. A right one has an error below 1e-6 of `scale`. */
export function compareWithQuotients(line: Line, derivative: Vector, scale: number): QuotientComparison {
  const close = differenceTolerance * scale;
  const errorOf = (quotient: Vector) => norm(difference(quotient, derivative));
  const right = (quotient: Vector, excess: number) => ({ outcome: "right", quotient, excess }) as const;

  const first = secondOrder(line, 1e-5);
  if (errorOf(first) <= close) return right(first, errorOf(first));
  const quotients: Vector[] = [];
  for (const step of steps) {
    const quotient = fourthOrder(line, step);
    if (errorOf(quotient) <= close) return right(quotient, errorOf(quotient));
    quotients.push(quotient);
  }
  const nearest = quotients.reduce((a, b) => (errorOf(b) < errorOf(a) || Number.isNaN(errorOf(a)) ? b : a));
  if (isKink(line, scale)) return { outcome: "kink", quotient: nearest, excess: errorOf(nearest) };

  const rounding = 2 ** -53 * norm(line(0));
  const measured: Measured[] = [];
  for (const [i, step] of steps.entries()) {
    const quotient = at(quotients, i);
    const noise = noiseOf(line, fourthOrder, step);
    const one = { quotient, error: errorOf(quotient), noise, floor: rounding / step };
    if (excessOf(one) <= close && noise <= clarity * close) return right(quotient, excessOf(one));
    measured.push(one);
  }
  const settled = measured.find((one, i) => one.error > close && settlesElsewhere(measured.slice(i)));
  return settled === undefined
    ? { outcome: "undetermined", quotient: nearest, excess: errorOf(nearest) }
    : { outcome: "wrong", quotient: settled.quotient, excess: excessOf(settled) };
}

function excessOf({ error, noise }: Measured): number {
  return Math.max(0, error - noise);
}

/** (f(h) - f(-h)) / 2h. */
function secondOrder(line: Line, h: number): Vector {
  return over(difference(line(h), line(-h)), 2 * h);
}

/** (8 (f(h) - f(-h)) - (f(2h) - f(-2h))) / 12h, whose error is h⁴/30 of the fifth derivative. */
function fourthOrder(line: Line, h: number): Vector {
  const [near, far] = [difference(line(h), line(-h)), difference(line(2 * h), line(-2 * h))];
  return over(difference(over(near, 1 / 8), far), 12 * h);
}

/**
 * Distance from a derivative to the closest quotient, minus the effect of rounding on it: for values that result from
 * cancellation, whose quotients are all inaccurate.
 */
export function excessOverRounding(line: Line, derivative: Vector): number {
  const excess = steps.map((step) => {
    const error = norm(difference(fourthOrder(line, step), derivative));
    return Math.max(0, error - noiseOf(line, fourthOrder, step, 1e-7));
  });
  // Skips steps that leave the domain of the function.
  return Math.min(...excess.filter(Number.isFinite));
}

/**
 * Four times the change of a quotient when its step changes by up to four times the relative `spacing`: without rounding, a
 * good quotient would not change. This can be far more than the size of the value suggests; it is at least the effect of
 * half a unit in the last place of the value.
 */
function noiseOf(line: Line, quotientAt: (line: Line, h: number) => Vector, h: number, spacing = 1 / 128): number {
  const given = quotientAt(line, h);
  const moved = [1, 2, 3, 4].map((k) => norm(difference(quotientAt(line, h * (1 + k * spacing)), given)));
  return 4 * Math.max(...moved, (2 ** -53 * norm(line(0))) / h);
}

/** Whether the first quotient differs from the derivative and the smaller steps confirm it. */
function settlesElsewhere([first, ...smaller]: readonly Measured[]): boolean {
  if (first === undefined || smaller.length < confirmations) return false;
  const { quotient, error, noise } = first;
  const witnesses = [first, ...smaller.slice(0, confirmations)];
  if (!witnesses.every((one) => isKnown(one) && error > clarity * one.noise)) return false;
  const apart = Math.min(error / clarity, Math.max(noise, norm(quotient) / clarity));
  return smaller.every((one) => norm(difference(one.quotient, quotient)) - one.noise <= apart);
}

/** Whether a quotient is stable: if a function changes direction within the step, every step gives another quotient. */
function isKnown({ quotient, noise, floor }: Measured): boolean {
  return noise <= Math.max(norm(quotient) / clarity, 64 * floor);
}

/** On a smooth line, the slopes of its two sides differ in proportion to h; at a kink, by the same amount at every h. */
function isKink(line: Line, scale: number): boolean {
  const [wide, narrow] = [1e-4, 1e-6].map((h) => norm(gapOf(line, h)));
  return (
    (narrow ?? 0) - noiseOf(line, gapOf, 1e-6) > Math.max(0.3 * (wide ?? 0), clarity * differenceTolerance * scale)
  );
}

/** Difference of the slopes of the two sides. */
function gapOf(line: Line, h: number): Vector {
  const here = line(0);
  return over(difference(difference(line(h), here), difference(here, line(-h))), h);
}

function over(vector: Vector, divisor: number): Vector {
  return vector.map((array) => ({ ...array, data: array.data.map((value) => value / divisor) }));
}
