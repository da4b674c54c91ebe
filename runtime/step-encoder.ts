/** @file Encodes the steps of a program at given sizes: compute passes with their bind groups, and copies between them. */
import { at } from "../compiler/graph/errors.ts";
import type { Copy, Kernel, Location } from "../compiler/plan/program.ts";
import type { GpuContext } from "./context.ts";
import { bytesIn, type FlatDispatch, type FlatStep, type Instance, offsetsIn } from "./instance.ts";
import type { KernelTimer } from "./kernel-timer.ts";
import { storageBinding } from "./pipelines.ts";
import type { ProgramPipelines } from "./program-pipelines.ts";

/** An instance with its tables in GPU buffers. */
export interface Bound {
  readonly instance: Instance;
  readonly sizeTable: GPUBuffer;
  readonly stepTable: GPUBuffer;
  /** Workgroup counts of indirect dispatches, if there are any. */
  readonly workgroups: GPUBuffer | undefined;
  readonly groups: Map<string, GPUBindGroup>;
}

/** Buffers by their index in the program. */
export type ProgramBuffers = readonly (GPUBuffer | undefined)[];

/** Initial content of `Bound.workgroups`: [x, 1, 1, 0] for dispatches that write only x, then [x, y, z, 0] for the others. */
export const initialWorkgroups = new Uint32Array([0, 1, 1, 0, 0, 0, 0, 0]);
/** Byte offset of the second entry. */
const offsetOfThree = 16;

export class StepEncoder {
  readonly #context: GpuContext;
  readonly #name: string;
  readonly #pipelines: ProgramPipelines;

  constructor(context: GpuContext, name: string, pipelines: ProgramPipelines) {
    this.#context = context;
    this.#name = name;
    this.#pipelines = pipelines;
  }

  encode(encoder: GPUCommandEncoder, bound: Bound, buffers: ProgramBuffers): void {
    let pass: GPUComputePassEncoder | undefined;
    let current = -1;
    for (const step of bound.instance.steps) {
      if (!("kernel" in step) || step.indirect !== undefined) {
        pass?.end();
        pass = undefined;
      }
      if (!("kernel" in step)) {
        this.#copy(encoder, step, bound, buffers);
        continue;
      }
      this.#copyWorkgroups(encoder, step, bound, buffers);
      if (pass === undefined) {
        pass = encoder.beginComputePass({ label: this.#name });
        current = -1;
      }
      const { pipeline, kernel } = this.#pipelines.of(step.kernel);
      if (current !== step.kernel) pass.setPipeline(pipeline);
      if (current !== step.kernel || kernel.loops > 0) this.#setGroup(pass, step, bound, buffers);
      current = step.kernel;
      dispatch(pass, step, bound);
    }
    pass?.end();
  }

  /** Encodes steps with every dispatch in a separate pass between two timestamps. */
  encodeTimed(
    encoder: GPUCommandEncoder,
    steps: readonly FlatStep[],
    bound: Bound,
    buffers: ProgramBuffers,
    timer: KernelTimer,
  ): void {
    for (const step of steps) {
      if (!("kernel" in step)) {
        this.#copy(encoder, step, bound, buffers);
        continue;
      }
      this.#copyWorkgroups(encoder, step, bound, buffers);
      const pass = encoder.beginComputePass({ timestampWrites: timer.next(step.kernel) });
      pass.setPipeline(this.#pipelines.of(step.kernel).pipeline);
      this.#setGroup(pass, step, bound, buffers);
      dispatch(pass, step, bound);
      pass.end();
    }
  }

  #copy(encoder: GPUCommandEncoder, { from, to }: Copy, { instance }: Bound, buffers: ProgramBuffers): void {
    const [source, target] = [bufferAt(buffers, from.buffer), bufferAt(buffers, to.buffer)];
    const bytes = bytesIn(instance, from, from.size);
    const ends = offsetsIn(instance, to);
    for (const [model, start] of offsetsIn(instance, from).entries())
      encoder.copyBufferToBuffer(source, start, target, at(ends, model), bytes);
  }

  /** WebGPU forbids a dispatch that writes the buffer of its workgroup counts, so they are copied out of the slab. */
  #copyWorkgroups(encoder: GPUCommandEncoder, { indirect }: FlatDispatch, bound: Bound, buffers: ProgramBuffers): void {
    if (indirect === undefined) return;
    const to = bufferAt([bound.workgroups], 0);
    const offset = bytesIn(bound.instance, indirect, indirect.offset);
    const bytes = bytesIn(bound.instance, indirect, indirect.size);
    encoder.copyBufferToBuffer(bufferAt(buffers, indirect.buffer), offset, to, placeOf(indirect), bytes);
  }

  #setGroup(pass: GPUComputePassEncoder, step: FlatDispatch, bound: Bound, buffers: ProgramBuffers): void {
    const { loops } = this.#pipelines.of(step.kernel).kernel;
    pass.setBindGroup(0, this.#group(bound, step.kernel, buffers), loops > 0 ? [step.stepOffset] : []);
  }

  #group(bound: Bound, kernelIndex: number, buffers: ProgramBuffers): GPUBindGroup {
    const { kernel, layout } = this.#pipelines.of(kernelIndex);
    const storage = kernel.bindings.map(({ buffer }) => bufferAt(buffers, buffer));
    const key = `${kernelIndex}:${storage.map((buffer) => this.#context.pool.idOf(buffer)).join(",")}`;
    const known = bound.groups.get(key);
    if (known !== undefined) return known;
    const entries: GPUBindGroupEntry[] = storage.map((buffer, i) => ({
      binding: storageBinding + i,
      resource: { buffer },
    }));
    if (kernel.uniforms.length > 0) {
      const offset = at(bound.instance.sizeOffsets, kernelIndex);
      const size = Math.ceil(kernel.uniforms.length / 4) * 16;
      entries.push({ binding: 0, resource: { buffer: bound.sizeTable, offset, size } });
    }
    if (kernel.loops > 0) entries.push({ binding: 1, resource: { buffer: bound.stepTable, size: stepBytes(kernel) } });
    const group = this.#context.device.createBindGroup({ label: kernel.name, layout, entries });
    // Buffers of other owners come and go, and a group that is kept would hold them.
    if (storage.every((buffer) => this.#context.pool.has(buffer))) bound.groups.set(key, group);
    return group;
  }
}

/** Bytes of a kernel's step uniform: loop counters and the end of its chunk, rounded up to 16. */
const stepBytes = ({ loops, chunked }: Kernel) => Math.ceil((loops + (chunked ? 1 : 0)) / 4) * 16;

function dispatch(pass: GPUComputePassEncoder, { workgroups, indirect }: FlatDispatch, bound: Bound): void {
  if (indirect === undefined) pass.dispatchWorkgroups(...workgroups);
  else pass.dispatchWorkgroupsIndirect(bufferAt([bound.workgroups], 0), placeOf(indirect));
}

const placeOf = ({ size }: Location) => (size[0] === 3 ? offsetOfThree : 0);

export function bufferAt(buffers: ProgramBuffers, index: number): GPUBuffer {
  const buffer = buffers[index];
  if (buffer === undefined) throw new Error(`internal: buffer ${index} has no memory`);
  return buffer;
}
