/**
 * @file A program at given sizes as a tape of words (for the grammar, see protocol.ts). It is built once per sizes; words
 * with an address are patched if a buffer has moved since the previous run.
 */
import type { DimSizes } from "../../compiler/graph/dim.ts";
import { at, InternalError } from "../../compiler/graph/errors.ts";
import type { Copy, CpuKernel, CpuProgram, Location } from "../../compiler/plan/program.ts";
import { chunkRanges, evaluateSize, type WalkedDispatch, walkSteps } from "../walk.ts";
import { grainsOf } from "./cost.ts";
import type { Block } from "./heap.ts";
import { tapeOps } from "./protocol.ts";

/** Blocks by their index in the program. */
export type ProgramBlocks = readonly (Block | undefined)[];

/** Words that hold an address within a buffer, and the byte offset of each address in it. */
interface AddressWords {
  readonly words: number[];
  readonly offsets: number[];
}

export class Tape {
  readonly bytes: number;
  /** Whether threads share any of its work. */
  readonly isShared: boolean;
  /** Bytes of each buffer of the program. */
  readonly bufferBytes: readonly number[];
  readonly #places: readonly AddressWords[];
  #words: Int32Array<ArrayBuffer> | undefined;
  /** Current buffer addresses in the tape. */
  readonly #addresses: number[] = [];

  /** Builds the tape without addresses. */
  constructor(program: CpuProgram, sizes: DimSizes, threads: number) {
    this.bufferBytes = program.buffers.map(({ bytes, size }) => bytes * evaluateSize(size, sizes));
    this.#places = program.buffers.map(() => ({ words: [], offsets: [] }));
    const models = program.models ?? 1;
    const words: number[] = [];
    // A thread runs all of a model: its memory stays in one cache, and no kernel waits for another thread's.
    const isForked = threads > 1 && models >= threads;
    const writer = new TapeWriter(program, sizes, isForked ? 1 : threads, words, this.#places);
    if (isForked) words.push(tapeOps.fork, 3 + models, models, ...new Array<number>(models).fill(0));
    for (let model = 0; model < models; model++) {
      const start = words.length;
      writer.write(model);
      if (isForked) words[3 + model] = words.length - start;
    }
    this.isShared = isForked || writer.isShared;
    this.#words = Int32Array.from(words);
    this.bytes = this.#words.byteLength;
  }

  /** Returns the words, without addresses, at the first call only: the engine stores them from then on. */
  takeWords(): Int32Array<ArrayBuffer> | undefined {
    const words = this.#words;
    this.#words = undefined;
    return words;
  }

  /** The patches that set the tape's buffer addresses: pairs of word index and value. */
  patches(blocks: ProgramBlocks): Int32Array<ArrayBuffer> {
    const pairs: number[] = [];
    for (const [i, { words, offsets }] of this.#places.entries()) {
      if (words.length === 0) continue;
      const block = blocks[i];
      if (block === undefined) throw new InternalError(`buffer ${i} has no memory`);
      if (this.#addresses[i] === block.address) continue;
      this.#addresses[i] = block.address;
      for (const [j, word] of words.entries()) pairs.push(word, block.address + at(offsets, j));
    }
    return Int32Array.from(pairs);
  }
}

/** Appends the entries of a program at given sizes to the words of a tape. */
class TapeWriter {
  readonly #program: CpuProgram;
  readonly #sizes: DimSizes;
  readonly #threads: number;
  readonly #words: number[];
  readonly #places: readonly AddressWords[];
  /** Elements of a model's copy of each buffer, and bytes to that of the next model. */
  readonly #lengths: readonly number[];
  readonly #strides: readonly number[];
  readonly #grains = new Map<WalkedDispatch["dispatch"], readonly number[]>();
  /** Whether threads share a dispatch that was written. */
  isShared = false;

  constructor(program: CpuProgram, sizes: DimSizes, threads: number, words: number[], places: readonly AddressWords[]) {
    this.#program = program;
    this.#sizes = sizes;
    this.#threads = threads;
    this.#words = words;
    this.#places = places;
    this.#lengths = program.buffers.map(({ size, stride }) => evaluateSize(stride ?? size, sizes));
    this.#strides = program.buffers.map(({ bytes, stride = [] }) => bytes * evaluateSize(stride, sizes));
  }

  /** Writes the steps of one model. */
  write(model: number): void {
    for (const step of walkSteps(this.#program.steps, this.#sizes)) {
      const start = this.#words.length;
      if ("kind" in step) this.#copy(step, model);
      else this.#run(step, model);
      this.#words[start + 1] = this.#words.length - start;
    }
  }

  #copy({ from, to }: Copy, model: number): void {
    this.#words.push(tapeOps.copy, 0);
    this.#pointTo(from, model);
    this.#pointTo(to, model);
    this.#words.push(at(this.#program.buffers, from.buffer).bytes * evaluateSize(from.size, this.#sizes));
  }

  #run(step: WalkedDispatch, model: number): void {
    const { dispatch, groups, entry } = step;
    const [sizes, words] = [this.#sizes, this.#words];
    const kernel = at(this.#program.kernels, dispatch.kernel);
    const grains = this.#grains.get(dispatch) ?? grainsAt(kernel, step, sizes, this.#threads);
    this.#grains.set(dispatch, grains);
    this.isShared ||= grains.length > 0;
    words.push(tapeOps.run, 0, dispatch.kernel, grains.length === 0 ? 0 : 1);
    if (dispatch.indirect === undefined) words.push(0, 0);
    else {
      this.#pointTo(dispatch.indirect, model);
      words.push(evaluateSize(dispatch.indirect.size, sizes));
    }
    words.push(groups.length, ...groups, ...(grains.length === 0 ? groups : grains), ...groups);
    for (const { buffer } of kernel.bindings) this.#point(buffer, 0, model);
    for (const { buffer } of kernel.bindings) words.push(at(this.#lengths, buffer));
    for (const { value } of kernel.uniforms) words.push(evaluateSize(value, sizes));
    words.push(...entry.slice(0, kernel.loops + (kernel.chunked ? 1 : 0)));
  }

  #pointTo({ buffer, offset }: Location, model: number): void {
    this.#point(buffer, at(this.#program.buffers, buffer).bytes * evaluateSize(offset, this.#sizes), model);
  }

  /** Adds a word for an address: a byte offset into the model's copy of a buffer. */
  #point(buffer: number, offset: number, model: number): void {
    const places = at(this.#places, buffer);
    places.words.push(this.#words.length);
    places.offsets.push(offset + model * at(this.#strides, buffer));
    this.#words.push(0);
  }
}

/** Empty if one thread runs the whole dispatch. */
function grainsAt(
  kernel: CpuKernel,
  { dispatch, groups }: WalkedDispatch,
  sizes: DimSizes,
  threads: number,
): readonly number[] {
  // The counted work covers all chunks.
  const times = dispatch.chunks === undefined ? 1 : chunkRanges(dispatch.chunks, sizes).length;
  const { flops, bytes } = kernel.work;
  return grainsOf(evaluateSize(flops, sizes) / times, evaluateSize(bytes, sizes) / times, groups, threads);
}
