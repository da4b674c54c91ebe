/** @file Lowers a graph to a program: stages become kernels, stored values get locations, scans become loops. */

import { type Dim, sizeOf, symbolsOf } from "../graph/dim.ts";
import { at } from "../graph/errors.ts";
import { ancestorsOf, type Graph, inputName, type NodeId, nodeAt, type ScanNode } from "../graph/graph.ts";
import { storages } from "../graph/storage.ts";
import { partialSums } from "../passes/partial-sums.ts";
import { forms } from "./emit/forms.ts";
import { SharedParts } from "./emit/shared-parts.ts";
import { type StoredRegion, storedRegion, targetOf } from "./emit/stored-region.ts";
import type { Lowering, LowerOptions, RegisterFile } from "./lowering.ts";
import { Crowding, slabOf } from "./memory/crowding.ts";
import { cutGroup, cuts } from "./memory/cut-groups.ts";
import { donations, inputLocation, lastUses, placeDonations } from "./memory/donation.ts";
import { halvesOfScan, noteOf, notesOfScan, placeNeighbours, reasonAgainstNeighbours } from "./memory/halves.ts";
import { partsByValue } from "./memory/in-place-concat.ts";
import { Memory } from "./memory/slabs.ts";
import { placing } from "./memory/too-large.ts";
import { OpenDispatches } from "./open-dispatches.ts";
import { cutProducts, lowerStages, type Waiting } from "./outside-loops.ts";
import type {
  BufferSpec,
  Copy,
  HalfNote,
  Location,
  Phase,
  PlannedKernel,
  Program,
  ProgramInput,
  ProgramOutput,
  Step,
} from "./program.ts";
import { lowerScan, scanSchedules } from "./scan/schedules.ts";
import { analyzeRows } from "./scan/separable-rows.ts";
import { joinStages, secondsThatWait, type Wait } from "./stages/dispatches.ts";
import { formStages, type Staging } from "./stages/form-stages.ts";
import { type Group, membersOf } from "./stages/groups.ts";
import { hasPositions, type Stage } from "./stages/stages.ts";
import type { TileOptions } from "./stages/tiles.ts";
import { checkedTuning } from "./tuning.ts";
import type { WorkScope } from "./work.ts";

/**
 * A program without its requirements on sizes. Those are taken from the original graph, since passes compute values
 * that no result needs.
 */
export type LoweredProgram = Omit<Program<PlannedKernel>, "requires">;

/**
 * Lowers a graph. If a kernel would bind more buffers than a device allows, inputs that it reads are first copied into
 * the slab, the smallest first, until every kernel fits.
 */
export function lower(graph: Graph, options: LowerOptions = {}, parts = new SharedParts()): LoweredProgram {
  const limit = options.maxStorageBuffers ?? defaultStorageBuffers;
  let plan = planGraph(graph, options);
  const crowding = new Crowding(plan.graph, limit);
  // The reads and writes of a step predict most of the copies before a kernel is built; the finished kernels are
  // checked again.
  const uncopied = donationPlaces(plan, new Set());
  const predicted = plan.groups.flatMap((group, order) =>
    isOneKernel(plan.graph, group, options)
      ? [{ name: `step ${order}`, buffers: buffersOf(plan, group, uncopied) }]
      : [],
  );
  let keepsSmall = options.isPaged === true;
  if (!keepsSmall) crowding.relieve(predicted);
  for (;;) {
    const { program, orderOf, isPaged } = lowerWith(plan, options, parts, crowding.copied, keepsSmall);
    if (isPaged && !keepsSmall) {
      keepsSmall = true;
      continue;
    }
    const bound = program.kernels.map(({ name, code }) => ({
      name,
      buffers: code.buffers.map(({ array }) => array.buffer),
    }));
    const crowded = new Set(bound.flatMap(({ buffers }, i) => (buffers.length > limit ? [at(orderOf, i)] : [])));
    const [apart, ...others] = keepsSmall ? cuts : [];
    const cut =
      cutCrowded(plan, crowded, apart) ??
      (crowding.relieve(bound, keepsSmall ? "small" : "all") ? plan : cutCrowded(plan, crowded, ...others));
    if (cut !== undefined) plan = cut;
    else if (!crowding.relieve(bound, keepsSmall ? "pages" : "all")) return program;
  }
}

