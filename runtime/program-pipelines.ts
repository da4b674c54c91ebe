/**
 * @file The pipelines of one program. Those of a branch are compiled when the branch is first taken, so kernels that never
 * run are never compiled.
 */
import type { DimSizes } from "../compiler/graph/dim.ts";
import { at } from "../compiler/graph/errors.ts";
import type { Program } from "../compiler/plan/program.ts";
import type { GpuContext } from "./context.ts";
import { createPipelineNow, createPipelines, type Pipeline } from "./pipelines.ts";
import { kernelsOf } from "./walk.ts";

export class ProgramPipelines {
  readonly #context: GpuContext;
  readonly #program: Program;
  readonly #made = new Map<number, Pipeline>();
  /** Outcomes of the kernels that were compiled synchronously. */
  readonly #faults: Promise<Error | undefined>[] = [];

  constructor(context: GpuContext, program: Program) {
    this.#context = context;
    this.#program = program;
  }

  get count(): number {
    return this.#made.size;
  }

  of(kernel: number): Pipeline {
    const pipeline = this.#made.get(kernel);
    if (pipeline === undefined) throw new Error(`internal: kernel ${kernel} of ${this.#program.name} is not compiled`);
    return pipeline;
  }

  /** Compiles the kernels that run at these sizes; without sizes, those that run at all sizes. */
  async load(sizes?: DimSizes): Promise<void> {
    const missing = this.#missing(sizes);
    const work = createPipelines(this.#context.device, this.#program, missing);
    const pipelines = await this.#context.wait(work, `compile the kernels of ${this.#program.name}`);
    for (const [i, kernel] of missing.entries()) this.#made.set(kernel, at(pipelines, i));
  }

  /** The same, synchronously, because a run is encoded without waiting. */
  loadNow(sizes: DimSizes): void {
    for (const kernel of this.#missing(sizes)) {
      const { pipeline, fault } = createPipelineNow(this.#context.device, at(this.#program.kernels, kernel));
      this.#made.set(kernel, pipeline);
      this.#faults.push(fault);
    }
  }

  /** The first error among the kernels that were compiled synchronously, if any. */
  async fault(): Promise<Error | undefined> {
    const faults = await Promise.all(this.#faults);
    return faults.find((fault) => fault !== undefined);
  }

  #missing(sizes?: DimSizes): number[] {
    return [...kernelsOf(this.#program.steps, sizes)].filter((kernel) => !this.#made.has(kernel));
  }
}
