/** @file A program on the CPU: its module in all threads, its slabs and tapes, and its runs, of one message each. */
import type { DimSizes } from "../../compiler/graph/dim.ts";
import { at, UserError } from "../../compiler/graph/errors.ts";
import type { CpuProgram, Size } from "../../compiler/plan/program.ts";
import { megabytes } from "../buffers.ts";
import { DeviceMemoryError } from "../device-errors.ts";
import { InputBuffers } from "../input-buffers.ts";
import { type KernelProfile, profileKernels } from "../profile.ts";
import { type Inputs, sizesKey, sizesOf, taskAt } from "../program-inputs.ts";
import { evaluateSize } from "../walk.ts";
import { CpuArray, CpuResult, findCpuArray, type Outcome } from "./arrays.ts";
import type { CpuContext } from "./context.ts";
import { type Block, endOf } from "./heap.ts";
import type { DoneReply, StridedRange, Write } from "./protocol.ts";
import { Tape } from "./tape.ts";

/** The program at some sizes: its tape and the memory of the tape. */
interface Bound {
  readonly sizes: DimSizes;
  readonly tape: Tape;
  readonly block: Block;
  readonly outputs: readonly BoundOutput[];
  /** What errors say about it: its sizes, and the memory that it plans. */
  readonly task: string;
  readonly plan: string;
}

interface BoundOutput {
  readonly shape: readonly number[];
  /** Where its value for each model is; the address is relative to the buffer. */
  readonly range: StridedRange;
}

/** Where an output goes: a new block, a read by the host, or the donated input. */
type Target = { readonly block: Block } | { readonly read: number } | { readonly donated: string };

export class LoadedCpuProgram {
  readonly program: CpuProgram;
  readonly #context: CpuContext;
  readonly #readback: ReadonlySet<number>;
  readonly #inputs: InputBuffers<Block>;
  /** Scratch memory of all threads. */
  readonly #scratch: Block;
  readonly #bound = new Map<string, Bound>();
  readonly #slabs = new Map<number, Block>();
  /** The engine's id of the program, while it is loaded. */
  #number: number | undefined;
  /** Writes of inputs for the next run. */
  #writes: Write[] = [];