/** The plan with some groups cut into smaller ones, in the first way in which any can be; undefined if there is none. */
function cutCrowded(
  plan: GraphPlan,
  orders: ReadonlySet<number>,
  ...ways: readonly ((typeof cuts)[number] | undefined)[]
): GraphPlan | undefined {
  for (const how of ways) {
    const groups = plan.groups.flatMap((group, order) =>
      how !== undefined && orders.has(order) ? (cutGroup(group, plan, how) ?? [group]) : [group],
    );
    if (groups.some((group) => !plan.groups.includes(group)))
      return {
        ...plan,
        groups,
        lastUse: lastUses(plan.graph, groups, plan.packs),
        waits: plan.waits.size === 0 ? plan.waits : secondsThatWait(plan.graph, { ...plan, groups }, plan.donated),
      };
  }
  return undefined;
}

/**
 * Whether a group becomes one kernel, as far as that is known in advance: a loop with one dispatch per step has
 * several.
 */
function isOneKernel(graph: Graph, group: Group, { schedule }: LowerOptions): boolean {
  if (group.kind === "stages") return true;
  const scan = nodeAt(graph, group.scan) as ScanNode;
  return schedule !== "stepwise" && analyzeRows(scan, scan.attrs.body.outputs).separable;
}

/** The parts of a program that do not depend on where its values are stored. */
interface GraphPlan extends Staging {
  readonly graph: Graph;
  /** Output index -> the input whose buffer it reuses. */
  readonly donated: ReadonlyMap<number, NodeId>;
  readonly lastUse: ReadonlyMap<NodeId, number>;
  readonly partOf: ReturnType<typeof partsByValue>;
  /** Stages whose second kernel waits for that of a later group. */
  readonly waits: ReadonlyMap<Stage, Wait>;
}

function planGraph(given: Graph, options: LowerOptions): GraphPlan {
  const tiles = tilesOf(options);
  const isGpu = tiles.target === "gpu";
  const graph = tiles.target === "software" ? given : partialSums(given);
  const donated = donations(graph, options.donate ?? {});
  // An input that is returned as its own donation stays where it is.
  const computed = graph.outputs.filter((id, i) => nodeAt(graph, id).op !== "input" || donated.get(i) !== id);
  const numbersOnce = tiles.target === "software";
  const staged = { packs: true, folds: isGpu, numbersOnce, mostElements: elementsOf(options) };
  const whole = formStages(graph, computed, staged);
  const cut = cutProducts(graph, whole, donated, tiles);
  const staging = isGpu ? joinStages(graph, cut) : cut;
  const lastUse = lastUses(graph, staging.groups, staging.packs);
  const waits = isGpu ? secondsThatWait(graph, staging, donated) : new Map<Stage, Wait>();
  return { ...staging, graph, donated, lastUse, partOf: partsByValue(staging.packs), waits };
}

/** Locations of the donated outputs that can be written directly into their inputs. */
function donationPlaces({ graph, groups, packs, partOf, donated }: GraphPlan, copied: ReadonlySet<NodeId>) {
  const locations = new Map<NodeId, Location>();
  const home = new Map([...donated].filter(([, input]) => !copied.has(input)));
  placeDonations(graph, home, groups, (id) => partOf.has(id) || packs.has(id), locations);
  return locations;
}

/** WebGPU's guaranteed limits per shader stage and per workgroup. */
export const defaultStorageBuffers = 8;
const defaultWorkgroupBytes = 16384;
const slabLayouts = { gpu: "vectors", software: "dense", cpu: "staggered" } as const;
/** WebGPU's guaranteed invocations of a workgroup. */
const defaultInvocations = 256;
/** Registers that any GPU has: 64 to an invocation, half of them for weights. */
const fewRegisters: RegisterFile = { total: Number.POSITIVE_INFINITY, most: 64, reserved: 32 };

function tilesOf(options: LowerOptions): TileOptions {
  const { most, reserved } = options.registers ?? fewRegisters;
  return {
    target: options.target ?? "gpu",
    maxRows: options.maxRows,
    subgroupSize: options.subgroupSize,
    neighbours: options.neighbours,
    mapping: options.mapping,
    tuning: options.tuning && checkedTuning(options.tuning),
    laneRegisters: most - reserved,
  };
}

/** A lowered graph; `orderOf` is the group that each kernel comes from. */
interface Lowered {
  readonly program: LoweredProgram;
  readonly orderOf: readonly number[];
  readonly isPaged: boolean;
}

