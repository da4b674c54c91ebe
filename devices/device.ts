/**
 * @file What a device is: it compiles graphs, holds arrays, and runs. The files beside this one are the devices there
 * are: WebGPU, and the float64 interpreter for the explicit choice "interpreter".
 */

import { expectArgument, UserError } from "../compiler/graph/errors.ts";
import type { Graph } from "../compiler/graph/graph.ts";
import { arrayFault, type NdArray } from "../compiler/graph/ndarray.ts";
import type { CpuProgram, Program } from "../compiler/plan/program.ts";
import type { ScheduleChoice } from "../compiler/plan/scan/names.ts";
import type { Tuning } from "../compiler/plan/tuning.ts";
import type { DeviceArray } from "../runtime/device-array.ts";
import type { DeviceLostError } from "../runtime/device-errors.ts";
import type { KernelProfile } from "../runtime/profile.ts";

export type { DeviceArray } from "../runtime/device-array.ts";
export type { KernelProfile } from "../runtime/profile.ts";

/** A graphics card, a program that imitates one, the CPU by WebAssembly, or the float64 interpreter. */
export type DeviceKind = "gpu" | "cpu" | "software" | "interpreter";

/** Which device to open: a kind, or "auto", which takes a graphics card where there is one. */
export type DeviceChoice = "auto" | DeviceKind;

/** More threads than any CPU has cores: beyond it a number is a slip of the pen. */
export const mostThreads = 1024;

/** How a graph is compiled. */
export interface CompileOptions {
  /**
   * Inputs whose memory an output takes over, input name -> index of the output. A donated input must be a
   * `DeviceArray`; it is used up by the run.
   */
  readonly donate?: Readonly<Record<string, number>>;
  /** Outputs that the host reads after every run: they come back without a submit of their own. */
  readonly readback?: readonly number[];
  /** How scans run: in one dispatch, in a dispatch for each stage and step, or as a rule chooses ("auto"). */
  readonly schedule?: ScheduleChoice;
  /** Rows that one invocation computes at the most; 1 where the batch is known to be small. */
  readonly maxRows?: number;
  /** What a measured search chose; the rest is a pure function of shapes and device. */
  readonly tuning?: Tuning | undefined;
  /** Steps of a sequence that one dispatch runs at the most; by default as many as an estimate of their time allows. */
  readonly chunkSteps?: number;
  /** Which outputs belong to the forward and the backward pass, for people who count dispatches. */
  readonly phases?: { readonly forward: readonly number[]; readonly backward: readonly number[] };
}

/** Refuses inputs that are not given by name. */
export function checkInputs(program: string, inputs: unknown): void {
  expectArgument(
    typeof inputs === "object" && inputs !== null && !Array.isArray(inputs),
    `${program}: what it runs on`,
    inputs,
    "inputs by name, such as { x }",
  );
}

/** Refuses what is no array. */
export function checkUpload(value: unknown): void {
  const fault = arrayFault(value);
  if (fault !== undefined) throw new UserError(`upload: the value ${fault}`);
}

export const ofScanSchedule = { auto: 1, persistent: 1, stepwise: 1 } as const;
export const ofCompile = {
  donate: "object",
  readback: "list",
  schedule: ofScanSchedule,
  maxRows: "number",
  tuning: "object",
  chunkSteps: "number",
  phases: "object",
} as const;

/** A graph that is compiled for a device. */
export interface Executable {
  /** The graph that was compiled. */
  readonly graph: Graph;
  /** Enqueues one run on inputs by name and gives the outputs in order, without waiting for them. */
  readonly run: (inputs: Readonly<Record<string, NdArray | DeviceArray>>) => DeviceArray[];
  /**
   * Runs once with every kernel timed by itself, and gives time, FLOP and bytes of each, in the order in which they run. It
   * takes longer than a run: kernels that may overlap do not. A donated input keeps its array, whose numbers are
   * afterwards those of the output.
   *
   * @throws UserError (the promise rejects) where the adapter has no timestamp queries, and on device "interpreter", which
   * has no kernels.
   */
  readonly profile: (inputs: Readonly<Record<string, NdArray | DeviceArray>>) => Promise<KernelProfile[]>;
  /** Gives back its memory; arrays that came of it stay. */
  readonly destroy: () => void;
}

/** A program that a runtime has loaded, as what runs its graph. */
export function executableOf(graph: Graph, loaded: Omit<Executable, "graph">): Executable {
  return {
    graph,
    run: (inputs) => {
      checkInputs(graph.name, inputs);
      return loaded.run(inputs);
    },
    profile: (inputs) => loaded.profile(inputs),
    destroy: () => loaded.destroy(),
  };
}

/** What compiles graphs, holds arrays, and runs. */
export interface Device {
  /** What computes. */
  readonly kind: DeviceKind;
  /** Name of the adapter, or of the interpreter. */
  readonly name: string;
  /** Compiles a graph. Rejects with a UserError where it cannot run on this device, such as a value above its limits. */
  readonly compile: (graph: Graph, options?: CompileOptions) => Promise<Executable>;
  /** The program that `compile` would load, as data. The interpreter has none. */
  readonly lower?: (graph: Graph, options?: CompileOptions) => Program | CpuProgram;
  /** Puts numbers on the device. */
  readonly upload: (value: NdArray) => DeviceArray;
  /** Bytes and number of the device's buffers, those included that wait to be used again. */
  readonly memory: () => { readonly bytes: number; readonly buffers: number };
  /** Frees the buffers that wait to be used again: what is worth doing when other sizes come. */
  readonly trim: () => void;
  /** Resolves when the device is gone, `destroy` included, with the reason; never for the interpreter. */
  readonly lost: Promise<DeviceLostError>;
  /** Gives back the device and all its memory. Steps on their way reject with a DeviceLostError. */
  readonly destroy: () => void;
}
