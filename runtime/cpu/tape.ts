/**
 * @file A program at given sizes as a tape of words (for the grammar, see protocol.ts). It is built once per sizes; words
 * with an address are patched if a buffer has moved since the previous run.
 */
import type { DimSizes } from "../../compiler/graph/dim.ts";
import { at, InternalError } from "../../compiler/graph/errors.ts";
import type { CpuKernel, CpuProgram, Location } from "../../compiler/plan/program.ts";
import { chunkRanges, evaluateSize, type WalkedDispatch, walkSteps } from "../walk.ts";
import { grainOf } from "./cost.ts";
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
  /** Bytes of each buffer of the program. */
  readonly bufferBytes: readonly number[];
  readonly #places: readonly AddressWords[];
  #words: Int32Array<ArrayBuffer> | undefined;
  /** Current buffer addresses in the tape. */
  readonly #addresses: number[] = [];

  /** Builds the tape without addresses. */
  constructor(program: CpuProgram, sizes: DimSizes, threads: number) {
    const lengths = program.buffers.map(({ size }) => evaluateSize(size, sizes));
    this.bufferBytes = program.buffers.map(({ bytes }, i) => bytes * at(lengths, i));
    this.#places = program.buffers.map(() => ({ words: [], offsets: [] }));
    const grains = new Map<WalkedDispatch["dispatch"], number>();
    const words: number[] = [];
    const point = (buffer: number, offset: number) => {
      const places = at(this.#places, buffer);
      places.words.push(words.length);
      places.offsets.push(offset);
      words.push(0);
    };
    const pointTo = ({ buffer, offset }: Location) =>
      point(buffer, at(program.buffers, buffer).bytes * evaluateSize(offset, sizes));
    for (const step of walkSteps(program.steps, sizes)) {
      const start = words.length;
      if ("kind" in step) {
        words.push(tapeOps.copy, 0);
        pointTo(step.from);
        pointTo(step.to);
        words.push(at(program.buffers, step.from.buffer).bytes * evaluateSize(step.from.size, sizes));
      } else {
        const { dispatch, groups, entry } = step;
        const kernel = at(program.kernels, dispatch.kernel);
        const grain = grains.get(dispatch) ?? grainAt(kernel, step, sizes, threads);
        grains.set(dispatch, grain);
        words.push(tapeOps.run, 0, dispatch.kernel, grain);
        if (dispatch.indirect === undefined) words.push(0, 0);
        else {
          pointTo(dispatch.indirect);
          words.push(evaluateSize(dispatch.indirect.size, sizes));
        }
        words.push(groups.length, ...groups, ...groups);
        for (const { buffer } of kernel.bindings) point(buffer, 0);
        for (const { buffer } of kernel.bindings) words.push(at(lengths, buffer));
        for (const { value } of kernel.uniforms) words.push(evaluateSize(value, sizes));
        words.push(...entry.slice(0, kernel.loops + (kernel.chunked ? 1 : 0)));
      }
      words[start + 1] = words.length - start;
    }
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

function grainAt(kernel: CpuKernel, { dispatch, groups }: WalkedDispatch, sizes: DimSizes, threads: number): number {
  // The counted work covers all chunks.
  const times = dispatch.chunks === undefined ? 1 : chunkRanges(dispatch.chunks, sizes).length;
  const total = groups.reduce((sum, count) => sum + count, 0);
  const { flops, bytes } = kernel.work;
  return grainOf(evaluateSize(flops, sizes) / times, evaluateSize(bytes, sizes) / times, total, threads);
}