function lowerWith(
  plan: GraphPlan,
  options: LowerOptions,
  parts: SharedParts,
  copied: ReadonlySet<NodeId>,
  keepsSmall: boolean,
): Lowered {
  const { graph, groups, stored, donated, lastUse, partOf, waits } = plan;
  const waiting: Waiting = new Map();
  const inputs = graph.inputs.map((id, buffer): ProgramInput => {
    const { dtype, shape } = nodeAt(graph, id).aval;
    return { name: inputName(graph, id), dtype, shape, buffer };
  });
  const inputBuffers = inputs.map(({ dtype, shape, buffer }): BufferSpec => {
    return { name: `in${buffer}`, ...storages[dtype], size: [sizeOf(shape)], role: "input" };
  });
  const target = options.target ?? "gpu";
  const storesHalves = options.halves ?? target !== "cpu";
  const memory = new Memory(inputs.length, elementsOf(options), keepsSmall, slabLayouts[target]);
  const locations = donationPlaces(plan, copied);
  const homes = new Map<NodeId, Location>();
  const copies = [...copied].map((id): Copy => {
    const { aval } = nodeAt(graph, id);
    const to = memory.place(aval.dtype, sizeOf(aval.shape), -1, lastUse.get(id) ?? 0);
    homes.set(id, to);
    return { kind: "copy", from: inputLocation(graph, id), to };
  });
  const region = rootRegion(plan, locations, homes);
  const kernels: PlannedKernel[] = [];
  const open = new OpenDispatches(region, kernels, options.maxStorageBuffers ?? defaultStorageBuffers);
  const lowering: Lowering = {
    region,
    memory,
    locations,
    buffers: () => [...inputBuffers, ...memory.buffers],
    kernels,
    parts,
    open,
    tiles: tilesOf(options),
    forms: options.forms ?? forms,
    workgroupBytes: options.maxWorkgroupBytes ?? defaultWorkgroupBytes,
    maxBuffers: options.maxStorageBuffers ?? defaultStorageBuffers,
    isPaged: options.isPaged ?? false,
    maxInvocations: options.maxInvocations ?? defaultInvocations,
    clearsWorkgroups: options.clearsWorkgroups ?? false,
    registers: options.registers ?? fewRegisters,
    neighbours: options.neighbours ?? 1,
    schedule: options.schedule ?? "auto",
    chunkSteps: options.chunkSteps,
    scanSchedules: options.scanSchedules ?? scanSchedules,
    notes: [],
    lowerScan: (context, except) => lowerScan(lowering, context, except),
    phaseOf: phases(graph, options.phases),
  };

  const work: WorkScope = { depth: 0, graph, stored };
  const steps: Step[] = [...copies];
  const halves: HalfNote[] = [];
  const placeRounded = (id: NodeId, stage: Stage, order: number): void => {
    const isPart = locations.has(id) || partOf.has(id);
    const reason = isPart ? "it is part of another value" : reasonAgainstNeighbours(graph, id, stage, storesHalves);
    halves.push(noteOf(graph, id, reason));
    const size = sizeOf(nodeAt(graph, id).aval.shape);
    if (reason === undefined) locations.set(id, placeNeighbours(memory, size, order, lastUse.get(id) ?? order));
  };
  const orderOf: number[] = [];
  for (const [order, group] of groups.entries()) {
    while (orderOf.length < lowering.kernels.length) orderOf.push(order - 1);
    const place = (id: NodeId): Location => {
      const known = locations.get(id);
      if (known !== undefined) return known;
      const { aval } = nodeAt(graph, id);
      const part = partOf.get(id);
      const location =
        part === undefined
          ? placing(graph, id, () => memory.place(aval.dtype, sizeOf(aval.shape), order, lastUse.get(id) ?? order))
          : within(place(part.pack), part.offset, sizeOf(aval.shape));
      locations.set(id, location);
      return location;
    };
    if (group.kind === "scan") {
      const read = group.results.filter((id) => lastUse.has(id));
      const isFree = (id: NodeId) => !(locations.has(id) || partOf.has(id) || graph.outputs.includes(id));
      const found = halvesOfScan(graph, group.scan, read, { storesHalves, isFree });
      const { pairs } = found;
      halves.push(...notesOfScan(graph, group.scan, found));
      for (const pair of pairs) {
        const until = Math.max(...pair.map((id) => lastUse.get(id) ?? order));
        const words = memory.place("u32", sizeOf(nodeAt(graph, pair[0]).aval.shape), order, until);
        for (const [i, id] of pair.entries()) locations.set(id, { ...words, half: i === 0 ? 0 : 1 });
      }
      for (const id of read) place(id);
      for (const id of read) open.stores(id, order);
      steps.push(
        ...lowering.lowerScan({
          outer: region,
          scan: group.scan,
          results: group.results,
          work,
          nesting: 0,
          phase: lowering.phaseOf([group.scan]),
          order,
          resultPlace: (id) => locations.get(id),
        }),
      );
    } else {
      for (const stage of group.stages)
        for (const id of stage.roots) {
          if (nodeAt(graph, id).op === "roundToHalf") placeRounded(id, stage, order);
          place(id);
          open.stores(id, waits.get(stage)?.order ?? order);
        }
      const stages = group.stages.filter(hasPositions);
      if (stages.length > 0) steps.push(...lowerStages(lowering, stages, { order, work, waits, waiting }));
    }
  }

  const outputs = graph.outputs.map((id, i): ProgramOutput => {
    const { dtype, shape } = nodeAt(graph, id).aval;
    const input = donated.get(i);
    const home = input === undefined ? undefined : inputLocation(graph, input);
    const location = home !== undefined && id === input ? home : targetOf(region, id);
    if (home !== undefined && location.buffer !== home.buffer)
      steps.push({ kind: "copy", from: location, to: home } satisfies Copy);
    return {
      dtype,
      shape,
      location: home ?? location,
      donated: input === undefined ? undefined : inputName(graph, input),
    };
  });
  while (orderOf.length < lowering.kernels.length) orderOf.push(groups.length - 1);
  const program: LoweredProgram = {
    version: 1,
    name: graph.name,
    symbols: symbolsIn(graph),
    buffers: lowering.buffers(),
    inputs,
    outputs,
    kernels: lowering.kernels,
    schedules: lowering.notes,
    ...(halves.length > 0 && { halves }),
    steps,
  };
  return { program, orderOf, isPaged: memory.isPaged };
}

