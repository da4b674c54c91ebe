/**
 * @file Times the compiler of the checkout it is bundled with, on a training step of equal LSTM layers: trace with
 * differentiation, each pass, stages, lowering, and the text of the kernels that run at usual sizes.
 */
import { lstm } from "../../cells/lstm.ts";
import { buildProgram } from "../../compiler/compile.ts";
import type { Graph } from "../../compiler/graph/graph.ts";
import { formStages } from "../../compiler/plan/stages/form-stages.ts";
import { languageModel } from "../../entries/networks.ts";
import { adam, trainingStep } from "../../index.ts";
import { kernelsOf } from "../../runtime/walk.ts";

export interface Measurement {
  /** Milliseconds by phase, in order. */
  readonly phases: Readonly<Record<string, number>>;
  /** Milliseconds of passes, lowering and text together. */
  readonly total: number;
  /** Milliseconds for forming the stages of the top-level graph; lowering includes this too. */
  readonly stages: number;
  /** Nodes of the traced graph, bodies of loops included. */
  readonly nodes: number;
  readonly kernels: number;
  /** Kernels with distinct WGSL, ignoring comments: the number of pipelines. */
  readonly differentKernels: number;
}

/** Measures one compilation. Traces the graph again, because results of the passes are cached per graph. */
export function measure(layers: number, units: number): Measurement {
  const start = performance.now();
  const network = languageModel({ cell: lstm, units, layers, vocabulary: 64, embed: units });
  const step = trainingStep(network, { optimizer: adam(), clipNorm: 1 });
  let last = performance.now();
  const phases: Record<string, number> = { "trace, derivative": last - start };
  const before = last;
  let passed = step.graph;
  const program = buildProgram(step.graph, {
    donate: step.donate,
    onPass: ({ pass, graph }) => {
      const now = performance.now();
      if (pass !== "traced") phases[pass] = now - last;
      last = now;
      passed = graph;
    },
  });
  const lowered = performance.now();
  phases.lowering = lowered - last;
  for (const kernel of kernelsOf(program.steps, { B: 16, T: 32 })) void program.kernels[kernel]?.wgsl;
  const end = performance.now();
  phases.text = end - lowered;
  formStages(passed, passed.outputs, { packs: true });
  const stages = performance.now() - end;
  // Older checkouts include comments in the text.
  const texts = program.kernels.map(({ wgsl, about }) =>
    about === undefined ? wgsl.replace(/^\/\/.*\n/gm, "") : wgsl,
  );
  return {
    phases,
    total: end - before,
    stages,
    nodes: nodesOf(step.graph),
    kernels: texts.length,
    differentKernels: new Set(texts).size,
  };
}

function nodesOf(graph: Graph): number {
  return graph.nodes.reduce((sum, node) => sum + 1 + (node.op === "scan" ? nodesOf(node.attrs.body) : 0), 0);
}
