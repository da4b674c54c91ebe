/** @file Whether a program for this engine's CPU fuses its running sums. */
import { cpuKernels, planCpuProgram } from "../../compiler/compile-cpu.ts";
import type { Graph } from "../../compiler/graph/graph.ts";
import { hasRelaxedMadd } from "../../wasm/features.ts";
import { functionText } from "../../wasm/text.ts";

export function compilesFused(graph: Graph): boolean {
  const { functions } = cpuKernels(planCpuProgram(graph), hasRelaxedMadd());
  return functions.some((written) => functionText(written).includes("relaxed_madd"));
}
