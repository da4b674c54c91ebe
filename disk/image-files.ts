/**
 * @file Reads images: PNG or PGM files in one folder per class, or a pair of IDX files such as MNIST's, gzipped or not.
 */

import { readdir } from "node:fs/promises";
import { extname, join } from "node:path";
import { gunzipSync } from "node:zlib";
import { messageOf, oneLine, UserError } from "../compiler/graph/errors.ts";
import { checkedOptions } from "../compiler/graph/options.ts";
import {
  type GreyImage,
  imagesOfIdx,
  ofPixels,
  type PixelOptions,
  parseIdx,
  parsePgm,
  pixelSequences,
} from "../train/data/images.ts";
import type { LabelledSequences } from "../train/data/labelled.ts";
import { readBytes } from "./data-files.ts";
import { fileFault } from "./file-faults.ts";

/** Reads the images in `folder/CLASS/NAME.png` or `.pgm` as sequences of pixels. */
export async function readImageFolder(folder: string, options: PixelOptions = {}): Promise<LabelledSequences> {
  checkedOptions("readImageFolder", options, ofPixels);
  const failed = (path: string) => (error: unknown) => {
    throw fileFault(path, error);
  };
  const entries = await readdir(folder, { withFileTypes: true }).catch(failed(folder));
  const classes = entries.flatMap((entry) => (entry.isDirectory() ? [entry.name] : [])).sort();
  const images: GreyImage[] = [];
  const labels: number[] = [];
  for (const [label, name] of classes.entries()) {
    const files = await readdir(join(folder, name)).catch(failed(join(folder, name)));
    for (const file of files.sort()) {
      const image = await readImage(join(folder, name, file));
      if (image === undefined) continue;
      images.push(image);
      labels.push(label);
    }
  }
  if (images.length === 0) throw new UserError(`${folder} has no image; expected FOLDER/CLASS/NAME.png or .pgm`);
  return pixelSequences(images, labels, classes, options);
}

/** Reads images and labels from a pair of IDX files as sequences of pixels; the classes are named by their numbers. */
export async function readIdxImages(
  images: string,
  labels: string,
  options: PixelOptions = {},
): Promise<LabelledSequences> {
  checkedOptions("readIdxImages", options, ofPixels);
  const [pictures, numbers] = [await readIdx(images), await readIdx(labels)];
  const classes = Array.from({ length: 1 + numbers.data.reduce((a, b) => Math.max(a, b), 0) }, (_, i) => String(i));
  return pixelSequences(imagesOfIdx(pictures, images), [...numbers.data], classes, options);
}

async function readIdx(path: string) {
  const bytes = await readBytes(path);
  const isCompressed = bytes[0] === 0x1f && bytes[1] === 0x8b;
  return parseIdx(isCompressed ? unpacked(bytes, path) : bytes, path);
}

function unpacked(bytes: Uint8Array, path: string): Uint8Array {
  try {
    return gunzipSync(bytes);
  } catch (cause) {
    throw new UserError(`${path} looks like gzip but cannot be decompressed: ${oneLine(messageOf(cause))}`, { cause });
  }
}

async function readImage(path: string): Promise<GreyImage | undefined> {
  const kind = extname(path).toLowerCase();
  if (kind === ".pgm") return parsePgm(await readBytes(path), path);
  return kind === ".png" ? decodePng(await readBytes(path), path) : undefined;
}

/** Converts colours to grey by luma (ITU-R BT.601) and ignores transparency. */
async function decodePng(bytes: Uint8Array, path: string): Promise<GreyImage> {
  const { decode, convertIndexedToRgb } = await import("fast-png");
  let image: ReturnType<typeof decode>;
  try {
    image = decode(bytes);
  } catch (cause) {
    throw new UserError(`${path} is not a PNG image: ${oneLine(messageOf(cause))}`, { cause });
  }
  const { width, height, palette } = image;
  const data = palette === undefined ? image.data : convertIndexedToRgb(image);
  const channels = data.length / (width * height);
  if (channels < 1) throw new UserError(`${path} has ${image.depth} bits per pixel; grey images must have 8 or 16`);
  const brightest = palette === undefined ? 2 ** image.depth - 1 : 255;
  const value = (i: number) => (data[i] ?? Number.NaN) / brightest;
  const grey = (i: number) =>
    channels < 3 ? value(i) : 0.299 * value(i) + 0.587 * value(i + 1) + 0.114 * value(i + 2);
  return { width, height, pixels: Float64Array.from({ length: width * height }, (_, i) => grey(i * channels)) };
}
