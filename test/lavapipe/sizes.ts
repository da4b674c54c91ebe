/**
 * @file Cells whose weights stay in registers at sizes that need as many lanes as a GPU has: more than most software
 * adapters offer. Each is a training step, forward and backward, in chunks of two lengths, and twice in each: all results
 * are the same bits, and those of the interpreter.
 */
import { slstm, zoo } from "../../cells/zoo.ts";
import type { CellDefinition } from "../../compiler/dsl/cell.ts";
import { at } from "../../compiler/graph/errors.ts";
import type { NdArray } from "../../compiler/graph/ndarray.ts";
import { interpret } from "../../compiler/ops/interpret.ts";
import type { LowerOptions } from "../../compiler/plan/lowering.ts";
import { planProgram } from "../../compiler/plan-program.ts";
import { sgd, trainingStep } from "../../index.ts";
import { languageModel } from "../../train/networks.ts";
import { farthest, inputsOf } from "../kernels/inputs.ts";
import type { ProgramRunner } from "../support/programs.ts";

/** A cell at a size; `lanes`: of its widest workgroup. */
export interface Size {
  readonly name: string;
  readonly cell: CellDefinition;
  readonly units: number;
  readonly lanes: number;
  readonly options?: LowerOptions;
}

const built = (name: string, units: number, lanes: number): Size => {
  const cell = zoo[name];
  if (cell === undefined) throw new Error(`the zoo has no ${name}`);
  return { name: `${name} of ${units} units`, cell, units, lanes };
};

const heads = slstm({ heads: 4 }) as CellDefinition;

export const sizes: readonly Size[] = [
  built("lstm", 128, 1024),
  built("gru", 128, 1024),
  built("mgu", 128, 1024),
  built("layer-norm-lstm", 128, 1024),
  { name: "slstm of 256 units in 4 heads", cell: heads, units: 256, lanes: 1024 },
  {
    ...{ name: "slstm of 256 units in 4 heads, each of which is a row", cell: heads, units: 256, lanes: 1024 },
    options: { registers: { total: 4 * 1024 * 32, most: 84, reserved: 64 } },
  },
];

/** What was found of a size. */
export interface Found {
  readonly name: string;
  readonly lanes: number;
  /** How far the results are from the interpreter's, relative to the largest number of each. */
  readonly error: number;
  readonly wrong?: string;
}

/** How far f32 may be off. */
const tolerance = 1e-4;

/** Registers of a GPU that has many. */
const registers = { total: 4 * 1024 * 32, most: 240, reserved: 64 };

const graphOf = ({ cell, units }: Size) =>
  trainingStep(languageModel({ cell, units, embed: 8, vocabulary: 5 }), { optimizer: sgd() }).graph;

const optionsOf = ({ options }: Size) =>
  ({ target: "gpu", maxInvocations: 1024, tuning: { schedule: "resident" }, registers, ...options }) as const;

/** The lanes of the widest workgroup of a size, and what is not as it should be. */
export function plannedSize(size: Size, limits: LowerOptions = {}) {
  const { kernels, schedules } = planProgram(graphOf(size), { ...limits, ...optionsOf(size) });
  const lanes = Math.max(...kernels.map(({ code }) => code.workgroupSize));
  const others = schedules.filter(({ schedule }) => schedule !== "resident");
  const wrong = [
    ...others.map(({ schedule, reason }) => `a loop is ${schedule}: ${reason}`),
    ...(lanes === size.lanes ? [] : [`its widest workgroup has ${lanes} lanes, not ${size.lanes}`]),
  ];
  return { lanes, wrong, reasons: schedules.map(({ reason }) => reason) };
}

export async function checkSize(size: Size, runner: ProgramRunner): Promise<Found> {
  const graph = graphOf(size);
  const inputs = inputsOf(graph, false, { B: 2, T: 3 });
  const { lanes, wrong } = plannedSize(size, runner.limits);
  const results: NdArray[][] = [];
  for (const chunkSteps of [2, 100])
    results.push(...(await runner.runs(graph, [inputs, inputs], { ...optionsOf(size), chunkSteps })));
  const first = at(results, 0);
  const error = farthest(first, interpret(graph, inputs));
  const isSame = results.every((result) =>
    result.every(({ data }, i) => data.every((value, k) => Object.is(value, first[i]?.data[k]))),
  );
  if (!(error < tolerance)) wrong.push(`it is ${error} off the interpreter`);
  if (!isSame) wrong.push("runs differ in some bits");
  return { name: size.name, lanes, error, ...(wrong.length > 0 && { wrong: wrong.join("; ") }) };
}
