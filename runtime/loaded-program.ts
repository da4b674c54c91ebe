/**
 * @file A program on a WebGPU device: its pipelines, its slabs, and its runs. A run is one command buffer: it writes the
 * inputs, encodes every dispatch, and copies outputs to new buffers (donated ones are written in place).
 */
import type { DimSizes } from "../compiler/graph/dim.ts";
import { at, oneLine, UserError } from "../compiler/graph/errors.ts";
import type { Location, Program } from "../compiler/plan/program.ts";
import { findArray, GpuArray, StagedArray } from "./arrays.ts";
import { megabytes } from "./buffers.ts";
import type { GpuContext } from "./context.ts";
import { DeviceMemoryError } from "./device-errors.ts";
import { type ScopeErrors, withErrorScopes } from "./error-scopes.ts";
import { bufferUsage, stagingUsage, storageUsage } from "./gpu-flags.ts";
import type { GpuGlobal } from "./gpu-types.ts";
import { InputBuffers } from "./input-buffers.ts";
import { bytesIn, type Instance, instantiate, offsetsIn } from "./instance.ts";
import type { KernelTimer } from "./kernel-timer.ts";
import type { KernelProfile } from "./profile.ts";
import { type Inputs, sizesKey, sizesOf, taskAt } from "./program-inputs.ts";
import { ProgramPipelines } from "./program-pipelines.ts";
import { type Bound, bufferAt, initialWorkgroups, StepEncoder } from "./step-encoder.ts";
import { evaluateSize } from "./walk.ts";
import { checkUsage } from "./wrapped-usage.ts";

/** A run and the errors from its error scopes. */
interface Report extends ScopeErrors {
  readonly shared: Buffers;
  readonly inputs: Inputs;
  readonly instance: Instance;
}

/** A generation of buffers that runs share; after a shortage of memory, all runs that used them fail. */
interface Buffers {
  shortage?: DeviceMemoryError;
}

const uniformUsage = bufferUsage.UNIFORM | bufferUsage.COPY_DST;

export class LoadedProgram {
  readonly program: Program;
  readonly #context: GpuContext;
  readonly #pipelines: ProgramPipelines;
  readonly #encoder: StepEncoder;
  readonly #bound = new Map<string, Bound>();
  readonly #slabs = new Map<number, GPUBuffer>();
  readonly #inputs: InputBuffers<GPUBuffer>;
  readonly #readback: ReadonlySet<number>;
  #buffers: Buffers = {};
  /** Slabs that were too small, kept for commands that are encoded and perhaps not submitted yet. */
  readonly #outgrown: GPUBuffer[] = [];
  #isEncoded = false;

