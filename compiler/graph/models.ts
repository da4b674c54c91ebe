/** @file Arrays of many models: the models are the first axis. */
import { at } from "./errors.ts";
import { type NdArray, sizeOfNumbers } from "./ndarray.ts";

/** The array of one model. */
export function modelOf({ dtype, shape, data }: NdArray, model: number): NdArray {
  const own = shape.slice(1);
  const size = sizeOfNumbers(own);
  return { dtype, shape: own, data: data.slice(model * size, (model + 1) * size) };
}

/** The arrays of all models as one; they have equal shapes. */
export function ofModels(arrays: readonly NdArray[]): NdArray {
  const { dtype, shape } = at(arrays, 0);
  const size = sizeOfNumbers(shape);
  const data = new Float64Array(arrays.length * size);
  for (const [model, array] of arrays.entries()) data.set(array.data, model * size);
  return { dtype, shape: [arrays.length, ...shape], data };
}
