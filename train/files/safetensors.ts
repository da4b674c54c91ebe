/**
 * @file The safetensors format (https://huggingface.co/docs/safetensors): a length, a JSON header, and raw tensors.
 * A custom codec, since the npm package of this name is an unmaintained 0.0.1, and files can be malicious.
 *
 *   file    ::= length header data               length: 8 bytes, little-endian, of the header
 *   header  ::= JSON { name: entry, …, "__metadata__": { key: text, … } }, padded with spaces
 *   entry   ::= { "dtype": …, "shape": [ … ], "data_offsets": [begin, end] }        offsets count from where data starts
 *
 * The reader checks every length against the available bytes before it allocates anything, and the tensors must cover the
 * data exactly, without holes, overlaps or a rest.
 */
import { expectArgument, inWords, UserError } from "../../compiler/graph/errors.ts";
import { arrayFault, holds, type NdArray, sizeOfNumbers } from "../../compiler/graph/ndarray.ts";
import { repeatedKey } from "./repeated-key.ts";
import { type Storage, storages } from "./tensor-storage.ts";

/** The contents of a safetensors file. */
export interface TensorFile {
  /** Arrays by name. */
  readonly tensors: Readonly<Record<string, NdArray>>;
  /** Texts by name. */
  readonly metadata: Readonly<Record<string, string>>;
}

/** The format requires that the header begins with "{", which distinguishes other files from damaged ones. */
const firstOfHeader = 0x7b;
/** The limit of the reference implementation. */
const longestHeader = 100_000_000;

/** Returns the bytes of a file; numbers of f32 tensors are rounded to f32. */
export function encodeTensors({ tensors, metadata }: TensorFile): Uint8Array {
  expectArgument(
    typeof tensors === "object" && tensors !== null,
    "encodeTensors: tensors",
    tensors,
    "arrays by name, in { tensors, metadata }",
  );
  for (const [name, tensor] of Object.entries(tensors)) {
    const fault = arrayFault(tensor);
    if (fault !== undefined) throw new UserError(`encodeTensors: tensor ${name} ${fault}`);
  }
  return fileOf(Object.entries(tensors).map(partOf), metadata);
}

/**
 * The file `bytes` with its tensors replaced by those with the same name, and the metadata added; `name` is the file's name
 * in messages. All other tensors, and those with equal numbers, keep their exact bytes.
 */
export function withTensors(bytes: Uint8Array, name: string, { tensors, metadata }: TensorFile): Uint8Array {
  const { entries, metadata: before, data } = parseFile(bytes, name);
  const parts = entries.map((entry): Part => {
    const tensor = Object.hasOwn(tensors, entry.name) ? tensors[entry.name] : undefined;
    const { code, storage, shape, begin, end } = entry;
    if (tensor === undefined || isSame(tensor, readTensor(entry, data, name)))
      return { name: entry.name, code, shape, width: storage?.bytes ?? 1, bytes: data.subarray(begin, end) };
    return partOf([entry.name, tensor]);
  });
  return fileOf(parts, { ...before, ...metadata });
}

const isSame = (a: NdArray, b: NdArray) =>
  a.data.length === b.data.length && a.data.every((value, i) => Object.is(Math.fround(value), b.data[i]));

/** A tensor as bytes. */
interface Part {
  readonly name: string;
  readonly code: string;
  readonly shape: readonly number[];
  /** Bytes of an element. */
  readonly width: number;
  readonly bytes: Uint8Array;
}

function partOf([name, { dtype, shape, data }]: readonly [string, NdArray]): Part {
  if (name === "__metadata__") throw new UserError("a tensor cannot be called __metadata__");
  const [written] = Object.entries(storages).filter(([, { set, dtype: held }]) => set !== undefined && held === dtype);
  // Reading must return what was written.
  if (written === undefined || !isCounts(shape) || data?.length !== sizeOfNumbers(shape))
    throw new UserError(
      `tensor ${quote(name)} is not an array: its dtype, shape or numbers are missing or do not match; make it with ndarray(shape, numbers, dtype)`,
    );
  const stranger = data.find((value) => !holds(dtype, value));
  if (stranger !== undefined)
    throw new UserError(`tensor ${quote(name)} holds ${stranger}, which does not fit into ${dtype}`);
  const [code, { bytes: width, set = () => {} }] = written;
  const bytes = new Uint8Array(data.length * width);
  const view = new DataView(bytes.buffer);
  data.forEach((value, i) => {
    set(view, i * width, value);
  });
  return { name, code, shape, width, bytes };
}

/** Sorts tensors by element size, widest first, so that all are aligned. */
function fileOf(parts: readonly Part[], metadata: TensorFile["metadata"]): Uint8Array {
  const wrong = Object.entries(metadata).find(([, value]) => typeof value !== "string");
  if (wrong !== undefined)
    throw new UserError(`the metadata's ${quote(wrong[0])} is ${inWords(wrong[1])}; expected a text`);
  const header: [string, unknown][] = [["__metadata__", metadata]];
  const sorted = [...parts].sort((a, b) => b.width - a.width);
  let end = 0;
  for (const { name, code, shape, bytes } of sorted) {
    header.push([name, { dtype: code, shape, data_offsets: [end, end + bytes.length] }]);
    end += bytes.length;
  }
  const text = new TextEncoder().encode(JSON.stringify(Object.fromEntries(header)));
  if (text.length > longestHeader)
    throw new UserError(`the header takes ${text.length} bytes; at most ${longestHeader} are allowed`);
  const length = Math.ceil(text.length / 8) * 8;
  const file = new Uint8Array(8 + length + end);
  file.fill(0x20, 8, 8 + length);
  file.set(text, 8);
  new DataView(file.buffer).setBigUint64(0, BigInt(length), true);
  let place = 8 + length;
  for (const { bytes } of sorted) {
    file.set(bytes, place);
    place += bytes.length;
  }
  return file;
}

