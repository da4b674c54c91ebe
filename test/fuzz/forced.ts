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
import { isFiniteArray } from "../../testing/numbers/compare.ts";
import { prepare, sameOn, unrolledIsScan } from "../../testing/random-cells/cell-checks.ts";
import { lossGraphs, lossOfCell } from "../../testing/random-cells/cell-graphs.ts";
import type { CellPlan } from "../../testing/random-cells/cell-plan.ts";
import { reasonNotTo } from "../../testing/random-cells/check-loss.ts";
import { buildCell } from "../../testing/random-cells/random-cell.ts";
import { named } from "../kernels/inputs.ts";
import { ProgramRunner } from "../support/programs.ts";
import type { FuzzDevice, Totals } from "./protocol.ts";

/** What runs a graph by some rules of lowering: a device, or the evaluator. */
export interface Place {
  readonly name: string;
  /** Invocations that a workgroup may have. */
  readonly maxInvocations: number;
  /** Invocations in a row that may exchange values without memory: each is tried in turn. */
  readonly neighbours: readonly number[];
  /** The outputs of each round. */
  readonly runs: (graph: Graph, rounds: readonly (readonly NdArray[])[], options: LowerOptions) => Promise<NdArray[][]>;
  /** Each resolves when a device is lost. */
  readonly lost: readonly Promise<unknown>[];
  readonly destroy: () => void;
}

export async function openPlace(choice: FuzzDevice): Promise<Place> {
  if (choice === "evaluator") return evaluator;
  if (choice === "cpu") throw new Error("a CPU has no schedule to force with a GPU's rules");
  const runner = await ProgramRunner.open(choice === "all" ? "auto" : choice);
  const { maxInvocations, subgroupSize } = runner.limits;
  return {
    name: runner.name,
    maxInvocations,
    neighbours: subgroupSize === undefined ? [1] : [subgroupSize, 1],
    runs: (graph, rounds, options) => runner.runs(graph, rounds, options),
    lost: [runner.lost],
    destroy: () => runner.destroy(),
  };
}

const evaluator: Place = {
  name: "evaluator",
  maxInvocations: 1024,
  neighbours: [32, 8, 1],
  runs: async (graph, rounds, options) => {
    const program = planProgram(graph, options);
    const subgroupSize = Math.max(4, options.neighbours ?? 1);
    return rounds.map((inputs) => evaluateProgram(program, named(graph, inputs), { subgroupSize }));
  },
  lost: [],
  destroy: () => {},
};

/** Registers for weights, from more than any cell needs to so few that most cells need many lanes. */
const registersOf = (seed: number): RegisterFile => {
  return { total: 1e6, most: at([300, 300, 64, 24, 8], seed % 5), reserved: 0 };
};

/** Checks a cell: unrolled, in the interpreter and in the schedule it has one value and one gradient. */
export async function checkForced(plan: CellPlan, schedule: ScanScheduleName, place: Place): Promise<Partial<Totals>> {
  const prepared = prepare(lossGraphs(lossOfCell(buildCell(plan))));
  if (!prepared.gradients.every(isFiniteArray) || (await reasonNotTo(prepared)) !== undefined)
    return { cellsDiscarded: 1 };
  unrolledIsScan(prepared);
  const executor = executorOf(schedule, place, plan.seed);
  await sameOn(executor, prepared);
  const { refusals, lanes } = refusalsOf(prepared.gradient, schedule, optionsOf(schedule, place, plan.seed));
  const loops = refusals.filter((refusal) => refusal === undefined).length;
  const refused: Record<string, number> = {};
  for (const refusal of refusals) {
    const reason = refusal?.replace(/\d+/g, "N");
    if (reason !== undefined) refused[reason] = (refused[reason] ?? 0) + 1;
  }
  return { cells: 1, taken: { cells: Number(loops > 0), loops, lanes, refused } };
}

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

/** The rules of a GPU; `seed` is the cell's. */
function optionsOf(schedule: ScanScheduleName, place: Place, seed: number): LowerOptions {
  return {
    target: "gpu",
    // A schedule that a tuning prefers is used wherever it can be, whatever there is against it.
    tuning: { schedule },
    registers: registersOf(seed),
    maxInvocations: Math.max(256, place.maxInvocations >> at([0, 0, 1, 2], seed % 4)),
    neighbours: at(place.neighbours, seed % place.neighbours.length),
    // Small tiles, whose kernels compile quickly, for most.
    maxRows: seed % 4 === 0 ? undefined : 2,
  };
}

/** Runs a graph four times; all results must be the same bits. */
function executorOf(schedule: ScanScheduleName, place: Place, seed: number): Executor {
  const options = optionsOf(schedule, place, seed);
  const { maxInvocations, registers, neighbours } = options;
  return {
    name: `${place.name}, ${schedule}, ${maxInvocations} lanes, ${registers?.most} registers, ${neighbours} neighbours`,
    tolerance: 1e-4,
    execute: async (graph, inputs) => {
      const results: NdArray[][] = [];
      for (const chunkSteps of [2, 100])
        results.push(...(await place.runs(graph, [inputs, inputs], { ...options, chunkSteps })));
      const [first = [], ...others] = results;
      for (const [k, other] of others.entries())
        if (!haveSameBits(first, other)) throw new Error(`${schedule}: run ${k + 2} of 4 has other bits`);
      return first;
    },
  };
}

/** For each loop undefined if it runs in the schedule, or why it cannot; and the lanes of the widest workgroup of a loop. */
function refusalsOf(graph: Graph, name: ScanScheduleName, options: LowerOptions) {
  const refusals: (string | undefined)[] = [];
  const scanSchedules = overheard(name, (refusal) => refusals.push(refusal));
  const loops = planProgram(graph, { ...options, scanSchedules }).kernels.filter(
    ({ code }) => code.steps.end !== undefined,
  );
  return { refusals, lanes: Math.max(0, ...loops.map(({ code }) => code.workgroupSize)) };
}

function haveSameBits(some: readonly NdArray[], others: readonly NdArray[]): boolean {
  return some.every(({ data }, i) => data.every((value, k) => Object.is(value, others[i]?.data[k])));
}
