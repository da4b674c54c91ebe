/**
 * @file Named tensors of an untrusted file, taken out one by one: each must exist, in f32 and with the expected shape, and
 * none may remain at the end. Every error is one line that names file and tensor.
 */
import { formatShape, sameShape } from "../compiler/graph/dim.ts";
import { expectArgument, UserError } from "../compiler/graph/errors.ts";
import type { NdArray } from "../compiler/graph/ndarray.ts";

/** null stands for any size along an axis. */
export type ExpectedShape = readonly (number | null)[];

export class TensorBag {
  readonly #tensors: Readonly<Record<string, NdArray>>;
  readonly #left: Map<string, string>;
  readonly #where: string;

  /**
   * `where` is the name of the source in messages, such as a file, and `nameOf` maps its keys to the names used here.
   * Tensors are read only on request, as files load them lazily.
   */
  constructor(tensors: Readonly<Record<string, NdArray>>, where: string, nameOf = (key: string) => key) {
    expectArgument(typeof tensors === "object" && tensors !== null, `${where}: the input`, tensors, "arrays by name");
    this.#tensors = tensors;
    this.#left = new Map(Object.keys(tensors).map((key) => [nameOf(key), key]));
    this.#where = where;
  }

  /** Names of the tensors that have not been taken. */
  get left(): readonly string[] {
    return [...this.#left.keys()];
  }

  has(name: string): boolean {
    return this.#left.has(name);
  }

  /** The shape of a tensor that has not been taken. */
  shape(name: string): readonly number[] | undefined {
    return this.#get(name)?.shape;
  }

  /** Takes a tensor out; `why` says what needs it, for the message if it is missing. */
  take(name: string, expected: ExpectedShape, why: string): NdArray {
    const tensor = this.#get(name);
    if (tensor === undefined) return this.fail(`tensor ${quote(name)} is missing: ${why}`);
    this.#left.delete(name);
    if (tensor.dtype !== "f32") this.fail(`tensor ${quote(name)} is ${tensor.dtype}; expected f32`);
    const shape = expected.map((size, axis) => size ?? tensor.shape[axis] ?? 0);
    if (!sameShape(tensor.shape, shape) || tensor.shape.includes(0)) {
      const wanted = expected.map((size) => size ?? "any");
      this.fail(`tensor ${quote(name)} is ${formatShape(tensor.shape)}; expected ${formatShape(wanted)}`);
    }
    return tensor;
  }

  /** Fails if a tensor remains; `hint` says what to do about it. */
  expectEmpty(hint: string): void {
    const [first, ...others] = this.left;
    if (first === undefined) return;
    const more = others.length === 0 ? "" : ` and ${others.length} more`;
    this.fail(`tensor ${quote(first)}${more} ${others.length === 0 ? "belongs" : "belong"} to no layer: ${hint}`);
  }

  #get(name: string): NdArray | undefined {
    const key = this.#left.get(name);
    return key === undefined ? undefined : this.#tensors[key];
  }

  fail(fault: string): never {
    throw new UserError(`${this.#where}: ${fault}`);
  }
}

/** A name from the file, quoted and shortened. */
export function quote(name: string): string {
  return JSON.stringify(name.length > 60 ? `${name.slice(0, 60)}…` : name);
}
