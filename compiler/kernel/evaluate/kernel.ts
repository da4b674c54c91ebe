/**
 * @file Runs kernels of the IR without a device, and checks that every device would compute the same. Lanes of a
 * workgroup run in lock step, statement by statement; memory checks how they use it (memory.ts).
 */
import { type Dim, type DimSizes, evaluateDim } from "../../graph/dim.ts";
import { at, InternalError } from "../../graph/errors.ts";
import type { GridPart, KernelCode } from "../ir.ts";
import type { Clock } from "./memory.ts";
import { partAction } from "./statements.ts";
import { type Action, Frame, type Given } from "./values.ts";

export interface DispatchOptions {
  /** Lanes that `fromLane` reaches. */
  readonly subgroupSize: number;
  /**
   * Maximum number of workgroups along one axis. A larger dispatch uses two axes, and then has workgroups without work.
   */
  readonly maxWorkgroups: number;
}

/** WebGPU's guaranteed limit. */
export const defaultMaxWorkgroups = 65535;

/** A kernel that can run any number of times, on memory that shares its clock. */
export class EvaluatedKernel {
  readonly #name: string;
  readonly #code: KernelCode;
  readonly #clock: Clock;
  readonly #options: DispatchOptions;
  readonly #frame: Frame;
  readonly #parts: readonly Action[];

  constructor(name: string, code: KernelCode, clock: Clock, options: DispatchOptions) {
    this.#name = name;
    this.#code = code;
    this.#clock = clock;
    this.#options = options;
    this.#enter();
    this.#frame = new Frame(clock, code, options.subgroupSize);
    this.#parts = code.parts.map(({ body, places }) => {
      this.#frame.places = places;
      return partAction(this.#frame, body);
    });
  }

  #enter(): void {
    this.#clock.kernel = this.#name;
    this.#clock.lanes = this.#code.workgroupSize;
  }

  /**
   * Runs the number of workgroups that its grid gives, or `workgroups` if set.
   *
   * @throws InternalError that names the kernel, the array, the index and the lanes.
   */
  run(given: Given, workgroups?: number): void {
    this.#enter();
    const { sizes, buffers } = given;
    const counts = this.#code.parts.map(({ grid }) => workgroupsOf(grid, sizes));
    const written = this.#code.buffers.filter(({ access }) => access === "read_write");
    const restores = written.map(({ array }) => at(buffers, array.buffer).snapshot());
    this.#frame.given = given;
    this.#clock.begin(false);
    this.#walk(counts, workgroups);
    if (!this.#clock.hasOverwritten) return;
    for (const restore of restores) restore();
    this.#clock.begin(true);
    this.#walk(counts, workgroups);
  }

  #walk(counts: readonly number[], workgroups?: number): void {
    const { workgroupSize } = this.#code;
    const clock = this.#clock;
    const total = counts.reduce((sum, count) => sum + count, 0);
    const { maxWorkgroups } = this.#options;
    const groups = workgroups ?? Math.min(total, maxWorkgroups) * Math.ceil(total / maxWorkgroups);
    const lanes = Array.from({ length: workgroupSize }, (_, lane) => lane);
    for (let group = 0; group < groups; group++) {
      const { part, number } = partAt(counts, group);
      clock.epoch += 1;
      clock.start = clock.epoch;
      this.#frame.group = number;
      this.#parts[part]?.(lanes);
      clock.workgroup += workgroupSize;
    }
  }
}

/**
 * The part that a workgroup runs. A kernel of one part runs in every workgroup of the dispatch; one of several only in
 * those that its parts own.
 */
function partAt(counts: readonly number[], group: number): { readonly part: number; readonly number: number } {
  if (counts.length === 1) return { part: 0, number: group };
  let number = group;
  const part = counts.findIndex((count) => {
    if (number < count) return true;
    number -= count;
    return false;
  });
  return { part: part < 0 ? counts.length : part, number };
}

function workgroupsOf({ rows, rowsPer, columns, lanes }: GridPart, sizes: DimSizes): number {
  const sum = (dims: readonly Dim[]) => dims.reduce<number>((total, dim) => total + evaluateDim(dim, sizes), 0);
  const groups = Math.ceil((Math.ceil(sum(rows) / rowsPer) * sum(columns)) / lanes);
  if (!Number.isInteger(groups)) throw new InternalError(`a grid of ${groups} workgroups`);
  return groups;
}