  constructor(context: CpuContext, program: CpuProgram, readback: readonly number[]) {
    this.#context = context;
    this.program = program;
    this.#readback = new Set(readback);
    const stride = strideOf(program);
    this.#scratch = context.take(stride * context.threads, program.name);
    this.#inputs = new InputBuffers<Block>(
      {
        find: (given) => findCpuArray(context, given),
        take: (bytes, label) => context.take(bytes, label),
        write: ({ address }, words) => this.#writes.push({ address, words }),
        destroy: (block) => context.heap.free(block),
      },
      program,
    );
  }

  /** Compiles the module and loads it in all threads. `readback` lists outputs that the host reads after every run. */
  static async load(
    context: CpuContext,
    program: CpuProgram,
    readback: readonly number[] = [],
  ): Promise<LoadedCpuProgram> {
    context.check();
    const module = await WebAssembly.compile(program.module).catch((error: Error) => {
      throw new UserError(`${program.name}: the engine does not compile its module: ${error.message}`);
    });
    const loaded = new LoadedCpuProgram(context, program, readback);
    const scratch = loaded.#scratch;
    const place = { scratch: scratch.address, scratchStride: strideOf(program), end: endOf([scratch]) };
    try {
      loaded.#number = await context.load(program.name, program.kernels, { module, ...place });
    } catch (error) {
      context.heap.free(scratch);
      throw error;
    }
    return loaded;
  }

  run(inputs: Inputs): (CpuArray | CpuResult)[] {
    const { program } = this;
    this.#context.check();
    const { bound, blocks, writes, targets } = this.#prepare(inputs, true);
    const done = this.#send(bound, blocks, writes, targets, false);
    const outcome: Outcome = done.then(
      () => undefined,
      (error: Error) => error,
    );
    return program.outputs.map(({ dtype }, i) => {
      const { shape } = at(bound.outputs, i);
      const target = at(targets, i);
      if ("read" in target) {
        const bytes = done.then(({ reads }) => at(reads, target.read));
        bytes.catch(() => {});
        return new CpuResult(bytes, dtype, shape);
      }
      if ("block" in target) return new CpuArray(this.#context, target.block, dtype, shape, outcome);
      const given = inputs[target.donated] as CpuArray;
      const block = given.block as Block;
      given.detach();
      return new CpuArray(this.#context, block, dtype, shape, outcome);
    });
  }

  /**
   * Runs once and returns the time and work of each kernel in program order. Donated inputs stay valid and then hold the
   * values of the outputs.
   */
  async profile(inputs: Inputs): Promise<KernelProfile[]> {
    this.#context.check();
    const { bound, blocks, writes } = this.#prepare(inputs, false);
    const { milliseconds } = await this.#send(bound, blocks, writes, [], true);
    const times = new Map<number, number>();
    for (const [kernel, time] of (milliseconds ?? []).entries()) if (time >= 0) times.set(kernel, time);
    return profileKernels(this.program, bound.sizes, times);
  }

  destroy(): void {
    if (this.#number === undefined) return;
    this.#dropBuffers();
    this.#context.heap.free(this.#scratch);
    this.#context.unload(this.#number);
    this.#number = undefined;
  }

  /** Allocates all memory of a run before anything is sent or detached; if memory is short, frees all of it. */
  #prepare(inputs: Inputs, hasOutputs: boolean) {
    const { program } = this;
    if (this.#number === undefined) throw new UserError(`${program.name} was destroyed; compile it again`);
    const sizes = sizesOf(program, inputs);
    try {
      const bound = this.#bind(sizes);
      const blocks = program.buffers.map((_, i) => this.#slabs.get(i));
      this.#writes = [];
      this.#inputs.placeIn(blocks, inputs);
      return { bound, blocks, writes: this.#writes, targets: hasOutputs ? this.#targets(bound) : [] };
    } catch (error) {
      if (error instanceof DeviceMemoryError) this.#dropBuffers();
      throw error;
    }
  }

  #targets({ outputs, task, plan }: Bound): Target[] {
    const taken: Block[] = [];
    let reads = 0;
    try {
      return this.program.outputs.map(({ donated }, i): Target => {
        if (donated !== undefined) return { donated };
        if (this.#readback.has(i)) return { read: reads++ };
        const { bytes, count } = at(outputs, i).range;
        const block = this.#context.take(bytes * count, `${task}: output ${i}`, plan);
        taken.push(block);
        return { block };
      });
    } catch (error) {
      for (const block of taken) this.#context.heap.free(block);
      throw error;
    }
  }

  async #send(
    bound: Bound,
    blocks: readonly (Block | undefined)[],
    writes: readonly Write[],
    targets: readonly Target[],
    isTimed: boolean,
  ): Promise<DoneReply> {
    const { program } = this;
    const { sizes, tape, block, task, plan } = bound;
    const copies: number[] = [];
    const reads: StridedRange[] = [];
    for (const [i, target] of targets.entries()) {
      const { range } = at(bound.outputs, i);
      const { bytes, count, stride } = range;
      const address = range.address + (blocks[at(program.outputs, i).location.buffer]?.address ?? 0);
      if ("read" in target) reads.push({ address, bytes, count, stride });
      else if ("block" in target)
        for (let i = 0; i < count; i++) copies.push(address + i * stride, target.block.address + i * bytes, bytes);
    }
    const outputs = targets.map((target) => ("block" in target ? target.block : undefined));
    const reply = this.#context.run({
      program: this.#number ?? -1,
      writes,
      tape: { address: block.address, bytes: tape.bytes },
      words: tape.takeWords(),
      patches: tape.patches(blocks),
      copies: Uint32Array.from(copies),
      reads,
      isTimed,
      isShared: tape.isShared,
      end: endOf([...blocks, ...outputs, block, this.#scratch]),
    });
    try {
      return await this.#context.done(reply, `run ${task}`, task, plan);
    } catch (error) {
      if (error instanceof DeviceMemoryError && this.#bound.get(sizesKey(program, sizes)) === bound)
        this.#dropBuffers();
      throw error;
    }
  }

  #bind(sizes: DimSizes): Bound {
    const key = sizesKey(this.program, sizes);
    const known = this.#bound.get(key);
    const tape = known?.tape ?? new Tape(this.program, sizes, this.#context.shares);
    const task = known?.task ?? taskAt(this.program, sizes);
    const plan = known?.plan ?? megabytes(tape.bufferBytes.reduce((sum, bytes) => sum + bytes, 0));
    const take = (bytes: number) => this.#context.take(bytes, task, plan);
    for (const [i, { role }] of this.program.buffers.entries()) {
      const bytes = at(tape.bufferBytes, i);
      const slab = this.#slabs.get(i);
      if (role !== "slab" || (slab !== undefined && slab.size >= bytes)) continue;
      if (slab !== undefined) this.#context.heap.free(slab);
      this.#slabs.delete(i);
      this.#slabs.set(i, take(bytes));
    }
    const bound = known ?? { sizes, tape, block: take(tape.bytes), outputs: this.#outputsAt(sizes), task, plan };
    // Most recently used last.
    this.#bound.delete(key);
    this.#bound.set(key, bound);
    this.#dropTapes();
    return bound;
  }

  /** Drops the least recently used tapes: varying lengths produce many, and stepwise programs have long ones. */
  #dropTapes(): void {
    let bytes = [...this.#bound.values()].reduce((sum, { tape }) => sum + tape.bytes, 0);
    for (const [key, { tape, block }] of this.#bound) {
      if (bytes <= this.#context.tapeBytes || this.#bound.size === 1) return;
      this.#context.heap.free(block);
      this.#bound.delete(key);
      bytes -= tape.bytes;
    }
  }

  #dropBuffers(): void {
    const { heap } = this.#context;
    for (const slab of this.#slabs.values()) heap.free(slab);
    for (const { block } of this.#bound.values()) heap.free(block);
    this.#inputs.destroy();
    this.#slabs.clear();
    this.#bound.clear();
  }

  #outputsAt(sizes: DimSizes): readonly BoundOutput[] {
    const { outputs, buffers, models: count = 1 } = this.program;
    return outputs.map(({ location: { buffer, offset, size }, shape }) => {
      const { bytes, stride = [] } = at(buffers, buffer);
      const bytesOf = (each: Size) => bytes * evaluateSize(each, sizes);
      return {
        shape: shape.map((dim) => evaluateSize([dim], sizes)),
        range: { address: bytesOf(offset), bytes: bytesOf(size), count, stride: bytesOf(stride) },
      };
    });
  }
}

/** Bytes between the scratch memories of two threads; they never share a cache line. */
const strideOf = ({ kernels }: CpuProgram) =>
  64 + Math.ceil(kernels.reduce((most, { scratchBytes }) => Math.max(most, scratchBytes), 0) / 64) * 64;