/**
 * Reads a file; `name` is its name in messages. F16, BF16 and F64 become f32, and other widths of integers i32 (U64 u32).
 * A tensor is read on first access, so one that is never accessed can have any dtype.
 *
 * @throws UserError of one line if the file is invalid; and on access to a tensor whose dtype is not supported, or which
 * holds a number that does not fit into 32 bits.
 */
export function decodeTensors(bytes: Uint8Array, name: string): TensorFile {
  expectArgument(bytes instanceof Uint8Array, `the file ${name}`, bytes, "its bytes, a Uint8Array");
  const { entries, metadata, data } = parseFile(bytes, name);
  const readers = entries.map((entry) => [entry.name, () => readTensor(entry, data, name)] as const);
  return { tensors: readWhenAsked(readers), metadata };
}

/** Arrays by name, each read on first access. */
export function readWhenAsked(readers: readonly (readonly [string, () => NdArray])[]): Record<string, NdArray> {
  const tensors: Record<string, NdArray> = {};
  for (const [name, read] of readers) {
    const define = (property: PropertyDescriptor) =>
      Object.defineProperty(tensors, name, { enumerable: true, configurable: true, ...property });
    define({
      get: () => {
        const value = read();
        define({ value, writable: true });
        return value;
      },
    });
  }
  return tensors;
}

/** Reads a tensor; returns a new array each time. */
function readTensor(
  { name: tensor, code, storage, shape, begin, end }: Entry,
  data: Uint8Array,
  name: string,
): NdArray {
  const fail = (fault: string): never => {
    throw new UserError(`${name}: tensor ${quote(tensor)} ${fault}`);
  };
  if (storage === undefined) return fail(`has dtype ${quote(code)}; supported are ${Object.keys(storages).join(", ")}`);
  const { dtype, bytes: width, get, fits } = storage;
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const isRounded = dtype === "f32" && width > 4;
  const numbers = new Float64Array((end - begin) / width);
  for (const i of numbers.keys()) {
    const value = get(view, begin + i * width);
    if (fits !== undefined && !fits(value)) fail(`is ${code} and holds ${value}, which does not fit into ${dtype}`);
    numbers[i] = isRounded ? Math.fround(value) : value;
  }
  return { dtype, shape, data: numbers };
}

/** Parses the header; returns it with the bytes after it. */
function parseFile(bytes: Uint8Array, name: string) {
  const fail = (fault: string): never => {
    throw new UserError(`${name} is not a valid safetensors file: ${fault}`);
  };
  if (bytes.length < 8)
    fail(`it has ${bytes.length} ${bytes.length === 1 ? "byte" : "bytes"}, too few for the length of a header`);
  if (bytes.length > 8 && bytes[8] !== firstOfHeader)
    throw new UserError(`${name} is not a safetensors file, the format of models and weights`);
  const stated = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getBigUint64(0, true);
  if (stated > BigInt(longestHeader)) fail(`its header claims ${stated} bytes; at most ${longestHeader} are allowed`);
  const length = Number(stated);
  if (length > bytes.length - 8) fail(`its header claims ${length} bytes; the file has ${bytes.length - 8}`);
  const { entries, metadata } = parseHeader(bytes.subarray(8, 8 + length), fail);
  const data = bytes.subarray(8 + length);
  checkCover(entries, data.length, fail);
  return { entries, metadata, data };
}

type Fail = (fault: string) => never;

interface Entry {
  readonly name: string;
  /** The dtype as the file has it. */
  readonly code: string;
  /** Undefined if the dtype is not supported. */
  readonly storage: Storage | undefined;
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
    // Reported below: undefined is not a record.
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
  if (typeof dtype !== "string") return fail(`${label} has no dtype`);
  const storage = Object.hasOwn(storages, dtype) ? storages[dtype] : undefined;
  if (!isCounts(shape)) return fail(`${label} has a shape that is not a list of whole numbers`);
  if (!isCounts(offsets) || offsets.length !== 2)
    return fail(`${label} has data_offsets that are not two whole numbers`);
  const [begin = 0, end = 0] = offsets;
  const size = shape.reduce((product, axis) => product * axis, storage?.bytes ?? 1);
  // A product beyond the exact integers cannot equal the difference of two exact ones.
  if (storage === undefined ? end < begin : size !== end - begin)
    fail(`${label} needs ${size} bytes and its data_offsets span ${end - begin}`);
  return { name, code: dtype, storage, shape, begin, end };
}

/** Checks that, in the order of offsets, each tensor begins where the previous one ends, and the last ends with the file. */
function checkCover(entries: readonly Entry[], available: number, fail: Fail): void {
  let covered = 0;
  for (const { name, begin, end } of [...entries].sort((a, b) => a.begin - b.begin || a.end - b.end)) {
    if (begin < covered) fail(`tensor ${quote(name)} overlaps another`);
    if (begin > covered) fail(`${begin - covered} bytes before tensor ${quote(name)} belong to no tensor`);
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
