/**
 * @file Reads the tree of an HDF5 file with jsfive (public domain, by NIST, maintained since 2017), a pure JavaScript
 * reader a tenth the size of HDF5 in WebAssembly. It is loaded on demand.
 */
import { InternalError, messageOf, oneLine, UserError } from "../../compiler/graph/errors.ts";
import type { NdArray } from "../../compiler/graph/ndarray.ts";

/** A group: its members by name, and its attributes. */
export interface Tree {
  readonly groups: Readonly<Record<string, Tree>>;
  /** Arrays, each read on demand. */
  readonly arrays: Readonly<Record<string, () => NdArray>>;
  readonly texts: Readonly<Record<string, string>>;
  readonly lists: Readonly<Record<string, readonly string[]>>;
}

type Attributes = Readonly<Record<string, unknown>>;

/** The part of jsfive that is used here: the package has no types. */
interface Group {
  readonly attrs: Attributes;
  readonly keys: readonly string[];
  readonly get: (name: string) => Group | Dataset;
}

interface Dataset {
  readonly attrs: Attributes;
  readonly shape: readonly number[];
  readonly dtype: unknown;
  readonly value: readonly unknown[];
}

interface Jsfive {
  readonly File: new (bytes: ArrayBuffer, name: string) => Group;
  readonly Group: new (...args: never) => Group;
  readonly Dataset: new (...args: never) => Dataset;
}

async function loadJsfive(): Promise<Jsfive> {
  const found: unknown = await import("jsfive");
  if (!isJsfive(found)) throw new InternalError("jsfive does not export File, Group and Dataset");
  return found;
}

const isJsfive = (value: unknown): value is Jsfive =>
  typeof value === "object" && value !== null && "File" in value && "Group" in value && "Dataset" in value;

/** Most levels of nested groups. */
const deepest = 32;
/** Most groups and arrays in a file. */
const most = 100_000;

export function isHdf5(bytes: Uint8Array): boolean {
  return [0x89, 0x48, 0x44, 0x46, 0x0d, 0x0a, 0x1a, 0x0a].every((byte, i) => bytes[i] === byte);
}

/** Reads a file; `name` is its name in messages. Throws a UserError if it is damaged or has unsupported content. */
export async function readHdf5(bytes: Uint8Array, name: string): Promise<Tree> {
  const { Dataset, File, Group } = await loadJsfive();
  const fault = (what: string, cause: unknown) =>
    // jsfive also throws strings.
    new UserError(`${name}: ${what} cannot be read as HDF5: ${oneLine(messageOf(cause))}`, { cause });
  const arrayOf = (item: Dataset, path: string) => (): NdArray => {
    try {
      const { shape, dtype, value } = item;
      if (!/^[<>=|][fiu]\d$/.test(String(dtype))) throw new Error(`its dtype is ${dtype}; expected numbers`);
      const size = shape.reduce((product, axis) => product * axis, 1);
      if (value.length !== size) throw new Error(`it has ${value.length} numbers for ${size}`);
      const isFloat = String(dtype)[1] === "f";
      const data = Float64Array.from(value, (number) => (isFloat ? Math.fround(Number(number)) : Number(number)));
      return { dtype: isFloat ? "f32" : "i32", shape: [...shape], data };
    } catch (cause) {
      throw fault(path, cause);
    }
  };
  let count = 0;
  const treeOf = (group: Group, path: string, depth: number): Tree => {
    const groups: Record<string, Tree> = {};
    const arrays: Record<string, () => NdArray> = {};
    for (const key of group.keys) {
      count += 1;
      // A damaged group can contain itself.
      if (depth > deepest || count > most || key === "__proto__") throw new Error("its groups are damaged");
      const item = group.get(key);
      const place = `${path}/${key}`;
      if (item instanceof Group) groups[key] = treeOf(item, place, depth + 1);
      else if (item instanceof Dataset) arrays[key] = arrayOf(item, place);
    }
    const attributes = Object.entries(group.attrs);
    const texts = attributes.filter((entry): entry is [string, string] => typeof entry[1] === "string");
    const lists = attributes.flatMap(([key, value]) =>
      Array.isArray(value) ? [[key, value.map(String)] as const] : [],
    );
    return { groups, arrays, texts: Object.fromEntries(texts), lists: Object.fromEntries(lists) };
  };
  try {
    return treeOf(new File(Uint8Array.from(bytes).buffer, name), "", 0);
  } catch (cause) {
    throw fault("it", cause);
  }
}
