/** @file A case of the gradient check: sizes, and numbers that follow from a seed. */

import { threefry } from "../../compiler/ops/threefry.ts";
import { type Aval, interpret, type NdArray, ndarray } from "../../index.ts";
import type { Argument, Programs } from "./programs.ts";

/** One case of a check: sizes, and the seed of its numbers. */
export interface Case {
  /** Of a cell; a function has none. */
  readonly units: number;
  /** Of a cell's input. */
  readonly features: number;
  /** Rows of the batch. */
  readonly batch: number;
  /** Steps of the sequence. */
  readonly time: number;
  /** Starts in a state that an earlier sequence left behind, instead of zeros. */
  readonly carried: boolean;
  /** Of the numbers. */
  readonly seed: number;
}

/** The arguments of a case. States are only such as a sequence can reach: a cell may rely on that. */
export function drawArguments(
  programs: Pick<Programs, "arguments" | "finalState">,
  { batch, time, carried, seed }: Case,
): NdArray[] {
  const sizes = { B: batch, T: time };
  const draw = (key: number) =>
    programs.arguments.map(({ name, aval }, i) =>
      name.startsWith("state ") ? filled(aval, sizes, () => 0) : uniform(aval, sizes, key, i),
    );
  const args = draw(seed);
  if (!carried || programs.finalState === undefined) return args;
  const states = interpret(
    programs.finalState,
    // The same weights, on other inputs.
    programs.arguments.map(({ name, aval }, i) =>
      name === "x" ? uniform(aval, sizes, seed, i + 1000) : (args[i] as NdArray),
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
  const drawn = args.map(({ aval }, i) => uniform(aval, sizes, seed, i + 3000));
  const length = Math.hypot(...drawn.flatMap(({ data }) => [...data]));
  return drawn.map(({ shape, data }) =>
    ndarray(
      shape,
      data.map((x) => x / length),
    ),
  );
}

/** A direction of length 1 for one argument, and zeros for the others. */
export function drawDirection(args: readonly Argument[], { batch, time, seed }: Case, index: number): NdArray[] {
  const sizes = { B: batch, T: time };
  return args.map(({ aval }, i) => {
    if (i !== index) return filled(aval, sizes, () => 0);
    const direction = uniform(aval, sizes, seed, i + 2000);
    const length = Math.hypot(...direction.data);
    return ndarray(
      direction.shape,
      direction.data.map((x) => x / length),
    );
  });
}

/** Uniform in [-1.5, 1.5] and never 0, with three decimals, so that a printed case is short and exact. */
function uniform(aval: Aval, sizes: Readonly<Record<string, number>>, key: number, stream: number): NdArray {
  return filled(aval, sizes, (i) => {
    const step = (threefry(key, stream, i, 0) % 3000) - 1500;
    return (step < 0 ? step : step + 1) / 1000;
  });
}

function filled(aval: Aval, sizes: Readonly<Record<string, number>>, number: (i: number) => number): NdArray {
  const shape = aval.shape.map((dim) => (typeof dim === "number" ? dim : (sizes[dim] ?? 0)));
  const count = shape.reduce((a, b) => a * b, 1);
  return ndarray(
    shape,
    Float64Array.from({ length: count }, (_, i) => number(i)),
  );
}
