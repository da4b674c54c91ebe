/**
 * @file A program at given sizes: the contents of its uniforms, its slabs' bytes, and the flat list of dispatches with
 * loops walked. Nothing here depends on which buffers hold the data.
 */
import { bucketOf, type DimSizes, evaluateDim } from "../compiler/graph/dim.ts";
import { at } from "../compiler/graph/errors.ts";
import type {
  Choose,
  Chunks,
  Copy,
  Dispatch,
  GridPart,
  Location,
  Loop,
  Program,
  ScanStep,
  Size,
  Step,
} from "../compiler/plan/program.ts";

/** Offsets of uniforms that are chosen per dispatch must be multiples of this. */
const uniformAlignment = 256;
const bytesOfUniform = Uint32Array.BYTES_PER_ELEMENT;
const maxWorkgroups = 65535;

export interface FlatDispatch {
  readonly kernel: number;
  readonly workgroups: readonly [number, number];
  /** Byte offset of the step uniform, for kernels inside loops and those that run a chunk of one. */
  readonly stepOffset: number;
  /** Where the device finds how many workgroups there are, if not from `workgroups`. */
  readonly indirect: Location | undefined;
}

export type FlatStep = FlatDispatch | Copy;

export interface Instance {
  readonly sizes: DimSizes;
  /** Bytes of an element of each buffer of the program. */
  readonly elementBytes: readonly number[];
  /** Bytes of each buffer of the program. */
  readonly bufferBytes: readonly number[];
  /** The sizes that kernels read, one kernel's after the other's, each beginning at its alignment. */
  readonly sizeTable: Uint32Array<ArrayBuffer>;
  /** Byte offset of each kernel's. */
  readonly sizeOffsets: readonly number[];
  /** The counts of every step of every loop, and first step and end of every chunk, each entry at its alignment. */
  readonly stepTable: Uint32Array<ArrayBuffer>;
  readonly steps: readonly FlatStep[];
}

/** Bytes of so many elements of the buffer that a location lies in. */
export function bytesIn({ elementBytes, sizes }: Instance, { buffer }: Location, size: Size): number {
  return at(elementBytes, buffer) * evaluateSize(size, sizes);
}

export function evaluateSize(size: Size, sizes: DimSizes): number {
  return size.reduce<number>((sum, dim) => sum + evaluateDim(dim, sizes), 0);
}

function workgroupsOf({ rows, rowsPer, columns, lanes }: GridPart, sizes: DimSizes): number {
  return Math.ceil((Math.ceil(evaluateSize(rows, sizes) / rowsPer) * evaluateSize(columns, sizes)) / lanes);
}

/** First step and end of each chunk. A loop of no steps is one chunk, which hands its initial carries on. */
export function chunkRanges({ length, steps }: Chunks, sizes: DimSizes): (readonly [first: number, end: number])[] {
  const total = evaluateDim(length, sizes);
  const count = Math.max(1, Math.ceil(total / steps));
  return Array.from({ length: count }, (_, i) => [i * steps, Math.min((i + 1) * steps, total)]);
}

/** What a loop runs, and how often. */
export function iterationsOf(
  { length, body, otherwise }: Loop,
  sizes: DimSizes,
): { steps: Loop["body"]; times: number } {
  const times = evaluateDim(length, sizes);
  return times === 0 ? { steps: otherwise, times: 1 } : { steps: body, times };
}

/** What a choice runs. */
export function branchOf({ dim, branches }: Choose, sizes: DimSizes): readonly ScanStep[] {
  return bucketOf(branches, evaluateDim(dim, sizes))?.steps ?? [];
}

/** Each dispatch and copy that runs, and how often: branches are chosen, and loops walked. */
export function* runsOf(
  steps: readonly Step[],
  sizes: DimSizes,
  times = 1,
): Generator<{ readonly step: Dispatch | Copy; readonly times: number }> {
  for (const step of steps) {
    if (step.kind === "loop") {
      const iterations = iterationsOf(step, sizes);
      yield* runsOf(iterations.steps, sizes, times * iterations.times);
    } else if (step.kind === "choose") yield* runsOf(branchOf(step, sizes), sizes, times);
    else yield { step, times };
  }
}

/** The kernels of what no branch holds, and of the branches that are chosen where sizes are given. */
export function kernelsOf(steps: readonly Step[], sizes?: DimSizes): Set<number> {
  const kernels = new Set<number>();
  const walk = (step: Step): void => {
    if (step.kind === "dispatch") kernels.add(step.kernel);
    else if (step.kind === "loop") for (const inner of [...step.body, ...step.otherwise]) walk(inner);
    else if (step.kind === "choose" && sizes !== undefined) branchOf(step, sizes).forEach(walk);
  };
  steps.forEach(walk);
  return kernels;
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
  const walk = (step: Step, counts: readonly number[]): void => {
    if (step.kind === "copy") steps.push(step);
    else if (step.kind === "choose") for (const inner of branchOf(step, sizes)) walk(inner, counts);
    else if (step.kind === "loop") {
      const length = evaluateDim(step.length, sizes);
      for (let count = 0; count < length; count++) for (const inner of step.body) walk(inner, [...counts, count]);
      if (length === 0) for (const dispatch of step.otherwise) walk(dispatch, counts);
    } else {
      const groups = step.grid.reduce((sum, part) => sum + workgroupsOf(part, sizes), 0);
      if (groups === 0) return;
      const { kernel, indirect } = step;
      const workgroups = [Math.min(groups, maxWorkgroups), Math.ceil(groups / maxWorkgroups)] as const;
      for (const range of step.chunks === undefined ? [[]] : chunkRanges(step.chunks, sizes)) {
        const entry = [...counts, ...range];
        steps.push({ kernel, workgroups, stepOffset: entry.length === 0 ? 0 : entryOf(entry), indirect });
      }
    }
  };
  for (const step of program.steps) walk(step, []);

  const words = uniformAlignment / bytesOfUniform;
  const stepTable = new Uint32Array(Math.max(1, table.length) * words);
  for (const [i, counts] of table.entries()) stepTable.set(counts, i * words);
  return {
    sizes,
    elementBytes: program.buffers.map(({ bytes }) => bytes),
    bufferBytes: program.buffers.map(({ size, bytes }) => bytes * evaluateSize(size, sizes)),
    ...sizeTableOf(program, sizes),
    stepTable,
    steps,
  };
}

/** A kernel may read more sizes than one alignment holds: those of the next begin at the alignment after them. */
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
