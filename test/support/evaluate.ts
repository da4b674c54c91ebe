/** @file Runs a function of tensors on numbers, in the interpreter, and checks its derivatives: a line for a test. */
import { at } from "../../compiler/graph/errors.ts";
import { fromNested, type NdArray, type Nested, sizeOfNumbers } from "../../compiler/graph/ndarray.ts";
import { verify } from "../../compiler/ops/verify.ts";
import { add, grad, interpret, jvp, mul, sum, type Tensor, traceGraph } from "../../index.ts";
import { generator, randomFloats } from "../../testing/numbers/random-data.ts";

type Float = Tensor<"f32">;

/** A function of tensors of some dtypes; the numbers that it is run on have them. */
export type TensorFunction = (...tensors: never[]) => Tensor | readonly Tensor[];
export type FloatFunction = (...tensors: Float[]) => Float;

/** What is known of an op. */
export interface OpCase {
  /** Function, arguments, result. */
  readonly gives: readonly (readonly [TensorFunction, readonly NdArray[], NdArray])[];
  /** Functions of f32 tensors and a place to differentiate them, away from kinks. */
  readonly derivatives?: readonly (readonly [FloatFunction, readonly NdArray[]])[];
}

export const f32 = (value: Nested): NdArray => fromNested(value, "f32");
export const i32 = (value: Nested): NdArray => fromNested(value, "i32");
export const u32 = (value: Nested): NdArray => fromNested(value, "u32");
export const bool = (value: Nested): NdArray => fromNested(value, "bool");

/** All results of `f` on the arrays; the graph is verified. */
export function evaluateAll(f: TensorFunction, args: readonly NdArray[]): NdArray[] {
  const avals = args.map(({ dtype, shape }, i) => ({ name: `x${i}`, dtype, shape }));
  const graph = traceGraph("f", avals, (tensors) => {
    const results = f(...(tensors as never[]));
    return Array.isArray(results) ? results : [results as Tensor];
  });
  return interpret(verify(graph), args);
}

export function evaluate(f: TensorFunction, args: readonly NdArray[]): NdArray {
  return at(evaluateAll(f, args), 0);
}

function moved(args: readonly NdArray[], along: readonly NdArray[], distance: number): NdArray[] {
  return args.map((array, i) => ({
    ...array,
    data: array.data.map((value, k) => value + distance * (along[i]?.data[k] ?? 0)),
  }));
}

/** Fourth-order central differences of every element of the results of `f`, along a direction. */
function differences(f: TensorFunction, args: readonly NdArray[], along: readonly NdArray[], h: number): number[] {
  const near = (distance: number) => evaluateAll(f, moved(args, along, distance)).flatMap(({ data }) => [...data]);
  const [back2, back1, on1, on2] = [near(-2 * h), near(-h), near(h), near(2 * h)];
  return on1.map((value, i) => (8 * (value - at(back1, i)) - (at(on2, i) - at(back2, i))) / (12 * h));
}

function largest(values: readonly number[]): number {
  return values.reduce(
    (most, value) => Math.max(most, Number.isNaN(value) ? Number.POSITIVE_INFINITY : Math.abs(value)),
    0,
  );
}

function dot(a: readonly NdArray[], b: readonly NdArray[]): number {
  return a.reduce((total, { data }, i) => data.reduce((s, value, k) => s + value * (at(b, i).data[k] ?? 0), total), 0);
}

/**
 * The largest errors of the derivatives of a function of f32 tensors, relative to the largest derivative (or 1): reverse
 * mode against differences of the values, forward mode against reverse mode, and the second derivative (grad of grad)
 * against differences of the first.
 */
export function derivativeErrors(f: FloatFunction, args: readonly NdArray[], h = 1e-3) {
  const random = generator(5);
  const shape = evaluate(f as TensorFunction, args).shape;
  const weights = randomFloats(random, shape);
  const count = args.length;
  const weighed = (inputs: readonly Float[]) => sum(mul(f(...inputs.slice(0, count)), at(inputs, count)));
  const first = (...inputs: Float[]) =>
    grad((primals: Float[]) => weighed([...primals, at(inputs, count)]))(inputs.slice(0, count));
  const all = [...args, weights];
  const gradient = evaluateAll(first as TensorFunction, all);
  const along = args.map((array) => randomFloats(random, array.shape));

  const value = (...inputs: Float[]) => weighed(inputs);
  const scale = Math.max(1, largest(gradient.flatMap(({ data }) => [...data])));
  const reverse = args.flatMap((array, i) =>
    Array.from({ length: sizeOfNumbers(array.shape) }, (_, k) => {
      const axis = args.map((other, j) => ({ ...other, data: other.data.map((__, m) => Number(i === j && k === m)) }));
      return at(differences(value as TensorFunction, all, axis, h), 0) - (at(gradient, i).data[k] ?? 0);
    }),
  );
  const tangent = evaluate(
    ((...inputs: Float[]) =>
      jvp((...primals: Float[]) => weighed([...primals, at(inputs, count)]))(
        inputs.slice(0, count),
        inputs.slice(count + 1),
      ).tangent) as TensorFunction,
    [...all, ...along],
  );

  const slope = (...inputs: Float[]) =>
    first(...inputs.slice(0, count + 1))
      .map((g, i) => sum(mul(g, at(inputs, count + 1 + i))))
      .reduce((a, b) => add(a, b));
  const second = evaluateAll(
    ((...inputs: Float[]) =>
      grad((primals: Float[]) => slope(...primals, ...inputs.slice(count)))(inputs.slice(0, count))) as TensorFunction,
    [...all, ...along],
  ).flatMap(({ data }) => [...data]);
  const bent = differences(first as TensorFunction, all, along, h);
  return {
    reverse: largest(reverse) / scale,
    forward: Math.abs(Number(tangent.data[0]) - dot(gradient, along)) / scale,
    second: largest(second.map((s, i) => s - at(bent, i))) / Math.max(1, largest(bent)),
  };
}
