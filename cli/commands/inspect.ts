/** @file `cellgrad inspect`: what the compiler makes of one training step of a language model with a given cell. */

import type { Schedule } from "../../compiler/plan/schedule.ts";
import { languageModel } from "../../train/networks.ts";
import { adam } from "../../train/optimizers.ts";
import { trainingStep } from "../../train/training-step.ts";
import { ExitCode } from "../errors.ts";
import { compileStep } from "../inspect/compile-step.ts";
import { countWork } from "../inspect/count.ts";
import { countNodes, layout } from "../inspect/layout.ts";
import { jsonLine, line, type Streams } from "../streams.ts";
import { checkedSize, weightCount } from "../tasks.ts";
import { CLIP_NORM } from "../train-session.ts";
import { cellByName } from "../user-module.ts";

export interface InspectCommandOptions {
  readonly cell: string;
  readonly units: number;
  readonly layers: number;
  readonly embed: number;
  readonly vocabulary: number;
  readonly batch: number;
  readonly time: number;
  readonly schedule?: Schedule;
  readonly json?: boolean;
}

export async function inspect(options: InspectCommandOptions, { stdout }: Streams): Promise<number> {
  const { units, layers, embed, vocabulary, batch, time, json } = options;
  const cell = await cellByName(options.cell);
  const network = checkedSize(languageModel({ cell, units, layers, embed, vocabulary }));
  // The same step as `train` makes.
  const compiled = compileStep(trainingStep(network, { optimizer: adam(), clipNorm: CLIP_NORM }), options.schedule);
  const work = countWork(compiled.program, { B: batch, T: time });
  if (json) {
    const { stages, program } = compiled;
    jsonLine(stdout, {
      cell: cell.cellName,
      ...{ units, layers, embed, vocabulary, batch, time },
      weights: weightCount(network),
      ...work,
      schedules: program.schedules,
      passes: stages.map(({ pass, graph }) => ({ name: pass, nodes: countNodes(graph) })),
      kernels: program.kernels.map(({ name, label, site, workgroupSize, workgroupBytes, wgsl }) => ({
        ...{ name, label, site, workgroupSize, workgroupBytes, wgsl },
      })),
    });
  } else {
    line(
      stdout,
      `${cell.cellName}: ${layers} x ${units} units, embedding ${embed}, vocabulary ${vocabulary}, batch ${batch}, time ${time}`,
    );
    for (const text of layout(compiled, work)) line(stdout, text);
  }
  return ExitCode.ok;
}
