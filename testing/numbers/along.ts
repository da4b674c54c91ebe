/** @file Points along a direction. */
import { type NdArray, ndarray } from "../../compiler/graph/ndarray.ts";

/** x + distance · direction, or x if there is no direction. */
export function along(x: NdArray, direction: NdArray | undefined, distance: number): NdArray {
  return ndarray(
    x.shape,
    x.data.map((value, i) => value + distance * (direction?.data[i] ?? 0)),
  );
}
