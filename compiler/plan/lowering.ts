/** @file What lowering is asked for, and what its parts share: the graph, the target and its limits, and where values lie. */
import type { NodeId } from "../graph/graph.ts";
import type { WorkMapping } from "../kernel/mapping.ts";
import type { Form } from "./emit/form.ts";
import type { Region } from "./emit/values.ts";
import type { Memory } from "./memory/slabs.ts";
import type { BufferSpec, Location, Phase, PlannedKernel, ScanStep, ScheduleNote } from "./program.ts";
import type { ScheduleChoice } from "./scan/names.ts";
import type { Target, TileOptions } from "./stages/tiles.ts";
import type { Tuning } from "./tuning.ts";
import type { WorkScope } from "./work.ts";

export interface LowerOptions {
  /** Inputs whose buffer an output takes over, input name -> index of the output. */
  readonly donate?: Readonly<Record<string, number>>;
  /** How scans run; "auto" lets a rule of shapes and limits choose. */
  readonly schedule?: ScheduleChoice;
  /** Bytes of workgroup memory that a kernel may use; the limit of every WebGPU device by default. */
  readonly maxWorkgroupBytes?: number;
  /** What the device is good at; it decides sizes of tiles. */
  readonly target?: Target;
  /** Rows that one invocation computes at the most; 1 where the batch is known to be small. */
  readonly maxRows?: number | undefined;
  /** Steps that a persistent dispatch runs at the most; what the rule of chunks.ts gives by default. */
  readonly chunkSteps?: number | undefined;
  /** Lanes of a subgroup, where the device has subgroups of one fixed size. */
  readonly subgroupSize?: number | undefined;
  /** How positions are given to invocations; one to each by default. */
  readonly mapping?: WorkMapping | undefined;
  /** How the kernels of stages may be written, in the order in which they are tried; those of WebGPU by default. */
  readonly forms?: readonly Form[];
  /** What a measured search chose; what it leaves open is a pure function of shapes and target. */
  readonly tuning?: Tuning | undefined;
  /** Storage buffers that one kernel may bind; the limit of every WebGPU device by default. */
  readonly maxStorageBuffers?: number;
  /** The schedules that a scan may have, in the order in which they are tried; those of `scan/schedules.ts` by default. */
  readonly scanSchedules?: ScanSchedules;
  /** Which outputs belong to the forward and the backward pass, for people who count dispatches. */
  readonly phases?: { readonly forward: readonly number[]; readonly backward: readonly number[] };
}

/** What the lowering of one graph shares between its parts. */
export interface Lowering {
  readonly region: Region;
  readonly memory: Memory;
  readonly locations: Map<NodeId, Location>;
  readonly buffers: () => readonly BufferSpec[];
  readonly kernels: PlannedKernel[];
  readonly tiles: TileOptions;
  /** How the kernels of stages may be written. */
  readonly forms: readonly Form[];
  /** Workgroup memory that a kernel may use. */
  readonly workgroupBytes: number;
  readonly schedule: ScheduleChoice;
  /** The schedules that a scan may have, in the order in which they are tried. */
  readonly scanSchedules: ScanSchedules;
  /** Steps of a chunk, where they are asked for. */
  readonly chunkSteps: number | undefined;
  /** What was chosen for each scan, and why. */
  readonly notes: ScheduleNote[];
  /** Lowers a scan by one of the schedules; those in the body of another scan come here as well. */
  readonly lowerScan: (context: ScanContext) => readonly ScanStep[];
  readonly phaseOf: (ids: readonly NodeId[]) => Phase;
}

/** A scan that is to be lowered, and where it stands. */
export interface ScanContext {
  /** The region that the scan node stands in. */
  readonly outer: Region;
  readonly scan: NodeId;
  /** The nodes that pick its results. */
  readonly results: readonly NodeId[];
  /** The same region, for counting work. */
  readonly work: WorkScope;
  /** Of the outermost scan. */
  readonly phase: Phase;
  /** Number of loops around the scan. */
  readonly nesting: number;
  /** The step of the program, for the lifetime of what the loop needs. */
  readonly order: number;
  /** Where a result of the scan lies; undefined where nobody reads it. */
  readonly resultPlace: (result: NodeId) => Location | undefined;
}

/** How a scan would run, or why it cannot. */
export type ScanPlan =
  | {
      /** Those that hang on how large a dimension is are made by `chooseSteps`. */
      readonly steps: () => readonly ScanStep[];
      /** Why it can run so, for people. */
      readonly reason?: string;
      /** Why it should only run so where that is asked for. */
      readonly against?: string;
    }
  | { readonly steps: undefined; readonly reason: string };

export interface ScanSchedule {
  /** Decides by shapes and limits alone, so that reruns stay bit-equal; nothing is placed or written yet. */
  readonly plan: (lowering: Lowering, context: ScanContext) => ScanPlan;
}

export type ScanSchedules = readonly (readonly [name: string, schedule: ScanSchedule])[];
