/**
 * @file Runs a planned program on the host, without a device: its steps as a device runs them, its kernels by
 * compiler/kernel/evaluate/. It is slow, and finds errors that a device hides: reads outside a buffer, reads of
 * uninitialized memory, and races between invocations.
 */
import { bindShape, bucketOf, type DimSizes, evaluateDim } from "../graph/dim.ts";
import { at, InternalError, UserError } from "../graph/errors.ts";
import { type NdArray, ndarray } from "../graph/ndarray.ts";
import { type DispatchOptions, defaultMaxWorkgroups, EvaluatedKernel } from "../kernel/evaluate/kernel.ts";
import { BufferMemory, Clock, type Words } from "../kernel/evaluate/memory.ts";
import type { BufferSpec, Chunks, Location, PlannedKernel, Program, Size, Step } from "./program.ts";

/**
 * Returns the outputs of a program, in order; `inputs` are given by name.
 *
 * @throws InternalError if the behaviour of a kernel could differ between devices, UserError if inputs are missing or
 *   have wrong shapes.
 */
export function evaluateProgram(
  program: Program<PlannedKernel>,
  inputs: Readonly<Record<string, NdArray>>,
  options: Partial<DispatchOptions> = {},
): NdArray[] {
  const run = new ProgramRun(program, inputs, { subgroupSize: 4, maxWorkgroups: defaultMaxWorkgroups, ...options });
  for (const step of program.steps) run.step(step, []);
  return run.outputs();
}

const arrays = { f32: Float32Array, i32: Int32Array, u32: Uint32Array } as const;

class ProgramRun {
  readonly #program: Program<PlannedKernel>;
  readonly #sizes: DimSizes;
  readonly #buffers: readonly BufferMemory[];
  readonly #kernels: readonly EvaluatedKernel[];

  constructor(program: Program<PlannedKernel>, inputs: Readonly<Record<string, NdArray>>, options: DispatchOptions) {
    this.#program = program;
    this.#sizes = sizesOf(program, inputs);
    const clock = new Clock();
    const given = new Map(program.inputs.map(({ name, buffer }) => [buffer, inputs[name]?.data]));
    this.#buffers = program.buffers.map((spec, i) => bufferOf(clock, spec, given.get(i), this.#sizes));
    this.#kernels = program.kernels.map(({ name, code }) => new EvaluatedKernel(name, code, clock, options));
  }

  step(step: Step, counts: readonly number[]): void {
    if (step.kind === "copy") {
      const [from, to] = [at(this.#buffers, step.from.buffer), at(this.#buffers, step.to.buffer)];
      from.copyTo(to, this.#size(step.from.offset), this.#size(step.to.offset), this.#size(step.from.size));
    } else if (step.kind === "dispatch") {
      for (const [first, end] of step.chunks === undefined ? [[]] : this.#ranges(step.chunks)) {
        const given = {
          buffers: this.#buffers,
          sizes: this.#sizes,
          counts: first === undefined ? counts : [...counts, first],
          end: end ?? Number.NaN,
        };
        at(this.#kernels, step.kernel).run(given, step.indirect && this.#workgroups(step.indirect));
      }
    } else if (step.kind === "choose") {
      const branch = bucketOf(step.branches, evaluateDim(step.dim, this.#sizes));
      for (const inner of branch?.steps ?? []) this.step(inner, counts);
    } else {
      const length = evaluateDim(step.length, this.#sizes);
      for (let count = 0; count < length; count++) for (const inner of step.body) this.step(inner, [...counts, count]);
      if (length === 0) for (const dispatch of step.otherwise) this.step(dispatch, counts);
    }
  }

  outputs(): NdArray[] {
    return this.#program.outputs.map(({ dtype, shape, location }) => {
      const { words } = at(this.#buffers, location.buffer);
      const first = this.#size(location.offset);
      const sizes = shape.map((dim) => evaluateDim(dim, this.#sizes));
      const own = words.slice(first, first + this.#size(location.size));
      return ndarray(sizes, new arrays[dtype === "bool" ? "u32" : dtype](own.buffer), dtype);
    });
  }

  /** Total number of workgroups that earlier steps have written, over all axes. */
  #workgroups({ buffer, offset, size }: Location): number {
    const first = this.#size(offset);
    const indices = Array.from({ length: this.#size(size) }, (_, i) => first + i);
    return indices.reduce((total, index) => total * at(this.#buffers, buffer).numberAt(index), 1);
  }

  /** First step and end of each chunk; a loop of length 0 is one empty chunk. */
  #ranges({ length, steps }: Chunks): [first: number, end: number][] {
    const total = evaluateDim(length, this.#sizes);
    const ranges: [number, number][] = [];
    for (let first = 0; first === 0 || first < total; first += steps)
      ranges.push([first, Math.min(first + steps, total)]);
    return ranges;
  }

  #size(size: Size): number {
    return size.reduce<number>((sum, dim) => sum + evaluateDim(dim, this.#sizes), 0);
  }
}

function sizesOf(
  { name, inputs: expected, symbols }: Program<PlannedKernel>,
  inputs: Readonly<Record<string, NdArray>>,
): DimSizes {
  const sizes: Record<string, number> = {};
  for (const { name: input, shape } of expected) {
    const given = inputs[input];
    const problem = given === undefined ? "is missing" : bindShape(shape, given.shape, sizes);
    if (problem !== undefined) throw new UserError(`${name}: input ${input}: ${problem}`);
  }
  for (const symbol of symbols)
    if (sizes[symbol] === undefined) throw new UserError(`${name}: no input determines the size of ${symbol}`);
  return sizes;
}

function bufferOf(
  clock: Clock,
  { name, element, size, role }: BufferSpec,
  given: Float64Array | undefined,
  sizes: DimSizes,
): BufferMemory {
  const length = size.reduce<number>((sum, dim) => sum + evaluateDim(dim, sizes), 0);
  if (role === "input" && given?.length !== length) throw new InternalError(`${name} holds ${length} elements`);
  const words: Words = new arrays[element](length);
  if (given !== undefined) words.set(given);
  return new BufferMemory(clock, name, words, given !== undefined);
}
