/** @file `cellgrad inspect`: shows how one training step of a language model with a given cell is compiled. */

import { planCpuProgram } from "../../compiler/compile-cpu.ts";
import type { CpuKernelText } from "../../compiler/cpu-text.ts";
import type { CellDefinition } from "../../compiler/dsl/cell.ts";
import { traceCell } from "../../compiler/dsl/traced-cell.ts";
import { at, UserError } from "../../compiler/graph/errors.ts";
import type { Graph } from "../../compiler/graph/graph.ts";
import type { Kernel } from "../../compiler/plan/program.ts";
import type { ScheduleChoice } from "../../compiler/plan/scan/names.ts";
import type { Tuning } from "../../compiler/plan/tuning.ts";
import { planProgram } from "../../compiler/plan-program.ts";
import { chunkwise, type MemoryReport, memoryReports } from "../../compiler/recurrence/chunkwise.ts";
import type { Precision } from "../../devices/device.ts";
import { cellText } from "../../interchange/equations/write.ts";
import { equationsOf, latexOf } from "../../interchange/latex/equations.ts";
import { bytesFormula, countNodes, countWork } from "../../runtime/count-work.ts";
import { compileStep, compileStepForCpu } from "../../train/compile-step.ts";
import { fittedStep, type Planner, segmentsLine } from "../../train/memory-budget.ts";
import { languageModel, type Network } from "../../train/networks.ts";
import { adam } from "../../train/optimizers/gradient-descent.ts";
import { createTrainer } from "../../train/trainer.ts";
import { trainingStep } from "../../train/training-step.ts";
import { type DeviceOptions, noteCpuRename, withDevice } from "../device.ts";
import { ExitCode } from "../errors.ts";
import { carriesOf, layout } from "../inspect/layout.ts";
import { anyBatch, profiledRuns, profileStep, type StepProfile } from "../inspect/profile-step.ts";
import { profileTable, totalOf } from "../inspect/profile-table.ts";
import { cellByName } from "../named-cell.ts";
import { showBar } from "../progress.ts";
import { jsonLine, line, type Streams } from "../streams.ts";
import { CLIP_NORM } from "../train-session.ts";
import { checkedSize, weightCount } from "../training-setup.ts";
import { readTuned, tuningLine } from "../tuning.ts";

export interface InspectCommandOptions extends DeviceOptions {
  readonly cell: string;
  readonly units: number;
  readonly layers: number;
  readonly embed: number;
  readonly vocabulary: number;
  readonly batch: number;
  readonly time: number;
  readonly precision: Precision;
  /** Most bytes of the step. */
  readonly memory?: number | "auto";
  readonly schedule?: ScheduleChoice;
  /** The model whose tuning to show and to compile with. */
  readonly tuning?: string;
  readonly json?: boolean;
  readonly profile?: boolean;
  /** Print the equations of the step, as LaTeX or as a .cell file. */
  readonly latex?: boolean;
  readonly equations?: boolean;
  /** The first device option given on the command line, if any. */
  readonly deviceGiven: string | undefined;
}

