/**
 * @file Concrete numbers: a dtype, a shape and row-major data. The data is float64 for every dtype: the interpreter
 * defines meaning in float64, and every i32, u32 and bool is exact in it.
 */
import { expectArgument, inWords, UserError } from "./errors.ts";
import { type DType, isDType } from "./graph.ts";

/** Numbers with a dtype and a shape, on the host. */
export interface NdArray {
  /** The element type; the data is float64 for all of them. */
  readonly dtype: DType;
  /** The dimensions, slowest-varying first. */
  readonly shape: readonly number[];
  /** Row-major; bool is 0 or 1. */
  readonly data: Float64Array;
}

export function sizeOfNumbers(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

/** Whether a dtype can hold a number: integers in its range, 0 or 1 for bool, any number for f32. */
export function holds(dtype: DType, value: number): boolean {
  if (dtype === "f32") return true;
  if (dtype === "bool") return value === 0 || value === 1;
  return dtype === "i32" ? (value | 0) === value : value >>> 0 === value;
}

/** The position of the first number that the dtype cannot hold, or -1. A loop, since every batch is checked. */
export function strangerTo(dtype: DType, data: ArrayLike<number>): number {
  if (dtype === "f32") return -1;
  for (let i = 0; i < data.length; i++) if (!holds(dtype, data[i] ?? Number.NaN)) return i;
  return -1;
}

/**
 * `data` in row-major order; its length must be the product of `shape`. Throws a UserError for numbers that the dtype
 * cannot hold, such as 1.5 in i32.
 */
export function ndarray(shape: readonly number[], data: ArrayLike<number>, dtype: DType = "f32"): NdArray {
  expectArgument(Array.isArray(shape), "ndarray: the shape", shape, "a list, such as [2, 3]");
  expectArgument(
    typeof data === "object" && data !== null && "length" in data,
    "ndarray: the data",
    data,
    "numbers in a list or a typed array",
  );
  expectArgument(isDType(dtype), "ndarray: the dtype", dtype, "f32, i32, u32 or bool");
  if (sizeOfNumbers(shape) !== data.length) {
    throw new UserError(
      `ndarray: shape [${shape.join(", ")}] holds ${sizeOfNumbers(shape)} numbers, got ${data.length}`,
    );
  }
  if (Array.isArray(data)) {
    const other = data.find((value) => typeof value !== "number" && typeof value !== "boolean");
    expectArgument(
      other === undefined,
      "ndarray: an entry of the data",
      other,
      "a number; nested lists are for fromNested",
    );
  }
  const numbers = Float64Array.from(data);
  const wrong = strangerTo(dtype, numbers);
  if (wrong >= 0)
    throw new UserError(
      `ndarray: entry ${wrong} (counted from 0) is ${numbers[wrong]}; expected ${dtype === "bool" ? "0 or 1, for bool" : `whole numbers that fit into ${dtype}`}`,
    );
  return { dtype, shape, data: numbers };
}

export const ofAnotherDevice = "is an array of another device; read it there and upload it here";

/** Why a value is not an array at all: a sentence, or undefined. */
export function arrayFault(value: unknown): string | undefined {
  if (typeof value === "object" && value !== null && "shape" in value && "dtype" in value) return undefined;
  return `is ${inWords(value)}; make it an array with ndarray(shape, numbers, dtype) or fromNested(lists, dtype)`;
}

/** Why an array is not a valid value of a dtype: a sentence, or undefined. */
export function valueFault(value: NdArray, expected: DType): string | undefined {
  const fault = arrayFault(value);
  if (fault !== undefined) return fault;
  const { dtype, shape, data } = value;
  if (dtype !== expected) return `is ${dtype}; expected ${expected}`;
  // The numbers of a device array are on the device.
  if (data === undefined) return ofAnotherDevice;
  const size = sizeOfNumbers(shape);
  return data.length === size ? undefined : `has ${data.length} numbers; its shape [${shape.join(", ")}] holds ${size}`;
}

export function scalar(value: number, dtype: DType = "f32"): NdArray {
  return ndarray([], [value], dtype);
}

export function zeros(shape: readonly number[], dtype: DType = "f32"): NdArray {
  return { dtype, shape, data: new Float64Array(sizeOfNumbers(shape)) };
}

export type Nested = number | readonly Nested[];

/** Makes an array from nested lists: `fromNested([[1, 2], [3, 4]])` has shape [2, 2]. */
export function fromNested(value: Nested, dtype: DType = "f32"): NdArray {
  const shape: number[] = [];
  for (let level: Nested | undefined = value; Array.isArray(level); level = level[0]) shape.push(level.length);
  return ndarray(shape, flatten(value), dtype);
}

function flatten(value: Nested): number[] {
  expectArgument(
    typeof value === "number" || Array.isArray(value),
    "fromNested: an entry",
    value,
    "a number or a list of them",
  );
  return typeof value === "number" ? [value] : value.flatMap(flatten);
}

/** Row-major strides, in elements. */
export function stridesOf(shape: readonly number[]): number[] {
  const strides = new Array<number>(shape.length).fill(1);
  for (let axis = shape.length - 2; axis >= 0; axis--) {
    strides[axis] = (strides[axis + 1] ?? 1) * (shape[axis + 1] ?? 1);
  }
  return strides;
}
