/** @file Builds the kernel of one stage and says how many workgroups it takes. */
import { kernelText } from "../../shaders/kernel.ts";
import { sizeOf } from "../graph/dim.ts";
import { at } from "../graph/errors.ts";
import { type NodeId, nodeAt } from "../graph/graph.ts";
import { emitElement, emitScatter, emitTree, formOf, type StoreRoot, treeLanes } from "./emit-stage.ts";
import { Emitter, type Region } from "./emit-values.ts";
import type { Index } from "./index-expression.ts";
import { KernelWriter } from "./kernel-writer.ts";
import type { Lowering } from "./lower.ts";
import type { BufferSpec, Grid, Kernel } from "./program.ts";
import type { Stage } from "./stages.ts";

const lanes = 64;

export interface KernelHooks {
  /** Writes what stands before everything else, such as which step of a loop this is. */
  readonly begin: (emitter: Emitter) => void;
  /** Puts a root's value where it belongs, or adds it to what is there. */
  readonly store: (emitter: Emitter, id: NodeId, index: readonly Index[], value: string, how: "=" | "+=") => void;
}

/**
 * Builds one kernel for stages that do not depend on each other. Several share a dispatch: each has its range of
 * workgroups and a function of its own.
 */
export function buildKernel(
  lowering: Lowering,
  region: Region,
  stages: readonly Stage[],
  hooks: KernelHooks,
): { kernel: number; grid: Grid } {
  const writer = new KernelWriter(lowering.buffers());
  const tree = stages.some((stage) => formOf(region, stage) === "tree");
  const workgroupSize = tree ? treeLanes : lanes;
  const grid = stages.map((stage) => gridOf(region, stage));
  const ids = stages.flatMap((stage) => [...stage.loops, ...stage.roots]);
  const write = (stage: Stage) => writeStage(writer, region, stage, hooks);
  const [only] = stages;
  if (stages.length === 1 && only !== undefined) {
    write(only);
    return { kernel: finishKernel(lowering, writer, region, ids, workgroupSize), grid };
  }
  const starts: string[] = ["0u"];
  for (const [i, stage] of stages.entries()) {
    writer.function(`fn part${i}(workgroup: u32, lane: u32)`, () => write(stage));
    const { size, per } = at(grid, i);
    const count = `(${writer.index.dim(size[0] ?? 0).text} + ${per - 1}u) / ${per}u`;
    writer.line(`let end${i} = ${at(starts, i)} + ${count};`);
    starts.push(`end${i}`);
    const inside = i === 0 ? `workgroup < end0` : `workgroup >= ${at(starts, i)} && workgroup < end${i}`;
    writer.block(`if (${inside})`, () => writer.line(`part${i}(workgroup - ${at(starts, i)}, lane);`));
  }
  return { kernel: finishKernel(lowering, writer, region, ids, workgroupSize), grid };
}

function gridOf(region: Region, stage: Stage): Grid[number] {
  const form = formOf(region, stage);
  if (form === "tree") return { size: [stage.size], per: 1 };
  return { size: [form === "scatter" ? sizeOf(scatterWidth(region, stage)) : stage.size], per: lanes };
}

function writeStage(writer: KernelWriter, region: Region, stage: Stage, hooks: KernelHooks): void {
  const emitter = new Emitter(writer, { region, ids: stage.roots });
  const form = formOf(region, stage);
  hooks.begin(emitter);
  const store: StoreRoot = (id, index, value, how = "=") => hooks.store(emitter, id, index, value, how);
  if (form === "tree") {
    emitTree(emitter, region, stage, writer.index.variable("workgroup", 0, stage.size), store);
    return;
  }
  const owned = form === "scatter" ? sizeOf(scatterWidth(region, stage)) : stage.size;
  writer.line(`let position = workgroup * ${lanes}u + lane;`);
  writer.block(`if (position >= ${writer.index.dim(owned).text})`, () => writer.line("return;"));
  const position = writer.index.variable("position", 0, owned);
  if (form === "scatter") emitScatter(emitter, region, stage, position, store);
  else emitElement(emitter, region, stage, position, store);
}

function scatterWidth(region: Region, stage: Stage) {
  return nodeAt(region.graph, at(stage.loops, 0)).aval.shape.slice(1);
}

/** Assembles the text and puts the kernel into the list; gives its position there. */
export function finishKernel(
  lowering: Lowering,
  writer: KernelWriter,
  region: Region,
  ids: readonly NodeId[],
  workgroupSize: number,
): number {
  const ops = ids.map((id) => nodeAt(region.graph, id).op);
  const sites = [...new Set(ids.map((id) => region.graph.sites[id]).filter((site) => site !== undefined))];
  const number = lowering.kernels.length;
  const name = `k${number}_${kernelWord(region, ids)}`;
  const label = `${region.graph.name}: ${[...new Set(ops)].join(", ")}`;
  const storage = writer.bindings.map(({ buffer, access }) => {
    const spec: BufferSpec = at(lowering.buffers(), buffer);
    return { name: spec.name, element: spec.element, access };
  });
  const kernel: Kernel = {
    name,
    label,
    site: sites[0],
    workgroupSize,
    bindings: writer.bindings,
    uniforms: writer.uniforms,
    loops: writer.loops,
    workgroupBytes: writer.workgroupBytes,
    wgsl: kernelText({
      about: [oneLine(`${name} computes ${label}`), ...sites.slice(0, 4).map((site) => oneLine(`  from ${site}`))],
      workgroupSize,
      uniformNames: writer.uniforms.map((field) => field.name),
      loops: writer.loops,
      storage,
      declarations: writer.declarations,
      functions: writer.functions,
      body: writer.body,
    }),
  };
  lowering.kernels.push(kernel);
  return number;
}

/** A word for the kernel's name: its most telling op. */
function kernelWord(region: Region, ids: readonly NodeId[]): string {
  const ops = ids.map((id) => nodeAt(region.graph, id).op);
  return ops.find((op) => op === "dot" || op === "scatterAdd" || op === "sum" || op === "reduceMax") ?? "map";
}

/** Names come from users; in a comment they must not end the line. */
function oneLine(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, "?").slice(0, 200);
}
