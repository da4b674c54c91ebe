/**
 * @file Sequences [T, ..] cut into chunks of equal length: [steps, rows, width] with one row for every chunk and row of
 * the state. All chunks can then be walked at once by an ordinary loop. The last chunk is padded with zeros.
 */
import { ceilDim, type Dim, mulDims, type Shape, sizeOf } from "../graph/dim.ts";
import type { DType } from "../graph/graph.ts";
import { cast, less } from "../ops/elementwise.ts";
import { concat, pad, slice } from "../ops/pieces.ts";
import { dimSize, iota } from "../ops/sources.ts";
import { broadcastAxes, constant, reshape, transpose } from "../ops/views.ts";
import type { Tensor } from "../trace/tensor.ts";

type Float = Tensor<"f32">;

export class ChunksOfTime {
  readonly length: Dim;
  /** Steps of a chunk. */
  readonly steps: number;
  /** Number of chunks. */
  readonly count: Dim;
  /** The state of one step as [rows, width]. */
  readonly rows: Dim;
  readonly width: Dim;

  /** `shape`: that of a state. Its first axis is the rows of a batch, if there are more axes or its size is a symbol. */
  constructor(length: Dim, steps: number, shape: Shape) {
    const [first = 1, ...rest] = shape;
    const hasRows = shape.length > 1 || typeof first === "string";
    this.length = length;
    this.steps = steps;
    this.count = ceilDim(length, steps);
    this.rows = hasRows ? first : 1;
    this.width = hasRows ? sizeOf(rest) : first;
  }

  /** The time of all chunks together. */
  get paddedLength(): Dim {
    return mulDims(this.steps, this.count);
  }

  /** A sequence [T, ..state] as [count * steps, rows, width]. */
  padded<D extends DType>(x: Tensor<D>): Tensor<D> {
    return pad(reshape(x, [this.length, this.rows, this.width]), 0, 0, this.paddedLength);
  }

  /** Which steps of a padded sequence exist, [count * steps, rows, width]. */
  exists(): Tensor<"bool"> {
    const shape = [this.paddedLength, this.rows, this.width];
    const { length } = this;
    const end = typeof length === "number" ? constant(length, "i32") : cast(dimSize(length), "i32");
    return less(iota(shape, 0), broadcastAxes(end, shape, []));
  }

  /** A padded sequence as [steps, count * rows, width], for a loop over the steps of all chunks. */
  cut(padded: Float): Float {
    const stepsFirst = transpose(this.#byChunk(padded), [1, 0, 2, 3]);
    return reshape(stepsFirst, [this.steps, mulDims(this.count, this.rows), this.width]);
  }

  /** The opposite of `cut`. */
  joined(x: Float): Float {
    const stepsFirst = reshape(x, [this.steps, this.count, this.rows, this.width]);
    return reshape(transpose(stepsFirst, [1, 0, 2, 3]), [this.paddedLength, this.rows, this.width]);
  }

  /** A padded sequence as [T, ..shape]. */
  unpadded<D extends DType>(padded: Tensor<D>, shape: Shape): Tensor<D> {
    return reshape(slice(padded, 0, 0, this.length), [this.length, ...shape]);
  }

  /**
   * The states before each step, padded, from those before each chunk, [count, rows, width], and those after each step,
   * padded.
   */
  before<D extends DType>(starts: Tensor<D>, ends: Tensor<D>, reverse: boolean): Tensor<D> {
    const first = reshape(starts, [this.count, 1, this.rows, this.width]);
    const others = slice(this.#byChunk(ends), 1, reverse ? 1 : 0, this.steps - 1);
    return reshape(concat(reverse ? [others, first] : [first, others], 1), [this.paddedLength, this.rows, this.width]);
  }

  /** The entry of a padded sequence that the last step of each chunk leaves, [count, rows, width]. */
  lastOfEach<D extends DType>(padded: Tensor<D>, reverse: boolean): Tensor<D> {
    const last = slice(this.#byChunk(padded), 1, reverse ? 0 : this.steps - 1, 1);
    return reshape(last, [this.count, this.rows, this.width]);
  }

  #byChunk<D extends DType>(padded: Tensor<D>): Tensor<D> {
    return reshape(padded, [this.count, this.steps, this.rows, this.width]);
  }

  /** Values of every chunk, [count * rows, width], as a sequence of chunks [count, rows, width]. */
  perChunk(x: Float): Float {
    return reshape(x, [this.count, this.rows, this.width]);
  }

  /** The opposite of `perChunk`. */
  asRows(x: Float): Float {
    return reshape(x, [mulDims(this.count, this.rows), this.width]);
  }

  /** A state as [rows, width]. */
  flat<D extends DType>(state: Tensor<D>): Tensor<D> {
    return reshape(state, [this.rows, this.width]);
  }
}