/** Elements of the largest buffer; buffers are multiples of 16 bytes. */
function elementsOf({ maxBufferBytes = Number.POSITIVE_INFINITY }: LowerOptions): number {
  return Math.floor(maxBufferBytes / 16) * 4;
}

function rootRegion(
  { graph, folded, recomputed }: GraphPlan,
  locations: ReadonlyMap<NodeId, Location>,
  homes: ReadonlyMap<NodeId, Location>,
): StoredRegion {
  const target = (id: NodeId) => locations.get(id);
  const source = (id: NodeId) => {
    if (nodeAt(graph, id).op === "input") return homes.get(id) ?? inputLocation(graph, id);
    return recomputed.has(id) ? undefined : target(id);
  };
  return storedRegion(graph, { source, target, folded });
}

function within(whole: Location, offset: number, size: Dim): Location {
  return { buffer: whole.buffer, offset: [...whole.offset, offset], size: [size] };
}

function phases(graph: Graph, named: LowerOptions["phases"]): (ids: readonly NodeId[]) => Phase {
  const needed = (outputs: readonly number[]) =>
    ancestorsOf(
      graph,
      outputs.map((output) => at(graph.outputs, output)),
    );
  if (named === undefined) return () => "forward";
  const forward = needed(named.forward);
  const backward = needed(named.backward);
  return (ids) =>
    ids.some((id) => forward.has(id)) ? "forward" : ids.some((id) => backward.has(id)) ? "backward" : "update";
}

function symbolsIn(graph: Graph): string[] {
  const symbols = new Set<string>();
  const note = (dim: Dim) => {
    for (const symbol of symbolsOf(dim)) symbols.add(symbol);
  };
  const walk = (inner: Graph): void => {
    for (const node of inner.nodes) {
      node.aval.shape.forEach(note);
      if (node.op === "dimSize") note(node.attrs.dim);
      if (node.op === "scan") {
        note(node.attrs.length);
        walk(node.attrs.body);
      }
    }
  };
  walk(graph);
  return [...symbols].sort();
}

/** The buffers that a step reads and writes if no input is copied. */
function buffersOf({ graph, lastUse }: GraphPlan, group: Group, donated: ReadonlyMap<NodeId, Location>): Set<number> {
  const bufferOf = (id: NodeId) => {
    if (nodeAt(graph, id).op === "input") return graph.inputs.indexOf(id);
    return donated.get(id)?.buffer ?? slabOf(graph, id);
  };
  const read = membersOf(group).flatMap(({ reads }) => reads.map(({ id }) => id));
  const written =
    group.kind === "scan" ? group.results.filter((id) => lastUse.has(id)) : group.stages.flatMap(({ roots }) => roots);
  return new Set([...read, ...written].map(bufferOf));
}
