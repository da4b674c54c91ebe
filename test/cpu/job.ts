/** @file One job for every host: a program with every kind of step, on a given number of threads. */
import { ndarray } from "../../compiler/graph/ndarray.ts";
import { uploadCpuArray } from "../../runtime/cpu/arrays.ts";
import { CpuContext, type CpuOptions } from "../../runtime/cpu/context.ts";
import { LoadedCpuProgram } from "../../runtime/cpu/loaded-program.ts";
import { everyStep } from "./hand-made.ts";

export interface JobResult {
  readonly name: string;
  readonly isShared: boolean;
  /** Checksums of the outputs. */
  readonly bits: readonly number[];
}

export const numbers = (count: number, start: number): number[] =>
  Array.from({ length: count }, (_, i) => Math.fround(((i * 7919 + start) % 1000) / 256));

/** A checksum of the bits. */
export function bitsOf(data: ArrayLike<number>): number {
  let sum = 0;
  for (const bits of new Uint32Array(Float32Array.from(data).buffer)) sum = (Math.imul(sum, 31) + bits) >>> 0;
  return sum;
}

/** Runs the job without destroying the device: a host without other work ends. */
export async function work(options: CpuOptions): Promise<JobResult> {
  const context = await CpuContext.open(options);
  const program = await LoadedCpuProgram.load(context, everyStep(context.memory), [2]);
  const [N, T] = [20_000, 5];
  const outputs = program.run({
    x: ndarray([N], numbers(N, 1)),
    y: uploadCpuArray(context, ndarray([N], numbers(N, 2))),
    time: ndarray([T], numbers(T, 0)),
  });
  const bits: number[] = [];
  for (const output of outputs) bits.push(bitsOf((await output.read()).data));
  return { name: context.name, isShared: context.memory.isShared, bits };
}
