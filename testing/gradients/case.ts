/** @file A case of the gradient check: sizes, and numbers generated from a seed. */

import { evaluateShape } from "../../compiler/graph/dim.ts";
import { threefry } from "../../compiler/ops/threefry.ts";
import { interpret, type NdArray, ndarray } from "../../index.ts";
import { norm } from "../numbers/compare.ts";
import type { Argument, Programs } from "./programs.ts";

/** One case of a check: sizes, and the seed of its numbers. */
export interface Case {
  /** Units of a cell; unused for a function. */
  readonly units: number;
  /** Features of a cell's input; unused for a function. */
  readonly features: number;
  /** Rows of the batch. */
  readonly batch: number;
  /** Steps of the sequence. */
  readonly time: number;
  /** Whether it starts from the final state of an earlier sequence instead of zeros. */
  readonly carried: boolean;
  /** Seed of the numbers. */
  readonly seed: number;
}

/** Generates the arguments of a case. States are ones that a sequence can reach, because cells can rely on that. */
export function drawArguments(
  programs: Pick<Programs, "arguments" | "finalState">,
  { batch, time, carried, seed }: Case,
): NdArray[] {
  const sizes = { B: batch, T: time };
  const args = programs.arguments.map((argument, i) =>
    argument.role === "state" ? filled(argument, sizes, () => 0) : uniform(argument, sizes, seed, i),
  );
  if (!carried || programs.finalState === undefined) return args;
  const states = interpret(
    programs.finalState,
    // The same weights with other inputs.
    programs.arguments.map((argument, i) =>
      argument.role === "x" ? uniform(argument, sizes, seed, i + 1000) : (args[i] as NdArray),
    ),
  );
  return args.map((given, i) => {
    const first = programs.arguments.length - states.length;
    return i < first ? given : (states[i - first] as NdArray);
  });
}

/** A direction of length 1 through all arguments. */
export function drawWholeDirection(args: readonly Argument[], { batch, time, seed }: Case): NdArray[] {
  const sizes = { B: batch, T: time };
  return unit(args.map(({ aval }, i) => uniform({ aval }, sizes, seed, i + 3000)));
}

/** A direction of length 1 for one argument, and zeros for the others. */
export function drawDirection(args: readonly Argument[], { batch, time, seed }: Case, index: number): NdArray[] {
  const sizes = { B: batch, T: time };
  return unit(
    args.map(({ aval }, i) =>
      i === index ? uniform({ aval }, sizes, seed, i + 2000) : filled({ aval }, sizes, () => 0),
    ),
  );
}

function unit(direction: readonly NdArray[]): NdArray[] {
  const length = norm(direction) || 1;
  return direction.map(({ shape, data }) =>
    ndarray(
      shape,
      data.map((x) => x / length),
    ),
  );
}

type Drawn = Pick<Argument, "aval" | "domain">;

/** Uniform in the domain, or else in ±1.5 with three decimals and never 0, so that a printed case is short and exact. */
function uniform(drawn: Drawn, sizes: Readonly<Record<string, number>>, key: number, stream: number): NdArray {
  const { domain } = drawn;
  return filled(drawn, sizes, (i) => {
    const place = threefry(key, stream, i, 0) % 3000;
    if (domain !== undefined) {
      return Number((domain.from + ((domain.to - domain.from) * (place + 0.5)) / 3000).toPrecision(6));
    }
    return (place < 1500 ? place - 1500 : place - 1499) / 1000;
  });
}

function filled({ aval }: Drawn, sizes: Readonly<Record<string, number>>, number: (i: number) => number): NdArray {
  const shape = evaluateShape(aval.shape, sizes);
  const count = shape.reduce((a, b) => a * b, 1);
  return ndarray(
    shape,
    Float64Array.from({ length: count }, (_, i) => number(i)),
  );
}
