/** @file One training step of each built-in cell and of an example of a user's own, compiled in every way there is. */
import { cells } from "../../cells/index.ts";
import { compileProgram } from "../../compiler/compile.ts";
import type { CellDefinition } from "../../compiler/dsl/cell.ts";
import type { Program } from "../../compiler/plan/program.ts";
import minimalGatedUnit from "../../examples/minimal-gated-unit.ts";
import { languageModel } from "../../train/networks.ts";
import { adam } from "../../train/optimizers/gradient-descent.ts";
import { trainingStep } from "../../train/training-step.ts";

export const standardCells: readonly CellDefinition[] = [...Object.values(cells), minimalGatedUnit as CellDefinition];

/** Kinds of devices; on the last, lanes of a subgroup share what they load. */
const targets = [{ target: "gpu" }, { target: "software" }, { target: "software", subgroupSize: 4 }] as const;

/** Both schedules, for each kind of device. */
export function programsOf(cell: CellDefinition): Program[] {
  const network = languageModel({ cell, units: 8, layers: 2, vocabulary: 11, embed: 6 });
  const step = trainingStep(network, { optimizer: adam(), clipNorm: 1 });
  return (["persistent", "stepwise"] as const).flatMap((schedule) =>
    targets.map((target) => compileProgram(step.graph, { donate: step.donate, schedule, ...target })),
  );
}
