/** @file Builds kernels from stages: one part per stage, in the form that matches it. */
import { addDims, type Dim, mulDims, sizeOf } from "../../graph/dim.ts";
import { at } from "../../graph/errors.ts";
import { type DType, type NodeId, nodeAt } from "../../graph/graph.ts";
import type { Index } from "../../kernel/index-arithmetic.ts";
import type { Expr, SharedPlace } from "../../kernel/ir.ts";
import { gridOf, overPositions } from "../../kernel/mapping.ts";
import { bytesOf } from "../../kernel/storage.ts";
import type { Lowering } from "../lowering.ts";
import type { Grid, Location, PlannedKernel, Work } from "../program.ts";
import type { Stage } from "../stages/stages.ts";
import { type FormContext, mappingOf, type PartForm } from "./form.ts";
import { formOf } from "./forms.ts";
import { PlacedBuilder } from "./placed-builder.ts";
import type { StoreRoot } from "./stage.ts";
import { Emitter, type Region } from "./values.ts";

export interface KernelHooks {
  /** How a region inside of loops is written; that of the program is known (stored-region.ts). */
  readonly own?: OwnStores;
  /** Allocates scratch memory of a given length, valid until the stages' kernels have run. */
  readonly scratch: (size: Dim, dtype: DType) => Location;
  /** The work of the stages. */
  readonly work: Work;
}

export interface OwnStores {
  /** Writes the code that comes before everything else, such as which step of a loop this is. */
  readonly begin?: (emitter: Emitter) => void;
  /** Stores a root's value at its location, or adds it to what is stored there. */
  readonly store: (emitter: Emitter, id: NodeId, index: readonly Index[], value: Expr, how: "set" | "add") => void;
}

/** A kernel and its workgroups. */
export interface Built {
  readonly kernel: number;
  readonly grid: Grid;
}

/**
 * Builds the kernel for stages that do not depend on each other. They share a dispatch: each has its range of workgroups
 * and its own function. What needs the results of all workgroups of a stage is in a second kernel, which they share too.
 */
export function buildKernels(
  lowering: Lowering,
  region: Region,
  stages: readonly Stage[],
  hooks: KernelHooks,
): readonly Built[] {
  const { tiles } = lowering;
  const parts = stages.map((stage): PartOfKernel => {
    const context = { region, stage, tiles };
    return { context, form: formOf(lowering.forms, context) };
  });
  const { built, seconds } = buildParts(lowering, region, parts, hooks);
  if (seconds.length === 0) return built;
  return [...built, ...buildParts(lowering, region, seconds, { ...hooks, work: noWork }).built];
}

const noWork: Work = { flops: [], bytes: [] };

/** A stage, or a part of its work, and how it is written. */
export interface PartOfKernel {
  readonly context: FormContext;
  readonly form: PartForm;
  /** The memory that the form asks for; undefined until it has a place. */
  readonly scratch?: readonly Location[] | undefined;
}

/** Kernels, and what their parts leave to second ones. */
interface BuiltParts {
  readonly built: readonly Built[];
  /** What wrote each of them. */
  readonly writers: readonly PlacedBuilder[];
  readonly seconds: readonly PartOfKernel[];
}

/**
 * Builds one kernel with a range of workgroups for each part. If it needs more workgroup memory than there is, or buffers
 * where values are in several, the parts are in several kernels. The first of them has all the work.
 */
export function buildParts(
  lowering: Lowering,
  region: Region,
  parts: readonly PartOfKernel[],
  hooks: KernelHooks,
): BuiltParts {
  return buildFitting(
    lowering,
    region,
    parts.map((part) => placed(part, hooks)),
    hooks,
  );
}

function buildFitting(
  lowering: Lowering,
  region: Region,
  parts: readonly PartOfKernel[],
  hooks: KernelHooks,
): BuiltParts {
  const { built, seconds, writer } = buildTogether(lowering, region, parts, hooks);
  if (parts.length === 1 || fits(lowering, at(lowering.kernels, built.kernel)))
    return { built: [built], writers: [writer], seconds };
  lowering.kernels.pop();
  const middle = Math.ceil(parts.length / 2);
  const first = buildFitting(lowering, region, parts.slice(0, middle), hooks);
  const last = buildFitting(lowering, region, parts.slice(middle), { ...hooks, work: noWork });
  return {
    built: [...first.built, ...last.built],
    writers: [...first.writers, ...last.writers],
    seconds: [...first.seconds, ...last.seconds],
  };
}

/** A part with its scratch memory: it can be built several times. */
function placed(
  part: PartOfKernel,
  { scratch }: KernelHooks,
): PartOfKernel & { readonly scratch: readonly Location[] } {
  const { form, context } = part;
  return {
    ...part,
    scratch: part.scratch ?? (form.scratch?.(context) ?? []).map(({ size, dtype }) => scratch(size, dtype)),
  };
}

