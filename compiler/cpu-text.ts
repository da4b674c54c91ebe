/** @file The kernels of a graph on a CPU, for inspection: each with its functions in WebAssembly's text format. */
import { hasRelaxedMadd } from "../wasm/features.ts";
import type { Instruction, WasmFunction } from "../wasm/instruction.ts";
import { functionText } from "../wasm/text.ts";
import { type CpuPlanOptions, cpuKernels, planCpuProgram } from "./compile-cpu.ts";
import type { Graph } from "./graph/graph.ts";
import type { CpuKernel, Program } from "./plan/program.ts";

/** A kernel and its text: comments, the functions of its parts, and the functions that they call. */
export interface CpuKernelText extends CpuKernel {
  readonly wat: string;
}

/**
 * The program as the device "cpu" runs it in this engine: with fused multiply-add if the engine has it, unless
 * `isFused` is given.
 */
export function cpuProgramText(
  graph: Graph,
  { isFused = hasRelaxedMadd(), ...options }: CpuPlanOptions & { readonly isFused?: boolean } = {},
): Program<CpuKernelText> {
  const planned = planCpuProgram(graph, options);
  const { kernels, functions } = cpuKernels(planned, isFused);
  const byName = new Map(functions.map((each) => [each.name, each]));
  return {
    ...planned,
    kernels: kernels.map((kernel) => {
      const needed = reached(kernel.functions, byName).map((each) => functionText(each));
      return { ...kernel, wat: [kernel.about.replace(/^\/\//gm, ";;"), ...needed].join("\n") };
    }),
  };
}

/** The functions with these names and all their callees, in the order in which they are reached. */
function reached(names: readonly string[], byName: ReadonlyMap<string, WasmFunction>): WasmFunction[] {
  const found = new Set<WasmFunction>();
  const visit = (name: string): void => {
    const each = byName.get(name);
    if (each === undefined || found.has(each)) return;
    found.add(each);
    for (const callee of callees(each.body)) visit(callee);
  };
  for (const name of names) visit(name);
  return [...found];
}

function* callees(body: readonly Instruction[]): Generator<string> {
  for (const instruction of body) {
    if (instruction.kind === "plain") {
      if (instruction.op === "call" && instruction.name !== undefined) yield instruction.name;
      yield* callees(instruction.operands);
    } else if (instruction.kind === "if")
      yield* callees([instruction.condition, ...instruction.whenTrue, ...instruction.whenFalse]);
    else yield* callees(instruction.body);
  }
}
