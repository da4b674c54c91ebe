/**
 * @file A program at given sizes: the contents of its uniforms, the bytes of its slabs, and the flat list of dispatches.
 * Nothing here depends on which buffers hold the data.
 */
import type { DimSizes } from "../compiler/graph/dim.ts";
import { at } from "../compiler/graph/errors.ts";
import type { Copy, Location, Program, Size } from "../compiler/plan/program.ts";
import { evaluateSize, walkSteps } from "./walk.ts";

/** Dynamic uniform offsets must be multiples of this. */
const uniformAlignment = 256;
const bytesOfUniform = Uint32Array.BYTES_PER_ELEMENT;
const maxWorkgroups = 65535;

export interface FlatDispatch {
  readonly kernel: number;
  /** Along x and y; z are the models. */
  readonly workgroups: readonly [number, number, number];
  /** Byte offset of the step uniform, for kernels inside loops and those that run a chunk of one. */
  readonly stepOffset: number;
  /** For an indirect dispatch: where the device reads the number of workgroups. */
  readonly indirect: Location | undefined;
}

export type FlatStep = FlatDispatch | Copy;

export interface Instance {
  readonly sizes: DimSizes;
  /** Bytes per element of each buffer of the program. */
  readonly elementBytes: readonly number[];
  /** Bytes of each buffer of the program, of all models together. */
  readonly bufferBytes: readonly number[];
  /** How many models it runs at once. */
  readonly models: number;
  /** Bytes from a model's copy of each buffer to that of the next; 0 if they share it. */
  readonly strideBytes: readonly number[];
  /** The sizes that kernels read: one aligned section per kernel. */
  readonly sizeTable: Uint32Array<ArrayBuffer>;
  /** Byte offset of each kernel's section. */
  readonly sizeOffsets: readonly number[];
  /** Loop counters of every step, and first step and end of every chunk; each entry is aligned. */
  readonly stepTable: Uint32Array<ArrayBuffer>;
  readonly steps: readonly FlatStep[];
}

/** Bytes of `size` elements of the location's buffer. */
export function bytesIn({ elementBytes, sizes }: Instance, { buffer }: Location, size: Size): number {
  return at(elementBytes, buffer) * evaluateSize(size, sizes);
}

/** The byte offset of each model's value at a location. */
export function offsetsIn(instance: Instance, location: Location): number[] {
  const first = bytesIn(instance, location, location.offset);
  const stride = at(instance.strideBytes, location.buffer);
  return Array.from({ length: instance.models }, (_, model) => first + model * stride);
}

export function instantiate(program: Program, sizes: DimSizes): Instance {
  const entries = new Map<string, number>();
  const table: (readonly number[])[] = [];
  const steps: FlatStep[] = [];

  const entryOf = (counts: readonly number[]): number => {
    const key = counts.join(",");
    const known = entries.get(key);
    if (known !== undefined) return known;
    table.push(counts);
    entries.set(key, (table.length - 1) * uniformAlignment);
    return (table.length - 1) * uniformAlignment;
  };
  for (const step of walkSteps(program.steps, sizes)) {
    if ("kind" in step) {
      steps.push(step);
      continue;
    }
    const { dispatch, entry } = step;
    const groups = step.groups.reduce((sum, count) => sum + count, 0);
    const workgroups = [
      Math.min(groups, maxWorkgroups),
      Math.ceil(groups / maxWorkgroups),
      program.models ?? 1,
    ] as const;
    const stepOffset = entry.length === 0 ? 0 : entryOf(entry);
    steps.push({ kernel: dispatch.kernel, workgroups, stepOffset, indirect: dispatch.indirect });
  }

  const words = uniformAlignment / bytesOfUniform;
  const stepTable = new Uint32Array(Math.max(1, table.length) * words);
  for (const [i, counts] of table.entries()) stepTable.set(counts, i * words);
  return {
    sizes,
    elementBytes: program.buffers.map(({ bytes }) => bytes),
    bufferBytes: program.buffers.map(({ size, bytes }) => bytes * evaluateSize(size, sizes)),
    models: program.models ?? 1,
    strideBytes: program.buffers.map(({ stride = [], bytes }) => bytes * evaluateSize(stride, sizes)),
    ...sizeTableOf(program, sizes),
    stepTable,
    steps,
  };
}

/** The size table. A kernel can read more sizes than fit into one alignment unit; the next section starts after them. */
function sizeTableOf({ kernels }: Program, sizes: DimSizes): Pick<Instance, "sizeTable" | "sizeOffsets"> {
  const sizeOffsets: number[] = [];
  let bytes = 0;
  for (const { uniforms } of kernels) {
    sizeOffsets.push(bytes);
    bytes += Math.ceil((bytesOfUniform * uniforms.length) / uniformAlignment) * uniformAlignment;
  }
  const sizeTable = new Uint32Array(Math.max(uniformAlignment, bytes) / bytesOfUniform);
  for (const [i, { uniforms }] of kernels.entries()) {
    const values = uniforms.map(({ value }) => evaluateSize(value, sizes));
    sizeTable.set(values, at(sizeOffsets, i) / bytesOfUniform);
  }
  return { sizeTable, sizeOffsets };
}
