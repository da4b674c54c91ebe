/** @file The text output of `inspect`: the graph after each pass, each kernel, and the totals. */

import { aboutPass } from "../../compiler/about-passes.ts";
import type { CpuKernelText } from "../../compiler/cpu-text.ts";
import { addDims, mulDims } from "../../compiler/graph/dim.ts";
import { printGraph } from "../../compiler/graph/print.ts";
import type { HalfNote, Kernel, Program } from "../../compiler/plan/program.ts";
import { type CarryReport, carryLine, carryReports } from "../../compiler/recurrence/carry-report.ts";
import { type MemoryReport, memoryLine } from "../../compiler/recurrence/chunkwise.ts";
import type { Graph } from "../../index.ts";
import { bytesFormula, type ChunkCount, countNodes, type WorkTotals } from "../../runtime/count-work.ts";
import type { Compiled } from "../../train/compile-step.ts";
import { grouped } from "../progress.ts";

/** Yields the lines in order of compilation: the traced graph, the graph after each pass, kernels, totals. */
export function* layout(
  { stages, program }: Compiled<Kernel | CpuKernelText>,
  work: WorkTotals,
  memories: readonly MemoryReport[],
): Generator<string> {
  let before = "";
  for (const { pass, graph } of stages) {
    const after = printGraph(graph, { sites: true });
    const same = after === before;
    const about = aboutPass(pass);
    const heading = about === undefined ? `IR, ${pass}` : `IR after "${pass}" (${about})`;
    yield* section(`${heading}: ${same ? "nothing changed" : nodes(graph)}`, same ? "" : after);
    before = after;
  }
  for (const kernel of program.kernels) yield* section(kernelHeading(kernel, program), kernelText(kernel));
  yield* totals(program, work, carriesOf(stages), memories);
}

/** How the carries of the graph that is lowered depend on each other. */
export function carriesOf(stages: Compiled["stages"]): CarryReport[] {
  const last = stages.at(-1);
  return last === undefined ? [] : carryReports(last.graph);
}

function* section(heading: string, body: string): Generator<string> {
  yield `=== ${heading}`;
  if (body !== "") yield* [body.trimEnd(), ""];
}

function nodes(graph: Graph): string {
  const count = countNodes(graph);
  return `${count} node${count === 1 ? "" : "s"}`;
}

function kernelHeading(kernel: Kernel | CpuKernelText, program: Program<unknown>): string {
  const { name, label, site, bindings } = kernel;
  const buffers = bindings.map(({ buffer, access }) => `${program.buffers[buffer]?.name ?? buffer} (${access})`);
  const size =
    "wgsl" in kernel ? `workgroups of ${kernel.workgroupSize}` : `${kernel.scratchBytes} bytes of scratch memory`;
  return `kernel ${name}: ${label}${site === undefined ? "" : `, ${site}`}; ${size}; ${buffers.join(", ")}`;
}

/** WGSL, or WebAssembly text. */
function kernelText(kernel: Kernel | CpuKernelText): string {
  return "wgsl" in kernel ? kernel.about + kernel.wgsl : kernel.wat;
}

function* totals(
  program: Program<unknown>,
  { dispatches, chunks, copies, bytes, slabBytes }: WorkTotals,
  carries: readonly CarryReport[],
  memories: readonly MemoryReport[],
): Generator<string> {
  const { forward, backward, update } = dispatches;
  yield "=== one training step";
  for (const { scan, schedule, reason } of program.schedules) yield `${scan.padEnd(11)} ${schedule}: ${reason}`;
  for (const text of halfLines(program.halves ?? [])) yield `f16         ${text}`;
  for (const report of carries) yield `carries     ${carryLine(report)}`;
  for (const report of memories) yield `memory      ${memoryLine(report)}`;
  yield `kernels     ${program.kernels.length}`;
  yield `dispatches  ${forward} forward + ${backward} backward + ${update} update = ${forward + backward + update}`;
  const cut = chunks.filter((chunk) => chunk.dispatches > 1);
  if (cut.length > 0) yield `chunks      ${cut.map(chunkText).join(", ")}`;
  yield `copies      ${copies}`;
  yield `bytes       ${grouped(bytes)} (${grouped(slabBytes)} of them for intermediate values)`;
  yield `            = ${bytesFormula(program)}`;
}

/** The values that are rounded to f16: those stored in 16 bits together with what they save, the others with the reason. */
function* halfLines(halves: readonly HalfNote[]): Generator<string> {
  const named = ({ value, site }: HalfNote) => (site === undefined ? value : `${value} ${site}`);
  const stored = halves.filter(({ bits }) => bits === 16);
  const saved = addDims(stored.map(({ elements }) => mulDims(2, elements)));
  if (stored.length > 0) yield `${stored.map(named).join(", ")}: saves ${saved.join(" + ")} bytes`;
  for (const note of halves) if (note.bits === 32) yield `${named(note)} in 32 bits: ${note.reason}`;
}

/** Such as `lstm 4 x 250 steps`, or `lstm 2 x 430 + 140 steps` if the last chunk is shorter. */
function chunkText({ scan, dispatches, steps, lastSteps }: ChunkCount): string {
  const isEven = lastSteps === steps;
  return `${scan} ${isEven ? dispatches : dispatches - 1} x ${steps}${isEven ? "" : ` + ${lastSteps}`} steps`;
}