export async function inspect(options: InspectCommandOptions, streams: Streams): Promise<number> {
  const { stdout } = streams;
  checkDevice(options);
  const { units, layers, embed, vocabulary, batch, time, json, precision } = options;
  const tuned = options.tuning === undefined ? undefined : await readTuned(options.tuning);
  const cell = await cellByName(options.cell);
  if (options.latex || options.equations) return printEquations(cell, options, streams);
  const network = checkedSize(languageModel({ cell, units, layers, embed, vocabulary }));
  const profile = options.profile ? await profiled(network, options, tuned?.tuning, streams) : undefined;
  // The same step as in `train`.
  const update = { optimizer: adam(), clipNorm: CLIP_NORM, precision };
  const compileOptions = { precision, tuning: tuned?.tuning, schedule: options.schedule ?? "auto" };
  const budget = options.memory === undefined ? undefined : { bytes: options.memory, batch, time };
  // Of the step that is made last.
  let memories: readonly MemoryReport[] = [];
  const rewrite = (loss: Graph) => {
    memories = memoryReports(loss);
    return chunkwise(loss);
  };
  const fitted = budget && fittedStep(targetOf(options), network, update, compileOptions, budget, rewrite);
  const step = fitted ? fitted.step : trainingStep(network, update, undefined, rewrite);
  if (profile === undefined) noteCpuRename(options.device, streams);
  const compile = options.device === "cpu" ? compileStepForCpu : compileStep;
  const compiled = compile(step, options.schedule, { tuning: tuned?.tuning, precision });
  const work = countWork(compiled.program, { B: batch, T: time });
  if (json) {
    const { stages, program } = compiled;
    jsonLine(stdout, {
      cell: cell.cellName,
      ...{ units, layers, embed, vocabulary, batch, time, precision },
      weights: weightCount(network),
      ...(fitted?.segments && { segments: fitted.segments }),
      ...work,
      ...(tuned && { tuned }),
      bytesFormula: bytesFormula(compiled.program),
      schedules: program.schedules,
      ...(program.halves && { halves: program.halves }),
      carries: carriesOf(stages),
      ...(memories.length > 0 && { memories }),
      passes: stages.map(({ pass, graph }) => ({ name: pass, nodes: countNodes(graph) })),
      kernels: program.kernels.map(kernelEntry),
      ...(profile && { profile: { ...profile, total: totalOf(profile.kernels) } }),
    });
  } else {
    if (tuned !== undefined) line(stdout, tuningLine(tuned));
    line(
      stdout,
      `${cell.cellName}: ${layers} x ${units} units, embedding ${embed}, vocabulary ${vocabulary}, batch ${batch}, time ${time}`,
    );
    if (fitted?.segments !== undefined) line(stdout, segmentsLine(fitted.segments));
    for (const text of profile ? profileTable(profile) : layout(compiled, work, memories)) line(stdout, text);
  }
  return ExitCode.ok;
}

/** The equations of a step of the first layer, in place of how it is compiled. */
async function printEquations(
  cell: CellDefinition,
  { latex, equations, profile, units, embed, json }: InspectCommandOptions,
  { stdout }: Streams,
): Promise<number> {
  if (profile)
    throw new UserError(`--${latex ? "latex" : "equations"} prints equations and runs nothing; leave out --profile`);
  if (latex && equations) throw new UserError("--latex and --equations are two ways to print a cell; give one");
  const trace = at(traceCell(cell, [{ units, features: embed }]).traces, 0);
  const text = equations ? cellText(trace) : `${latexOf(equationsOf(trace))}\n`;
  if (json)
    jsonLine(stdout, { cell: cell.cellName, units, features: embed, [equations ? "equations" : "latex"]: text });
  else stdout.write(text);
  return ExitCode.ok;
}

/** What compiles for a device that is not opened, with the limits that every adapter has. */
function targetOf({ device }: InspectCommandOptions): Planner {
  if (device === "cpu") return { kind: "cpu", lower: planCpuProgram };
  const limits = { bytes: Number.POSITIVE_INFINITY, bufferBytes: 2 ** 27 };
  return { kind: "gpu", lower: planProgram, limits };
}

function kernelEntry(kernel: Kernel | CpuKernelText): object {
  const { name, label, site, about } = kernel;
  if (!("wgsl" in kernel))
    return { name, label, site, functions: kernel.functions, scratchBytes: kernel.scratchBytes, wat: kernel.wat };
  const { workgroupSize, workgroupBytes, wgsl } = kernel;
  return { name, label, site, workgroupSize, workgroupBytes, wgsl: about + wgsl };
}

function checkDevice({ profile, device, deviceGiven }: InspectCommandOptions): void {
  if (profile && device === "interpreter")
    throw new UserError("--profile times kernels, and the interpreter has none: give gpu, cpu, software or auto");
  if (profile || deviceGiven === undefined || (device === "cpu" && deviceGiven === "device")) return;
  const but = deviceGiven === "device" ? ", except for --device cpu" : "";
  throw new UserError(`--${deviceGiven} is for --profile${but}: inspect without --profile uses no device`);
}

function profiled(
  network: Network,
  { vocabulary, batch, time, precision, schedule = "auto", ...options }: InspectCommandOptions,
  tuning: Tuning | undefined,
  streams: Streams,
): Promise<StepProfile> {
  return withDevice(options, streams, async (device) => {
    const progress = showBar(streams.stderr, 2 * profiledRuns + 2, "steps, half of them with timed kernels");
    try {
      const trainer = await createTrainer(device, network, { clipNorm: CLIP_NORM, schedule, tuning, precision });
      return await profileStep(device, trainer, anyBatch(vocabulary, batch, time), progress.done);
    } finally {
      progress.stop();
    }
  });
}
