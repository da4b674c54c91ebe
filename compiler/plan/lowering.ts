/**
 * @file Options of lowering, and the state its parts share: the graph, the target and its limits, and where values are
 * stored.
 */
import type { NodeId } from "../graph/graph.ts";
import type { Population } from "../graph/models.ts";
import type { WorkMapping } from "../kernel/mapping.ts";
import type { Form } from "./emit/form.ts";
import type { SharedParts } from "./emit/shared-parts.ts";
import type { StoredRegion } from "./emit/stored-region.ts";
import type { Region } from "./emit/values.ts";
import type { Memory } from "./memory/slabs.ts";
import type { OpenDispatches } from "./open-dispatches.ts";
import type { BufferSpec, Location, Phase, PlannedKernel, ScanStep, ScheduleNote } from "./program.ts";
import type { ScheduleChoice } from "./scan/names.ts";
import type { Target, TileOptions } from "./stages/tiles.ts";
import type { Tuning } from "./tuning.ts";
import type { WorkScope } from "./work.ts";

export interface LowerOptions {
  /** Inputs whose buffer an output reuses: input name -> index of the output. */
  readonly donate?: Readonly<Record<string, number>>;
  /** How scans run; "auto" lets a rule of shapes and limits choose. */
  readonly schedule?: ScheduleChoice;
  /** Bytes of workgroup memory that a kernel may use; WebGPU's guaranteed limit by default. */
  readonly maxWorkgroupBytes?: number;
  /** The kind of device; it decides tile sizes. */
  readonly target?: Target;
  /** Maximum number of rows that one invocation computes; 1 if the batch is known to be small. */
  readonly maxRows?: number | undefined;
  /** Maximum number of steps of a persistent dispatch; by default the rule in chunks.ts decides. */
  readonly chunkSteps?: number | undefined;
  /** Lanes of a subgroup, if the device has subgroups of one fixed size. */
  readonly subgroupSize?: number | undefined;
  /** Invocations that a workgroup may have; WebGPU's guaranteed limit by default. */
  readonly maxInvocations?: number | undefined;
  /** Whether workgroup memory is cleared by code that takes long to compile, as by SwiftShader in a browser. */
  readonly clearsWorkgroups?: boolean | undefined;
  /** The registers of the device; few by default. */
  readonly registers?: RegisterFile | undefined;
  /**
   * How many invocations in a row, from a multiple of that number on, are neighbours in one subgroup: those exchange
   * values without memory. 1 by default.
   */
  readonly neighbours?: number | undefined;
  /** Whether values that are rounded to f16 are stored in 16 bits; by default where the target can. */
  readonly halves?: boolean | undefined;
  /** How positions are assigned to invocations; one to each by default. */
  readonly mapping?: WorkMapping | undefined;
  /** The forms of stage kernels, in the order in which they are tried; those of WebGPU by default. */
  readonly forms?: readonly Form[];
  /** Choices of a measured search; fields it leaves out are a pure function of shapes and target. */
  readonly tuning?: Tuning | undefined;
  /** Storage buffers that one kernel may bind; WebGPU's guaranteed limit by default. */
  readonly maxStorageBuffers?: number;
  /** Bytes of the largest buffer that a kernel may bind; unbounded by default. */
  readonly maxBufferBytes?: number | undefined;
  /** Whether inputs of the graph are pages of larger ones. */
  readonly isPaged?: boolean | undefined;
  /** The schedules of scans, in the order in which they are tried; those of `scan/schedules.ts` by default. */
  readonly scanSchedules?: ScanSchedules;
  /** Runs many models at once, each on its own inputs. */
  readonly population?: Population | undefined;
  /** Which outputs belong to the forward and the backward pass, for reports that count dispatches. */
  readonly phases?: { readonly forward: readonly number[]; readonly backward: readonly number[] };
}

/** Registers of 32 bits that a workgroup's invocations share. WebGPU reports neither these nor whether any spill. */
export interface RegisterFile {
  /** Of all invocations of a workgroup together. */
  readonly total: number;
  /** Of one invocation, at most. */
  readonly most: number;
  /** What an invocation needs for everything but weights. */
  readonly reserved: number;
}

/** State shared by the parts of lowering one graph. */
export interface Lowering {
  readonly region: StoredRegion;
  readonly memory: Memory;
  readonly locations: Map<NodeId, Location>;
  readonly buffers: () => readonly BufferSpec[];
  readonly kernels: PlannedKernel[];
  /** The parts that kernels outside of loops have in common. */
  readonly parts: SharedParts;
  /** Dispatches that what loops prepare can join. */
  readonly open: OpenDispatches;
  readonly tiles: TileOptions;
  /** The forms of stage kernels. */
  readonly forms: readonly Form[];
  /** Bytes of workgroup memory that a kernel may use. */
  readonly workgroupBytes: number;
  /** Storage buffers that a kernel may bind. */
  readonly maxBuffers: number;
  /** Whether inputs of the graph are pages of larger ones. */
  readonly isPaged: boolean;
  /** Invocations that a workgroup may have. */
  readonly maxInvocations: number;
  readonly clearsWorkgroups: boolean;
  readonly registers: RegisterFile;
  /** How many invocations in a row exchange values without memory. */
  readonly neighbours: number;
  readonly schedule: ScheduleChoice;
  /** The schedules of scans, in the order in which they are tried. */
  readonly scanSchedules: ScanSchedules;
  /** Steps per chunk, if set by the caller. */
  readonly chunkSteps: number | undefined;
  /** The schedule of each scan, and why it was chosen. */
  readonly notes: ScheduleNote[];
  /**
   * Lowers a scan by one of the schedules, also a scan nested in another one's body. `except` names schedules that
   * must not be used; if one of them was requested, the rule chooses among the others.
   */
  readonly lowerScan: (context: ScanContext, except?: readonly string[]) => readonly ScanStep[];
  readonly phaseOf: (ids: readonly NodeId[]) => Phase;
}

/** A scan to lower, and where it is in the program. */
export interface ScanContext {
  /** The region that contains the scan node. */
  readonly outer: Region;
  readonly scan: NodeId;
  /** The `result` nodes that read its outputs. */
  readonly results: readonly NodeId[];
  /** The same region, for counting work. */
  readonly work: WorkScope;
  /** Phase of the outermost scan. */
  readonly phase: Phase;
  /** Number of loops around the scan. */
  readonly nesting: number;
  /** The step of the program, for the lifetime of memory that the loop needs. */
  readonly order: number;
  /** Where a result of the scan is stored; undefined if it is not read. */
  readonly resultPlace: (result: NodeId) => Location | undefined;
}

/** How a scan would run, or why it cannot. */
export type ScanPlan =
  | {
      /** Writes the steps. `chooseSteps` makes steps that depend on the size of a dimension. */
      readonly steps: () => readonly ScanStep[];
      /** Why it can run so, for human readers. */
      readonly reason?: string;
      /** Why it should run so only on request. */
      readonly against?: string;
    }
  | { readonly steps: undefined; readonly reason: string };

export interface ScanSchedule {
  /** Decides by shapes and limits only, so that reruns stay bit-equal. Must not place or write anything yet. */
  readonly plan: (lowering: Lowering, context: ScanContext) => ScanPlan;
}

export type ScanSchedules = readonly (readonly [name: string, schedule: ScanSchedule])[];
