/**
 * @file Random cells in a schedule of the caller's choice, with the rules of a GPU: on a device, or in the evaluator, where
 * a race, a read of nothing and an index out of bounds are faults. Each cell has its own registers and lanes, and runs
 * twice, in chunks of two lengths: all four results must be the same bits.
 */
import { at } from "../../compiler/graph/errors.ts";
import type { Graph } from "../../compiler/graph/graph.ts";
import type { NdArray } from "../../compiler/graph/ndarray.ts";
import { evaluateProgram } from "../../compiler/plan/evaluate-program.ts";
import type { LowerOptions, RegisterFile, ScanSchedule, ScanSchedules } from "../../compiler/plan/lowering.ts";
import type { ScanScheduleName } from "../../compiler/plan/scan/names.ts";
import { scanSchedules } from "../../compiler/plan/scan/schedules.ts";
import { planProgram } from "../../compiler/plan-program.ts";
import type { Executor } from "../../testing/executor.ts";
import { named } from "../kernels/inputs.ts";
import type { ProgramRunner } from "../support/programs.ts";

/** Runs a graph by some rules of lowering: on a device, or in the evaluator. */
export interface Place {
  readonly name: string;
  /** Invocations that a workgroup may have. */
  readonly maxInvocations: number;
  /** Invocations in a row that may exchange values without memory: each is tried in turn. */
  readonly neighbours: readonly number[];
  /** The outputs of each round. */
  readonly runs: (graph: Graph, rounds: readonly (readonly NdArray[])[], options: LowerOptions) => Promise<NdArray[][]>;
}

export const onDevice = (runner: ProgramRunner): Place => {
  const { maxInvocations, subgroupSize } = runner.limits;
  return {
    name: runner.name,
    maxInvocations,
    neighbours: subgroupSize === undefined ? [1] : [subgroupSize, 1],
    runs: (graph, rounds, options) => runner.runs(graph, rounds, options),
  };
};

export const inEvaluator = (maxInvocations: number): Place => ({
  name: "evaluator",
  maxInvocations,
  neighbours: [32, 8, 1],
  runs: async (graph, rounds, options) => {
    const program = planProgram(graph, options);
    const subgroupSize = Math.max(4, options.neighbours ?? 1);
    return rounds.map((inputs) => evaluateProgram(program, named(graph, inputs), { subgroupSize }));
  },
});

/** Registers for weights, from more than any cell needs to so few that most cells need many lanes. */
const registersOf = (seed: number): RegisterFile => {
  return { total: 1e6, most: at([300, 300, 64, 24, 8], seed % 5), reserved: 0 };
};

/** What became of the loops of a cell: undefined for one that runs in the schedule, or why it cannot. */
export type Note = (refusals: readonly (string | undefined)[]) => void;

/** The schedules, with an ear at one of them. */
function overheard(name: ScanScheduleName, hear: (refusal: string | undefined) => void): ScanSchedules {
  return scanSchedules.map(([other, schedule]) => {
    if (other !== name) return [other, schedule];
    const plan: ScanSchedule["plan"] = (lowering, context) => {
      const found = schedule.plan(lowering, context);
      hear(found.steps === undefined ? found.reason : undefined);
      return found;
    };
    return [other, { plan }];
  });
}

/** What tries a cell in a schedule; `seed` is the cell's. */
export function executorOf(name: ScanScheduleName, place: Place, seed: number, note: Note): Executor {
  const registers = registersOf(seed);
  const maxInvocations = Math.max(256, place.maxInvocations >> at([0, 0, 1, 2], seed % 4));
  const neighbours = at(place.neighbours, seed % place.neighbours.length);
  const options: LowerOptions = {
    target: "gpu",
    // A schedule that a tuning prefers is used wherever it can be, whatever there is against it.
    tuning: { schedule: name },
    registers,
    maxInvocations,
    neighbours,
    // Small tiles, whose kernels compile quickly, for most.
    maxRows: seed % 4 === 0 ? undefined : 2,
  };
  return {
    name: `${place.name}, ${name}, ${maxInvocations} lanes, ${registers.most} registers, ${neighbours} neighbours`,
    tolerance: 1e-4,
    execute: async (graph, inputs) => {
      note(refusalsOf(graph, name, options));
      const results: NdArray[][] = [];
      for (const chunkSteps of [2, 100])
        results.push(...(await place.runs(graph, [inputs, inputs], { ...options, chunkSteps })));
      const [first = [], ...others] = results;
      for (const [k, other] of others.entries())
        if (!haveSameBits(first, other)) throw new Error(`${name}: run ${k + 2} of 4 has other bits`);
      return first;
    },
  };
}

function refusalsOf(graph: Graph, name: ScanScheduleName, options: LowerOptions): readonly (string | undefined)[] {
  const refusals: (string | undefined)[] = [];
  planProgram(graph, { ...options, scanSchedules: overheard(name, (refusal) => refusals.push(refusal)) });
  return refusals;
}

function haveSameBits(some: readonly NdArray[], others: readonly NdArray[]): boolean {
  return some.every(({ data }, i) => data.every((value, k) => Object.is(value, others[i]?.data[k])));
}
