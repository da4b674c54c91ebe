/**
 * @file Images as sequences of their pixels, row by row: a test of long memory since Le, Jaitly & Hinton 2015,
 * arXiv:1504.00941, section 4.3. Reads two simple formats: IDX, the format of MNIST
 * (http://yann.lecun.com/exdb/mnist), and binary PGM (https://netpbm.sourceforge.net/doc/pgm.html).
 */
import { UserError } from "../../compiler/graph/errors.ts";
import { checkedOptions } from "../../compiler/graph/options.ts";
import type { LabelledSequences } from "./labelled.ts";

/** A grey image. */
export interface GreyImage {
  /** Pixels of a row. */
  readonly width: number;
  /** Number of rows. */
  readonly height: number;
  /** From 0 (black) to 1 (white), row by row. */
  readonly pixels: Float64Array;
}

/** The array in an IDX file: unsigned bytes with a shape. */
export interface IdxArray {
  /** Sizes of its axes. */
  readonly shape: readonly number[];
  /** The numbers, row-major. */
  readonly data: Uint8Array;
}

const unsignedByte = 0x08;

/** Reads IDX: two zero bytes, the type, the number of axes, their sizes (big-endian), the numbers. */
export function parseIdx(bytes: Uint8Array, name: string): IdxArray {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 4 || view.getUint16(0) !== 0) throw new UserError(`${name} is not in IDX format`);
  const [type, axes] = [view.getUint8(2), view.getUint8(3)];
  if (type !== unsignedByte)
    throw new UserError(`${name} holds numbers of type 0x${type.toString(16)}; only bytes (0x8) are supported`);
  const start = 4 + 4 * axes;
  if (bytes.length < start) throw new UserError(`${name} is cut off in its header`);
  const shape = Array.from({ length: axes }, (_, axis) => view.getUint32(4 + 4 * axis));
  const size = shape.reduce((a, b) => a * b, 1);
  if (bytes.length !== start + size)
    throw new UserError(`${name} has ${bytes.length - start} bytes for [${shape.join(", ")}]; expected ${size}`);
  return { shape, data: bytes.subarray(start) };
}

/** The images of an IDX file of shape [count, height, width]. */
export function imagesOfIdx({ shape, data }: IdxArray, name: string): GreyImage[] {
  const [count = 0, height = 0, width = 0] = shape;
  if (shape.length !== 3) throw new UserError(`${name} is [${shape.join(", ")}]; images are [count, height, width]`);
  const size = height * width;
  return Array.from({ length: count }, (_, i) => ({
    ...{ width, height },
    pixels: Float64Array.from(data.subarray(i * size, (i + 1) * size), (byte) => byte / 255),
  }));
}

/** Reads binary PGM: "P5", width, height, the brightest value, and then the pixels, one or two bytes each. */
export function parsePgm(bytes: Uint8Array, name: string): GreyImage {
  const head = new TextDecoder("latin1").decode(bytes.subarray(0, 1024));
  const gap = String.raw`(?:\s|#[^\n]*\n)+`;
  const found = new RegExp(`^P5${gap}(\\d+)${gap}(\\d+)${gap}(\\d+)\\s`).exec(head);
  if (found === null) throw new UserError(`${name} is not a binary PGM image`);
  const [width, height, brightest] = found.slice(1).map(Number) as [number, number, number];
  const wide = brightest > 255 ? 2 : 1;
  const data = bytes.subarray(found[0].length);
  if (data.length < width * height * wide || width * height === 0 || brightest < 1 || brightest > 65535)
    throw new UserError(`${name} has ${data.length} bytes for ${width} x ${height} pixels`);
  const byte = (i: number) => data[i] ?? Number.NaN;
  const value = (i: number) => (wide === 1 ? byte(i) : 256 * byte(2 * i) + byte(2 * i + 1));
  return { width, height, pixels: Float64Array.from({ length: width * height }, (_, i) => value(i) / brightest) };
}

/** Options of `pixelSequences`. */
export interface PixelOptions {
  /** One row of pixels per step instead of one pixel; all images must have the same width. */
  readonly byRows?: boolean;
}

export const ofPixels = { byRows: "boolean" } as const;

/** Labelled images as sequences of one pixel, or one row of pixels, per time step. */
export function pixelSequences(
  images: readonly GreyImage[],
  labels: readonly number[],
  classes: readonly string[],
  options: PixelOptions = {},
): LabelledSequences {
  const { byRows = false } = checkedOptions("pixelSequences", options, ofPixels);
  if (images.length !== labels.length || images.length === 0)
    throw new UserError(`got ${labels.length} labels for ${images.length} images; expected one for each`);
  const stranger = labels.find((label) => classes[label] === undefined);
  if (stranger !== undefined)
    throw new UserError(`label ${stranger} is not a class: there are ${classes.length} classes`);
  const [{ width } = { width: 1 }] = images;
  const other = images.find((image) => image.width !== width);
  if (byRows && other !== undefined)
    throw new UserError(
      `an image is ${other.width} pixels wide and the first is ${width}; with byRows all images must have the same width`,
    );
  return { sequences: images.map(({ pixels }) => pixels), features: byRows ? width : 1, labels, classes };
}