  constructor(context: GpuContext, program: Program, pipelines: ProgramPipelines, readback: readonly number[]) {
    this.#readback = new Set(readback);
    this.#context = context;
    this.program = program;
    this.#pipelines = pipelines;
    this.#encoder = new StepEncoder(context, program.name, pipelines);
    this.#inputs = new InputBuffers<GPUBuffer>(
      {
        find: (given) => findArray(context, given),
        take: (bytes, label) => context.pool.take(bytes, storageUsage, label),
        write: (buffer, words) => context.write(buffer, words),
        destroy: (buffer) => context.pool.destroy(buffer),
      },
      program,
    );
  }

  /**
   * Compiles the kernels that run at all sizes; those of a branch are compiled when a run first takes it. `readback` lists
   * outputs that the host reads after every run.
   */
  static async load(context: GpuContext, program: Program, readback: readonly number[] = []): Promise<LoadedProgram> {
    context.check();
    const pipelines = new ProgramPipelines(context, program);
    await pipelines.load();
    return new LoadedProgram(context, program, pipelines, readback);
  }

  /** The same, but all kernels are compiled when a run first needs them. */
  static of(context: GpuContext, program: Program, readback: readonly number[] = []): LoadedProgram {
    return new LoadedProgram(context, program, new ProgramPipelines(context, program), readback);
  }

  /** Number of compiled pipelines; it grows only when a branch is taken for the first time. */
  get pipelineCount(): number {
    return this.#pipelines.count;
  }

  run(inputs: Inputs): (GpuArray | StagedArray)[] {
    return this.#enqueue(inputs, undefined);
  }

  /**
   * Encodes a run into an encoder that the caller submits. Whatever it needs is written before that, by the queue, so all
   * inputs are on the device already: two encodings could not share an upload.
   */
  encode(encoder: GpuGlobal<"GPUCommandEncoder">, inputs: Inputs): (GpuArray | StagedArray)[] {
    this.#inputs.checkOnDevice(inputs);
    this.#isEncoded = true;
    return this.#enqueue(inputs, encoder as GPUCommandEncoder);
  }

  #enqueue(inputs: Inputs, given: GPUCommandEncoder | undefined): (GpuArray | StagedArray)[] {
    this.#context.check();
    const { device } = this.#context;
    const sizes = sizesOf(this.program, inputs);
    const shared = this.#buffers;
    let report = (_: Error | undefined): void => {};
    const outcome = new Promise<Error | undefined>((resolve) => {
      report = resolve;
    });
    const { result, errors } = withErrorScopes(device, () => {
      const bound = this.#bind(sizes);
      const buffers = this.#place(inputs, bound);
      const encoder = given ?? device.createCommandEncoder({ label: this.program.name });
      this.#encoder.encode(encoder, bound, buffers);
      // The host could map a staging buffer before the caller's submit, which would then be invalid.
      const readback = given === undefined ? this.#readback : new Set<number>();
      const arrays = this.#collect(encoder, inputs, bound.instance, buffers, outcome, readback);
      if (given === undefined) device.queue.submit([encoder.finish()]);
      return { arrays, bound };
    });
    void errors
      .then(async (found) => report(await this.#fault({ ...found, shared, inputs, instance: result.bound.instance })))
      .catch(async (error) => report(await this.#context.explain(error)));
    return result.arrays;
  }

  /**
   * Runs once with every dispatch in a separate pass between two timestamps, and returns the time and work of each kernel
   * in program order. Donated inputs stay valid and then hold the values of the outputs.
   *
   * @throws UserError if the adapter has no timestamp queries.
   */
  async profile(inputs: Inputs): Promise<KernelProfile[]> {
    // Loaded on demand, because few programs profile.
    const [{ KernelTimer }, { profileKernels }] = await Promise.all([
      import("./kernel-timer.ts"),
      import("./profile.ts"),
    ]);
    this.#context.check();
    const timer = new KernelTimer(this.#context);
    try {
      const sizes = await this.#timed(inputs, timer);
      return profileKernels(this.program, sizes, timer.milliseconds);
    } finally {
      timer.destroy();
    }
  }

  async #timed(inputs: Inputs, timer: KernelTimer): Promise<DimSizes> {
    const { device } = this.#context;
    const sizes = sizesOf(this.program, inputs);
    await this.#pipelines.load(sizes);
    const { bound, buffers } = await this.#scoped(() => {
      const bound = this.#bind(sizes);
      return { bound, buffers: this.#place(inputs, bound) };
    });
    for (const batch of timer.batches(bound.instance.steps)) {
      await this.#scoped(() => {
        const encoder = device.createCommandEncoder({ label: `${this.program.name} (profile)` });
        this.#encoder.encodeTimed(encoder, batch, bound, buffers, timer);
        return timer.collect(encoder);
      });
    }
    return sizes;
  }

  /** The result of calls whose errors are ours: the owner of the device does not get them. Rejects with the first. */
  async #scoped<T>(calls: () => T | Promise<T>): Promise<T> {
    const { result, errors } = withErrorScopes(this.#context.device, calls);
    const [outcome, found] = await Promise.all([result, errors.catch(() => undefined)]);
    const error = found?.shortage ?? found?.invalid;
    if (error != null) throw new Error(`${this.program.name}: the device reports: ${error.message}`);
    return outcome;
  }

  destroy(): void {
    this.#dropBuffers();
  }

  #dropBuffers(): void {
    const { pool } = this.#context;
    for (const buffer of this.#slabs.values()) pool.destroy(buffer);
    for (const buffer of this.#outgrown.splice(0)) pool.destroy(buffer);
    this.#inputs.destroy();
    for (const { sizeTable, stepTable, workgroups } of this.#bound.values())
      for (const buffer of [sizeTable, stepTable, workgroups]) if (buffer !== undefined) pool.destroy(buffer);
    this.#slabs.clear();
    this.#bound.clear();
  }

  /** The error of a run. After a shortage of memory the run had no effect, and the next run allocates again. */
  async #fault({ invalid, shortage, shared, inputs, instance }: Report): Promise<Error | undefined> {
    if (shortage && shared.shortage === undefined) {
      const { name } = this.#context.host;
      shared.shortage = new DeviceMemoryError(name, taskAt(this.program, instance.sizes), this.#planOf(instance));
      this.#dropBuffers();
      this.#buffers = {};
    }
    if (shortage || !invalid) return shortage ? shared.shortage : undefined;
    const arrays = Object.entries(inputs).flatMap(([name, input]) =>
      input instanceof GpuArray ? [{ name, input }] : [],
    );
    for (const { input } of arrays) {
      const failure = await input.outcome;
      if (failure instanceof UserError) return failure;
    }
    const uncompiled = await this.#context.wait(this.#pipelines.fault(), `compile the kernels of ${this.program.name}`);
    const fault = shared.shortage ?? uncompiled;
    if (fault !== undefined) return fault;
    const wrapped = arrays.flatMap(({ name, input }) => (input.isWrapped ? [name] : [])).join(" or ");
    if (wrapped === "") return new Error(`${this.program.name}: the device reports: ${invalid.message}`);
    return new UserError(
      `${this.program.name}: the GPUBuffer of input ${wrapped} cannot be used (${oneLine(invalid.message)}); its owner must neither destroy nor map it before a run has read it`,
    );
  }

  /** Planned bytes of the program at the sizes of an instance. */
  #planOf({ bufferBytes }: Instance): string {
    return megabytes(bufferBytes.reduce((sum, bytes) => sum + bytes, 0));
  }

  /** The buffers of a run by their index in the program, with the inputs that are written to some. */
  #place(inputs: Inputs, { instance }: Bound): (GPUBuffer | undefined)[] {
    const buffers = this.program.buffers.map((_, i) => this.#slabs.get(i));
    checkUsage(this.program, instance, inputs);
    this.#inputs.placeIn(buffers, inputs);
    return buffers;
  }

  #bind(sizes: DimSizes): Bound {
    const key = sizesKey(this.program, sizes);
    const known = this.#bound.get(key);
    if (known !== undefined) return known;
    const { device, pool } = this.#context;
    const instance = instantiate(this.program, sizes);
    for (const [i, { role, name }] of this.program.buffers.entries()) {
      const bytes = at(instance.bufferBytes, i);
      const slab = this.#slabs.get(i);
      if (role !== "slab" || (slab !== undefined && slab.size >= bytes)) continue;
      const larger = pool.take(
        bytes,
        storageUsage,
        `${taskAt(this.program, sizes)} needs ${this.#planOf(instance)} on the device, of which ${name}`,
      );
      if (slab !== undefined) {
        if (this.#isEncoded) this.#outgrown.push(slab);
        else pool.destroy(slab);
        for (const other of this.#bound.values()) other.groups.clear();
      }
      this.#slabs.set(i, larger);
    }
    this.#pipelines.loadNow(sizes);
    const sizeTable = pool.take(instance.sizeTable.byteLength, uniformUsage, "sizes");
    device.queue.writeBuffer(sizeTable, 0, instance.sizeTable);
    const stepTable = pool.take(instance.stepTable.byteLength, uniformUsage, "steps");
    device.queue.writeBuffer(stepTable, 0, instance.stepTable);
    let workgroups: GPUBuffer | undefined;
    if (instance.steps.some((step) => "kernel" in step && step.indirect !== undefined)) {
      const usage = bufferUsage.INDIRECT | bufferUsage.COPY_DST;
      workgroups = pool.take(initialWorkgroups.byteLength, usage, "workgroups");
      device.queue.writeBuffer(workgroups, 0, initialWorkgroups);
    }
    const bound = { instance, sizeTable, stepTable, workgroups, groups: new Map() };
    this.#bound.set(key, bound);
    return bound;
  }

  #collect(
    encoder: GPUCommandEncoder,
    inputs: Inputs,
    instance: Instance,
    buffers: readonly (GPUBuffer | undefined)[],
    outcome: Promise<Error | undefined>,
    readback: ReadonlySet<number>,
  ): (GpuArray | StagedArray)[] {
    const { sizes } = instance;
    const { pool } = this.#context;
    const bytesOf = (location: Location) => bytesIn(instance, location, location.size);
    const bytesOfAll = (location: Location) => instance.models * bytesOf(location);
    const usageOf = (i: number) => (readback.has(i) ? stagingUsage : storageUsage);
    // All memory is allocated before any donated array is detached.
    const taken: (GPUBuffer | undefined)[] = [];
    try {
      for (const [i, { location, donated }] of this.program.outputs.entries()) {
        const label = `${taskAt(this.program, sizes)}: output ${i}`;
        taken.push(donated === undefined ? pool.take(bytesOfAll(location), usageOf(i), label) : undefined);
      }
    } catch (error) {
      for (const buffer of taken) if (buffer !== undefined) pool.release(buffer);
      throw error;
    }
    return this.program.outputs.map(({ dtype, shape, location, donated }, i) => {
      const numbers = shape.map((dim) => evaluateSize([dim], sizes));
      if (donated !== undefined) {
        const array = inputs[donated] as GpuArray;
        const buffer = bufferAt(buffers, location.buffer);
        array.detach();
        return new GpuArray(this.#context, buffer, dtype, numbers, outcome);
      }
      const bytes = bytesOf(location);
      const buffer = bufferAt(taken, i);
      if (bytes > 0) {
        const source = bufferAt(buffers, location.buffer);
        for (const [model, start] of offsetsIn(instance, location).entries())
          encoder.copyBufferToBuffer(source, start, buffer, model * bytes, bytes);
      }
      if (readback.has(i))
        return new StagedArray(this.#context, buffer, dtype, numbers, outcome, `run ${taskAt(this.program, sizes)}`);
      return new GpuArray(this.#context, buffer, dtype, numbers, outcome);
    });
  }
}
