/**
 * @file A program at given sizes as a tape of words (protocol.ts has its grammar). It is made once for sizes; words that hold
 * an address are patched where a buffer lies elsewhere than in the run before.
 */
import type { DimSizes } from "../../compiler/graph/dim.ts";
import { at, InternalError } from "../../compiler/graph/errors.ts";
import type { CpuKernel, CpuProgram, Location } from "../../compiler/plan/program.ts";
import { chunkRanges, evaluateSize, type WalkedDispatch, walkSteps } from "../walk.ts";
import { grainOf } from "./cost.ts";
import type { Block } from "./heap.ts";
import { tapeOps } from "./protocol.ts";

/** By their numbers in the program. */
export type ProgramBlocks = readonly (Block | undefined)[];

/** Words that hold an address within a buffer, and how many bytes from its start each is. */
interface Places {
  readonly words: number[];
  readonly offsets: number[];
}

export class Tape {
  readonly bytes: number;
  /** Of each buffer of the program. */
  readonly bufferBytes: readonly number[];
  readonly #places: readonly Places[];
  #words: Int32Array<ArrayBuffer> | undefined;
  /** Where buffers lie, by what the tape says. */
  readonly #addresses: number[] = [];

  /** A tape without addresses. */
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

  /** The words, without addresses, once: they are handed to the engine, and not kept. */
  takeWords(): Int32Array<ArrayBuffer> | undefined {
    const words = this.#words;
    this.#words = undefined;
    return words;
  }

  /** What must be written to the tape for its buffers to lie here: pairs of a word's number and its contents. */
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
  // Work is that of all chunks together.
  const times = dispatch.chunks === undefined ? 1 : chunkRanges(dispatch.chunks, sizes).length;
  const total = groups.reduce((sum, count) => sum + count, 0);
  const { flops, bytes } = kernel.work;
  return grainOf(evaluateSize(flops, sizes) / times, evaluateSize(bytes, sizes) / times, total, threads);
}
