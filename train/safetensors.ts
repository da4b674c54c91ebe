/**
 * @file The safetensors format (https://huggingface.co/docs/safetensors): a length, a JSON header, and raw tensors.
 * A codec of our own: the package of this name on npm is an unmaintained 0.0.1, and files come from strangers.
 *
 *   file    ::= length header data               length: 8 bytes, little-endian, of the header
 *   header  ::= JSON { name: entry, …, "__metadata__": { key: text, … } }, padded with spaces
 *   entry   ::= { "dtype": …, "shape": [ … ], "data_offsets": [begin, end] }        offsets count from where data starts
 *
 * The reader believes nothing: every length is checked against the bytes that are there before anything is allocated,
 * and the tensors must cover the data exactly, without holes, overlaps or a rest.
 */
import { at, UserError } from "../compiler/graph/errors.ts";
import type { DType } from "../compiler/graph/graph.ts";
import type { NdArray } from "../compiler/graph/ndarray.ts";
import { repeatedKey } from "./repeated-key.ts";

/** What a safetensors file holds. */
export interface TensorFile {
  /** Arrays by name. */
  readonly tensors: Readonly<Record<string, NdArray>>;
  /** Texts by name. */
  readonly metadata: Readonly<Record<string, string>>;
}

interface Storage {
  readonly dtype: DType;
  readonly bytes: number;
  readonly get: (view: DataView, position: number) => number;
  readonly set: (view: DataView, position: number, value: number) => void;
}

const storages: Readonly<Record<string, Storage>> = {
  F32: { dtype: "f32", bytes: 4, get: (v, p) => v.getFloat32(p, true), set: (v, p, x) => v.setFloat32(p, x, true) },
  I32: { dtype: "i32", bytes: 4, get: (v, p) => v.getInt32(p, true), set: (v, p, x) => v.setInt32(p, x, true) },
  U32: { dtype: "u32", bytes: 4, get: (v, p) => v.getUint32(p, true), set: (v, p, x) => v.setUint32(p, x, true) },
  BOOL: { dtype: "bool", bytes: 1, get: (v, p) => Number(v.getUint8(p) !== 0), set: (v, p, x) => v.setUint8(p, x) },
};

/** A header begins with "{": the format says so, and it tells other files from damaged ones. */
const firstOfHeader = 0x7b;
/** The limit of the reference implementation. */
const longestHeader = 100_000_000;

/** The bytes of a file; f32 numbers are rounded to f32. */
export function encodeTensors({ tensors, metadata }: TensorFile): Uint8Array {
  const header: Record<string, unknown> = { __metadata__: metadata };
  const parts: { readonly storage: Storage; readonly data: Float64Array; readonly begin: number }[] = [];
  let end = 0;
  // Wide elements come first, so that all are aligned.
  const entries = Object.entries(tensors).map(([name, tensor]) => ({ name, tensor, ...storageOf(tensor.dtype) }));
  for (const { name, tensor, code, storage } of entries.sort((a, b) => b.storage.bytes - a.storage.bytes)) {
    if (name === "__metadata__") throw new UserError("a tensor cannot be called __metadata__");
    const begin = end;
    end += tensor.data.length * storage.bytes;
    header[name] = { dtype: code, shape: tensor.shape, data_offsets: [begin, end] };
    parts.push({ storage, data: tensor.data, begin });
  }
  const text = new TextEncoder().encode(JSON.stringify(header));
  const length = Math.ceil(text.length / 8) * 8;
  const bytes = new Uint8Array(8 + length + end);
  bytes.fill(0x20, 8, 8 + length);
  bytes.set(text, 8);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, BigInt(length), true);
  for (const { storage, data, begin } of parts)
    data.forEach((value, i) => {
      storage.set(view, 8 + length + begin + i * storage.bytes, value);
    });
  return bytes;
}

function storageOf(dtype: DType): { readonly code: string; readonly storage: Storage } {
  const [code, storage] = at(
    Object.entries(storages).filter(([, candidate]) => candidate.dtype === dtype),
    0,
  );
  return { code, storage };
}

