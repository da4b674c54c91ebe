/** @file All mutants: every rule of every op, every pass, the lowering, and every function of the kernel IR. */
import { autodiffMutants } from "./autodiff.ts";
import { benchMutants } from "./bench.ts";
import { bufferMutants } from "./buffers.ts";
import { cliMutants } from "./cli.ts";
import { cpuMutants } from "./cpu.ts";
import { cpuTargetMutants } from "./cpu-target.ts";
import { dispatchMutants } from "./dispatches.ts";
import { docsMutants } from "./docs.ts";
import { equationMutants } from "./equations.ts";
import { evaluatorMutants } from "./evaluator.ts";
import { fileMutants } from "./files.ts";
import { keptMutants } from "./kept.ts";
import { kernelIrMutants } from "./kernel-ir.ts";
import { kernelMutants } from "./kernels.ts";
import { layerMutants } from "./layers.ts";
import { lossMutants } from "./losses.ts";
import type { Mutant } from "./mutant.ts";
import { opEntryMutants } from "./op-entries.ts";
import { opRuleMutants } from "./op-rules.ts";
import { pageMutants } from "./page.ts";
import { panelMutants } from "./panels.ts";
import { passMutants } from "./passes.ts";
import { planMutants } from "./plan.ts";
import { populationMutants } from "./population.ts";
import { precisionMutants } from "./precision.ts";
import { productMutants } from "./products.ts";
import { programMutants } from "./programs.ts";
import { recurrenceMutants } from "./recurrence.ts";
import { reductionMutants } from "./reductions.ts";
import { residentMutants } from "./resident.ts";
import { runtimeMutants } from "./runtime.ts";
import { segmentMutants } from "./segments.ts";
import { shaderMutants } from "./shaders.ts";
import { sharedDeviceMutants } from "./shared-devices.ts";
import { trainingMutants } from "./training.ts";
import { webAssemblyMutants } from "./webassembly.ts";

export const mutants: readonly Mutant[] = [
  ...opEntryMutants,
  ...opRuleMutants,
  ...autodiffMutants,
  ...bufferMutants,
  ...pageMutants,
  ...passMutants,
  ...planMutants,
  ...dispatchMutants,
  ...kernelMutants,
  ...productMutants,
  ...programMutants,
  ...recurrenceMutants,
  ...reductionMutants,
  ...residentMutants,
  ...panelMutants,
  ...populationMutants,
  ...precisionMutants,
  ...kernelIrMutants,
  ...evaluatorMutants,
  ...shaderMutants,
  ...runtimeMutants,
  ...sharedDeviceMutants,
  ...layerMutants,
  ...lossMutants,
  ...trainingMutants,
  ...segmentMutants,
  ...equationMutants,
  ...fileMutants,
  ...webAssemblyMutants,
  ...cpuTargetMutants,
  ...cpuMutants,
  ...cliMutants,
  ...keptMutants,
  ...benchMutants,
  ...docsMutants,
];
