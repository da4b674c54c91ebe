/**
 * @file Loads and stores of a kernel's arrays by four lanes at once. The index decides which instruction is used: one
 * number for all lanes, four neighbours, or four numbers at a stride.
 *
 * WebAssembly traps on an access out of bounds, where WebGPU returns an arbitrary number. So an index that may be out
 * of bounds (`mayMiss`) is clamped, and so is one that differs freely between lanes, since inactive lanes can have any
 * index. Neighbours of the last element are read and discarded; all buffers have margins for that.
 */
import { InternalError } from "../compiler/graph/errors.ts";
import { mostBeyond } from "../compiler/graph/margins.ts";
import type { KernelArray, Load } from "../compiler/kernel/ir.ts";
import * as code from "./code.ts";
import type { Instruction } from "./instruction.ts";
import { type Atom, addSums, atomSum, constantSum, type Sum, scaleSum } from "./sum.ts";
import { isUniform, lanes, scalarOf, type Value, vectorOf } from "./values.ts";
import type { FunctionWriter } from "./writer.ts";

const bytes = 4;

/** Where the arrays of a kernel are stored. */
export interface Places {
  /** The address of the first element. */
  readonly base: (array: KernelArray) => Sum;
  /** The index of the last element, or 0 if there is none. */
  readonly last: (array: KernelArray) => Sum;
}

/** Which lanes are active: undefined for all, or the local with a mask. */
export type Mask = string | undefined;

type Index = Extract<Value, { readonly kind: "index" | "vector" }>;

export class Memory {
  readonly #w: FunctionWriter;
  readonly #places: Places;

  constructor(w: FunctionWriter, places: Places) {
    this.#w = w;
    this.#places = places;
  }

