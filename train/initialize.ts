/**
 * @file Initial values of parameters. Every parameter is sampled from a separate random stream, named by its path, so that
 * adding a layer does not change the others. Results are rounded to f32, so that all devices start equal.
 */
import type { Initializer } from "../compiler/dsl/initializers.ts";
import type { ParameterSpec } from "../compiler/dsl/parameters.ts";
import { formatShape } from "../compiler/graph/dim.ts";
import { at, UserError } from "../compiler/graph/errors.ts";
import { type NdArray, sizeOfNumbers } from "../compiler/graph/ndarray.ts";
import { orthonormalVectors, placeOf } from "./orthogonal.ts";
import { checkSeed, exactLog, type RandomStream, randomStream } from "./random.ts";

/** Returns the initial array of each parameter, by path. `seed` is a whole number below 2^32. */
export function initialize(specs: readonly ParameterSpec[], seed: number): Record<string, NdArray> {
  checkSeed(seed);
  return Object.fromEntries(
    specs.map(({ path, shape, initializer }) => {
      const numbers = sample(initializer, shape, randomStream(seed, path), path);
      return [path, { dtype: "f32", shape, data: new Float64Array(new Float32Array(numbers)) } satisfies NdArray];
    }),
  );
}

function sample(init: Initializer, shape: readonly number[], random: RandomStream, path: string): Float64Array {
  const fill = (next: () => number) => new Float64Array(sizeOfNumbers(shape)).map(next);
  switch (init.kind) {
    case "constant":
      return fill(() => init.value);
    case "normal":
      return fill(() => random.normal() * init.deviation);
    case "uniform":
      return fill(() => init.low + (init.high - init.low) * random.uniform());
    case "glorot": {
      const { fanIn, fanOut } = fans(shape);
      const limit = Math.sqrt(6 / (fanIn + fanOut));
      return fill(() => limit * (2 * random.uniform() - 1));
    }
    case "orthogonal":
      return orthogonalMatrix(shape, init.gain, random, path);
    case "identity":
      return diagonalMatrix(shape, init.gain, path);
    case "chrono":
      return fill(() => exactLog(1 + (init.longest - 2) * random.uniform()));
    case "ringModulus":
      return fill(() => exactLog(-exactLog(betweenSquares(init.inner, init.outer, random)) / 2));
    case "ringPhase":
      // 1 - u is above 0.
      return fill(() => exactLog(init.largest * (1 - random.uniform())));
    case "rows":
      return sampleRows(init.parts, shape, random, path);
  }
}

/** Rows are inputs and columns are outputs; leading axes multiply both, and a vector's fans are both its length. */
function fans(shape: readonly number[]): { fanIn: number; fanOut: number } {
  const width = shape[shape.length - 1] ?? 1;
  const height = shape[shape.length - 2] ?? width;
  const leading = sizeOfNumbers(shape.slice(0, -2));
  return { fanIn: height * leading, fanOut: width * leading };
}

/** A matrix with orthonormal rows, or columns if there are more rows than columns, times `gain`. */
function orthogonalMatrix(shape: readonly number[], gain: number, random: RandomStream, path: string): Float64Array {
  if (shape.length !== 2)
    throw new UserError(`parameter ${path} is ${formatShape(shape)}; an orthogonal initializer needs a matrix`);
  const [rows, columns] = [at(shape, 0), at(shape, 1)];
  const [count, length] = [Math.min(rows, columns), Math.max(rows, columns)];
  const vectors = orthonormalVectors(count, length, random.normal);
  const matrix = new Float64Array(rows * columns);
  for (let vector = 0; vector < count; vector++) {
    for (let k = 0; k < length; k++)
      matrix[rows <= columns ? vector * columns + k : k * columns + vector] =
        gain * (vectors[placeOf(vector, k, length)] ?? 0);
  }
  return matrix;
}

function diagonalMatrix(shape: readonly number[], gain: number, path: string): Float64Array {
  if (shape.length !== 2)
    throw new UserError(`parameter ${path} is ${formatShape(shape)}; an identity initializer needs a matrix`);
  const [rows, columns] = [at(shape, 0), at(shape, 1)];
  return new Float64Array(rows * columns).map((_, i) => (Math.floor(i / columns) === i % columns ? gain : 0));
}

/** Above inner^2 and at most outer^2: the squared modulus of a point that is uniform in the ring. */
function betweenSquares(inner: number, outer: number, random: RandomStream): number {
  return outer ** 2 - (outer ** 2 - inner ** 2) * random.uniform();
}

/** Blocks of rows, each with its own initializer and fans: the kernel of concatenated operands. */
function sampleRows(
  parts: readonly { readonly rows: number; readonly initializer: Initializer }[],
  shape: readonly number[],
  random: RandomStream,
  path: string,
): Float64Array {
  const [rows = 0, ...rest] = shape;
  const total = parts.reduce((sum, part) => sum + part.rows, 0);
  if (total !== rows)
    throw new UserError(`parameter ${path} is ${formatShape(shape)}; its initializers are for ${total} rows`);
  const data = new Float64Array(sizeOfNumbers(shape));
  let offset = 0;
  for (const part of parts) {
    const block = sample(part.initializer, [part.rows, ...rest], random, path);
    data.set(block, offset);
    offset += block.length;
  }
  return data;
}
