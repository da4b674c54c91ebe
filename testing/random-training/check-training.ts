/** @file Checks random training runs on a device: each step must equal the interpreter's. */
import { atSite } from "../../compiler/trace/site.ts";
import type { CellDefinition, Device } from "../../index.ts";
import type { UpdateOptions } from "../../train/optimizers/update.ts";
import { trainingStep } from "../../train/training-step.ts";
import { site } from "../random-cells/cell-graphs.ts";
import { type ComparedRun, compareStep, once } from "./compare-step.ts";
import { runOn, seedOf, updateOf } from "./device-run.ts";
import { objectiveOf } from "./random-objective.ts";
import { type TrainingPlan, trainingText } from "./training-plan.ts";
import { probed } from "./update-spread.ts";

/** Cells by name. */
type Cells = Readonly<Record<string, CellDefinition>>;

/** The outcome of a run without errors. */
export interface TrainingOutcome {
  /** Why little of it was compared: f32 does not determine it. */
  readonly unsuitable?: string;
}

/** Throws an error that says which step and value differ from the interpreter's, and by how much. */
export async function checkTraining(plan: TrainingPlan, cells: Cells, device: Device): Promise<TrainingOutcome> {
  const random = objectiveOf(plan.objective, cellOf(plan, cells));
  const { objective } = random;
  const stepBy = (update: UpdateOptions) => atSite(site, () => trainingStep(objective, update));
  const compared: ComparedRun = {
    ...{ step: stepBy(updateOf(plan)), objective, seed: seedOf(plan), layers: plan.objective.layers },
    probed: once(() => stepBy(updateOf(plan, probed))),
  };
  let outcome: TrainingOutcome = {};
  for (const made of await runOn(device, plan, random)) {
    const { wrong, unsuitable } = compareStep(compared, made);
    if (wrong !== undefined) throw new Error(`step ${made.result.step}: ${wrong}`);
    if (unsuitable !== undefined) outcome = { unsuitable };
  }
  return outcome;
}

/** The run of a plan as source text. */
export function trainingSource(plan: TrainingPlan, cells: Cells): string {
  return trainingText(plan, objectiveOf(plan.objective, cellOf(plan, cells)));
}

function cellOf({ objective: { cell } }: TrainingPlan, cells: Cells): CellDefinition {
  const found = cells[cell];
  if (found === undefined) throw new Error(`unknown cell ${cell}; the cells are ${Object.keys(cells).join(", ")}`);
  return found;
}
