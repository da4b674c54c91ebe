/**
 * @file Bodies that several parts of kernels share: equal parts are one body, which is written once. It numbers its
 * buffers from 0 and has symbols of its own where they differ in a sum of dimensions, such as the offset of a value; the
 * places of a part say what both stand for there.
 */
import { type Dim, dimCoefficient, dimFactors, mulDims } from "../graph/dim.ts";
import { at } from "../graph/errors.ts";
import type { GlobalArray, PartPlaces } from "./ir.ts";

/** No symbol of a program begins so. */
const mark = "@";

/** The name of a buffer, and the symbol of a sum, by their numbers. */
export const placeBuffer = (number: number): string => `place${number}`;
export const placeSymbol = (number: number): string => `${mark}${number}`;

/** A buffer of a body, in a part with these places. */
export function arrayAt(array: GlobalArray, places: PartPlaces | undefined): GlobalArray {
  if (places === undefined) return array;
  const { buffer, name } = at(places.buffers, array.buffer);
  return { ...array, buffer, name };
}

/** A sum of dimensions of a body, in a part with these places. */
export function sumAt(sum: readonly Dim[], places: PartPlaces | undefined): readonly Dim[] {
  if (places === undefined) return sum;
  return sum.flatMap((dim) => {
    const [factor] = dimFactors(dim);
    if (factor?.startsWith(mark) !== true) return [dim];
    return at(places.sums, Number(factor.slice(mark.length))).map((each) => mulDims(dimCoefficient(dim), each));
  });
}