/** Whether a kernel has enough workgroup memory, and binds no more buffers than it may. */
function fits({ tiles, workgroupBytes, memory, isPaged, maxBuffers }: Lowering, { code }: PlannedKernel): boolean {
  // On a CPU, the memory of a workgroup is that of its thread.
  if (tiles.target === "cpu") return true;
  const bytes = code.shared.reduce((sum, array) => sum + bytesOf(array), 0);
  const isCrowded = (isPaged || memory.isPaged) && code.buffers.length > maxBuffers;
  return bytes <= workgroupBytes && !isCrowded;
}

function buildTogether(
  lowering: Lowering,
  region: Region,
  parts: readonly PartOfKernel[],
  { own, work }: KernelHooks,
): { readonly built: Built; readonly seconds: readonly PartOfKernel[]; readonly writer: PlacedBuilder } {
  const writer = new PlacedBuilder(lowering.buffers, lowering.tiles);
  const grid = parts.map(({ context, form }) => form.grid(context));
  for (const [i, { context, form, scratch = [] }] of parts.entries()) {
    if (own === undefined) {
      lowering.parts.add(writer, form, { ...context, region: lowering.region }, scratch, lowering.buffers());
      continue;
    }
    writer.part(at(grid, i), () => {
      const emitter = new Emitter(writer, { region, ids: context.stage.roots });
      own.begin?.(emitter);
      const store: StoreRoot = (id, index, value, how = "set") => own.store(emitter, id, index, value, how);
      form.emit({ ...context, emitter, store, scratch });
    });
  }
  const ids = [...new Set(parts.flatMap(({ context: { stage } }) => [...stage.loops, ...stage.roots]))];
  const workgroupSize = Math.max(...parts.map(({ context, form }) => form.lanes(context)));
  const kernel = finishKernel(lowering, writer, region, ids, workgroupSize, work);
  const seconds = parts.flatMap(({ context, form, scratch }): readonly PartOfKernel[] => {
    const second = form.second?.(context);
    return second === undefined ? [] : [{ context, form: second, scratch }];
  });
  return { built: { kernel, grid }, seconds, writer };
}

/** A value that is copied to a location unchanged. */
export interface Handover {
  readonly id: NodeId;
  readonly to: Location;
}

/** Builds the kernel that copies values of a region to other locations, on behalf of `scan`. */
export function buildHandover(
  lowering: Lowering,
  region: Region,
  scan: NodeId,
  values: readonly Handover[],
): { kernel: number; grid: Grid } {
  const writer = new PlacedBuilder(lowering.buffers, lowering.tiles);
  const mapping = mappingOf(lowering.tiles);
  const sizes = values.map(({ id }) => sizeOf(nodeAt(region.graph, id).aval.shape));
  const grid = sizes.map((size) => gridOf(mapping, size));
  for (const [i, { id, to }] of values.entries())
    writer.part(at(grid, i), () => {
      const extent = at(sizes, i);
      const positions = { name: "position", role: "positions", count: writer.size(extent), extent } as const;
      overPositions(writer, mapping, positions, (position) => {
        const own = writer.index.of(position, extent);
        writer.storeValue(to, own, new Emitter(writer, { region, ids: [] }).valueAt(region, id, own));
      });
    });
  const work = { flops: [], bytes: addDims(sizes.map((size) => mulDims(8, size))) };
  return { kernel: finishKernel(lowering, writer, region, [scan], mapping.lanes, work), grid };
}

/** Adds the kernel to the list and returns its index. `sharedPlace` moves its workgroup memory into a buffer. */
export function finishKernel(
  lowering: Lowering,
  writer: PlacedBuilder,
  region: Region,
  ids: readonly NodeId[],
  workgroupSize: number,
  work: Work,
  sharedPlace?: SharedPlace,
): number {
  const ops = ids.map((id) => nodeAt(region.graph, id).op);
  const sites = [...new Set(ids.map((id) => region.graph.sites[id]).filter((site) => site !== undefined))];
  const number = lowering.kernels.length;
  const name = `k${number}_${kernelWord(region, ids)}`;
  const label = `${region.graph.name}: ${[...new Set(ops)].join(", ")}`;
  lowering.kernels.push({ name, label, sites, work, code: writer.finish(workgroupSize, sharedPlace) });
  return number;
}

/** A word for the kernel's name: its most characteristic op. */
function kernelWord(region: Region, ids: readonly NodeId[]): string {
  const ops = ids.map((id) => nodeAt(region.graph, id).op);
  return ops.find((op) => op === "dot" || op === "scatterAdd" || op === "sum" || op === "reduceMax") ?? "map";
}