  load({ array, mayMiss }: Load, index: Index): Value {
    if (array.space === "registers") return { kind: "vector", code: this.#register(array, index) };
    const isInteger = array.element !== "f32";
    if (index.kind === "index" && index.stride === 0) {
      const sum = mayMiss ? this.#clamped(array, index.sum, 0) : index.sum;
      const { address, offset } = this.#w.address(this.#address(array, sum));
      const loaded = code.at(isInteger ? "i32.load" : "f32.load", address, offset);
      if (!isInteger) return { kind: "scalar", code: loaded };
      if (array.element === "u32") return { kind: "index", sum: atomSum(this.#w.atom("n", loaded)), stride: 0 };
      return { kind: "scalar", code: loaded };
    }
    if (index.kind === "index" && index.stride === 1) {
      const sum = mayMiss ? this.#clamped(array, index.sum, -4) : index.sum;
      const { address, offset } = this.#w.address(this.#address(array, sum));
      return { kind: "vector", code: code.at("v128.load", address, offset) };
    }
    const isNear = index.kind === "index" && Math.abs(index.stride) * 3 * bytes <= mostBeyond;
    return {
      kind: "vector",
      code: isNear && !mayMiss && index.stride > 0 ? this.#strided(array, index) : this.#gathered(array, index),
    };
  }

  #address(array: KernelArray, sum: Sum): Sum {
    return addSums(this.#places.base(array), sum, bytes);
  }

  /** Clamps an index to the range from `least` to the last element; an index below 0 has wrapped around. */
  #clamped(array: KernelArray, sum: Sum, least: number): Sum {
    const w = this.#w;
    const i = code.get(w.atomOf("i", sum).name);
    const last = code.get(w.atomOf("last", this.#places.last(array)).name);
    const below = code.get(w.keep("i32", "held", code.op("select", i, last, code.op("i32.lt_s", i, last))));
    const low = code.i32(least);
    return atomSum(w.atom("held", code.op("select", below, low, code.op("i32.gt_s", below, low))));
  }

  #strided(array: KernelArray, { sum, stride }: Extract<Index, { kind: "index" }>): Instruction {
    let loaded: Instruction | undefined;
    for (const i of [0, 1, 2, 3]) {
      const { address, offset } = this.#w.address(this.#address(array, addSums(sum, constantSum(i * stride))));
      loaded = this.#lane(i, address, offset, loaded);
    }
    if (loaded === undefined) throw new InternalError("a load has no lanes");
    return loaded;
  }

  /** Loads the i-th of four numbers into a vector with the previous ones. */
  #lane(i: number, address: Instruction, offset: number, before: Instruction | undefined): Instruction {
    if (before === undefined) return code.at("v128.load32_zero", address, offset);
    return { kind: "plain", op: "v128.load32_lane", operands: [address, before], offset, lane: i };
  }

  #gathered(array: KernelArray, index: Index): Instruction {
    const w = this.#w;
    const last = code.op("i32x4.splat", w.value(this.#places.last(array)));
    const held = code.op("i32x4.min_u", vectorOf(w, index, "u32"), last);
    const base = code.op("i32x4.splat", w.value(this.#places.base(array)));
    const addresses = w.keep("v128", "from", code.op("i32x4.add", code.op("i32x4.shl", held, code.i32(2)), base));
    let loaded: Instruction | undefined;
    for (const i of [0, 1, 2, 3])
      loaded = this.#lane(i, code.lane("i32x4.extract_lane", i, code.get(addresses)), 0, loaded);
    if (loaded === undefined) throw new InternalError("a load has no lanes");
    return loaded;
  }

  /** Arrays of registers are in memory too, with the four lanes of each register next to each other. */
  #register(array: KernelArray, index: Index): Instruction {
    if (index.kind !== "index" || index.stride !== 0) throw new InternalError("lanes read different registers");
    const { address, offset } = this.#w.address(addSums(this.#places.base(array), index.sum, lanes * bytes));
    return code.at("v128.load", address, offset);
  }

  storeRegister(array: KernelArray, number: number, value: Instruction): void {
    const { address, offset } = this.#w.address(addSums(this.#places.base(array), constantSum(number * lanes * bytes)));
    this.#w.write(code.at("v128.store", address, offset, value));
  }

  /** Sets elements, or adds to them, for the lanes of the mask. Lanes store in order. */
  store(array: KernelArray, index: Index, value: Value, how: "set" | "add", mask: Mask): void {
    const w = this.#w;
    if (index.kind === "index" && index.stride === 1) {
      const address = this.#address(array, index.sum);
      const kept = code.get(w.keep("v128", "kept", vectorOf(w, value, array.element)));
      if (mask === undefined) {
        this.#storeWhole(array, address, kept, how);
        return;
      }
      const all = w.nested(() => this.#storeWhole(array, address, kept, how));
      const some = w.nested(() =>
        this.#storeLanes(array, (i) => addSums(address, constantSum(i * bytes)), kept, how, mask),
      );
      w.write({ kind: "if", condition: code.op("i32x4.all_true", code.get(mask)), whenTrue: all, whenFalse: some });
      return;
    }
    if (isUniform(index) && isUniform(value) && how === "set" && mask === undefined && index.kind === "index") {
      const { address, offset } = w.address(this.#address(array, index.sum));
      w.write(code.at(array.element === "f32" ? "f32.store" : "i32.store", address, offset, scalarOf(w, value)));
      return;
    }
    const kept = code.get(w.keep("v128", "kept", vectorOf(w, value, array.element)));
    const addressAt = this.#addresses(array, index);
    this.#storeLanes(array, addressAt, kept, how, mask);
  }

  /** The address of each lane. */
  #addresses(array: KernelArray, index: Index): (i: number) => Sum {
    const w = this.#w;
    const base = this.#places.base(array);
    if (index.kind === "index") return (i) => addSums(base, addSums(index.sum, constantSum(i * index.stride)), bytes);
    const kept = code.get(w.keep("v128", "index", index.code));
    const offsets = [0, 1, 2, 3].map((i): Atom => w.atom("to", code.lane("i32x4.extract_lane", i, kept)));
    return (i) => {
      const own = offsets[i];
      if (own === undefined) throw new InternalError("a lane beyond the last");
      return addSums(base, scaleSum(atomSum(own), bytes));
    };
  }

  #storeWhole(array: KernelArray, sum: Sum, value: Instruction, how: "set" | "add"): void {
    const { address, offset } = this.#w.address(sum);
    const add = array.element === "f32" ? "f32x4.add" : "i32x4.add";
    const stored = how === "set" ? value : code.op(add, code.at("v128.load", address, offset), value);
    this.#w.write(code.at("v128.store", address, offset, stored));
  }

  #storeLanes(
    array: KernelArray,
    addressAt: (i: number) => Sum,
    value: Instruction,
    how: "set" | "add",
    mask: Mask,
  ): void {
    const w = this.#w;
    const type = array.element === "f32" ? "f32" : "i32";
    for (const i of [0, 1, 2, 3]) {
      const write = () => {
        const { address, offset } = w.address(addressAt(i));
        const own = code.lane(`${type}x4.extract_lane`, i, value);
        const stored = how === "set" ? own : code.op(`${type}.add`, code.at(`${type}.load`, address, offset), own);
        w.write(code.at(`${type}.store`, address, offset, stored));
      };
      if (mask === undefined) write();
      else
        w.write({
          kind: "if",
          condition: code.lane("i32x4.extract_lane", i, code.get(mask)),
          whenTrue: w.nested(write),
          whenFalse: [],
        });
    }
  }
}