/** Reads a file; `name` is what messages call it. A UserError says in one line what is wrong with it. */
export function decodeTensors(bytes: Uint8Array, name: string): TensorFile {
  const fail = (fault: string): never => {
    throw new UserError(`${name} is not a valid safetensors file: ${fault}`);
  };
  if (bytes.length < 8)
    fail(`it has ${bytes.length} ${bytes.length === 1 ? "byte" : "bytes"}, too few for the length of a header`);
  if (bytes.length > 8 && bytes[8] !== firstOfHeader)
    throw new UserError(`${name} is not a safetensors file, in which models and weights are kept`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const stated = view.getBigUint64(0, true);
  if (stated > BigInt(longestHeader)) fail(`its header claims ${stated} bytes; at most ${longestHeader} are allowed`);
  const length = Number(stated);
  if (length > bytes.length - 8) fail(`its header claims ${length} bytes, and ${bytes.length - 8} are there`);
  const { entries, metadata } = parseHeader(bytes.subarray(8, 8 + length), fail);
  const start = 8 + length;
  checkCover(entries, bytes.length - start, fail);
  const tensors = entries.map(({ name: tensor, storage, shape, begin, end }) => {
    const data = Float64Array.from({ length: (end - begin) / storage.bytes }, (_, i) =>
      storage.get(view, start + begin + i * storage.bytes),
    );
    return [tensor, { dtype: storage.dtype, shape, data } satisfies NdArray] as const;
  });
  return { tensors: Object.fromEntries(tensors), metadata };
}

type Fail = (fault: string) => never;

interface Entry {
  readonly name: string;
  readonly storage: Storage;
  readonly shape: readonly number[];
  readonly begin: number;
  readonly end: number;
}

function parseHeader(bytes: Uint8Array, fail: Fail): { entries: Entry[]; metadata: Record<string, string> } {
  let [text, header]: [string, unknown] = ["", undefined];
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    header = JSON.parse(text);
  } catch {
    // Said below: what is undefined is no record.
  }
  if (!isRecord(header)) return fail("its header is not a JSON object");
  const twice = repeatedKey(text);
  if (twice !== undefined) fail(`its header names ${quote(twice)} twice`);
  const { __metadata__: metadata = {}, ...tensors } = header;
  if (!isRecord(metadata) || !Object.values(metadata).every((value) => typeof value === "string"))
    fail("its __metadata__ is not a record of texts");
  const entries = Object.entries(tensors).map(([name, entry]) => parseEntry(name, entry, fail));
  return { entries, metadata: metadata as Record<string, string> };
}

function parseEntry(name: string, entry: unknown, fail: Fail): Entry {
  const label = `tensor ${quote(name)}`;
  if (!isRecord(entry)) return fail(`${label} is not described by a JSON object`);
  const { dtype, shape, data_offsets: offsets } = entry;
  const storage = typeof dtype === "string" && Object.hasOwn(storages, dtype) ? storages[dtype] : undefined;
  if (storage === undefined) {
    const expected = Object.keys(storages).join(", ");
    const advice = /^B?F\d+$/.test(String(dtype)) ? " (convert it to float32, which is F32)" : "";
    return fail(`${label} has dtype ${quote(String(dtype))}; expected ${expected}${advice}`);
  }
  if (!isCounts(shape)) return fail(`${label} has a shape that is not a list of whole numbers`);
  if (!isCounts(offsets) || offsets.length !== 2)
    return fail(`${label} has data_offsets that are not two whole numbers`);
  const [begin = 0, end = 0] = offsets;
  const size = shape.reduce((product, axis) => product * axis, storage.bytes);
  // A product beyond the exact integers cannot equal a difference of two of them.
  if (size !== end - begin) fail(`${label} needs ${size} bytes and its data_offsets span ${end - begin}`);
  return { name, storage, shape, begin, end };
}

/** In the order of their offsets, each tensor begins where the one before ends, and the last ends with the file. */
function checkCover(entries: readonly Entry[], available: number, fail: Fail): void {
  let covered = 0;
  for (const { name, begin, end } of [...entries].sort((a, b) => a.begin - b.begin || a.end - b.end)) {
    if (begin < covered) fail(`tensor ${quote(name)} overlaps another`);
    if (begin > covered) fail(`${begin - covered} bytes before tensor ${quote(name)} belong to none`);
    if (end > available) fail(`tensor ${quote(name)} ends at byte ${end} of ${available}; the file is cut short`);
    covered = end;
  }
  if (covered < available) fail(`${available - covered} bytes at its end belong to no tensor`);
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isCounts(value: unknown): value is readonly number[] {
  return Array.isArray(value) && value.every((item) => Number.isSafeInteger(item) && item >= 0);
}

/** A text from the file, short and on one line. */
function quote(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text);
}
