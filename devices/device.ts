/**
 * @file The `Device` interface: compiles graphs, holds arrays, and runs programs. The other files in this folder are its
 * implementations: WebGPU, the CPU (WebAssembly), and the float64 interpreter.
 */

import { expectArgument, UserError } from "../compiler/graph/errors.ts";
import { checkGraph, type Graph, inputName } from "../compiler/graph/graph.ts";
import { checkPopulation, type Population } from "../compiler/graph/models.ts";
import { arrayFault, type NdArray, valueFault } from "../compiler/graph/ndarray.ts";
import { checkedOptions } from "../compiler/graph/options.ts";
import type { Precision } from "../compiler/optimize.ts";
import type { CpuProgram, Program } from "../compiler/plan/program.ts";
import type { ScheduleChoice } from "../compiler/plan/scan/names.ts";
import type { Tuning } from "../compiler/plan/tuning.ts";
import type { DeviceArray, WrapOptions } from "../runtime/device-array.ts";
import type { DeviceLostError } from "../runtime/device-errors.ts";
import type { GpuGlobal } from "../runtime/gpu-types.ts";
import type { KernelProfile } from "../runtime/profile.ts";

export type { Precision } from "../compiler/optimize.ts";
export type { DeviceArray, WrapOptions } from "../runtime/device-array.ts";
export type { KernelProfile } from "../runtime/profile.ts";

/** A graphics card, a software implementation of one, the CPU through WebAssembly, or the float64 interpreter. */
export type DeviceKind = "gpu" | "cpu" | "software" | "interpreter";

/** Which device to open: a kind, or "auto", which uses a graphics card if there is one. */
export type DeviceChoice = "auto" | DeviceKind;

/** More threads than any CPU has cores: a larger number is a typing error. */
export const mostThreads = 1024;

/** How a graph is compiled. */
export interface CompileOptions {
  /**
   * Buffer donation: inputs whose memory an output reuses, input name -> index of the output. A donated input must be a
   * `DeviceArray`; it cannot be used after the run.
   */
  readonly donate?: Readonly<Record<string, number>>;
  /** Outputs that the host reads after every run: they are read back without an extra submit. */
  readonly readback?: readonly number[];
  /** How scans run: in one dispatch, in one dispatch per stage and step, or chosen by a rule ("auto"). */
  readonly schedule?: ScheduleChoice;
  /**
   * In which precision loops store what they compute in each step: "f32" by default; "mixed" rounds it to f16, which takes
   * half of the memory on devices that compute in WebGPU. Sums and states stay in f32.
   */
  readonly precision?: Precision | undefined;
  /** Most rows that one invocation computes; 1 if the batch is known to be small. */
  readonly maxRows?: number;
  /** Choices of a measured search; without it, all choices are a pure function of shapes and device. */
  readonly tuning?: Tuning | undefined;
  /** Most time steps per dispatch; by default as many as their estimated time allows. */
  readonly chunkSteps?: number;
  /**
   * Inputs that are several arrays one after another, such as all parameters: the shapes of these, by the input's name. Where
   * an input is larger than a buffer may be, it is stored in several, which end between two arrays if they can.
   */
  readonly parts?: Readonly<Record<string, readonly (readonly number[])[]>> | undefined;
  /** Sizes of `B`, `T` and others that it will run at, if they are known; it runs at any. */
  readonly sizes?: Readonly<Record<string, number>> | undefined;
  /**
   * Runs the graph for many models at once: all inputs but the `shared` ones, and all outputs, get the models as their first
   * axis. Each model computes the bits that it would compute alone.
   */
  readonly population?: Population | undefined;
  /** Which outputs belong to the forward and the backward pass, for counting dispatches. */
  readonly phases?: { readonly forward: readonly number[]; readonly backward: readonly number[] };
}

/** Throws a UserError unless the inputs are given by name. */
export function checkInputs(program: string, inputs: unknown): void {
  expectArgument(
    typeof inputs === "object" && inputs !== null && !Array.isArray(inputs),
    `${program}: its argument`,
    inputs,
    "inputs by name, such as { x }",
  );
}

/** Throws a UserError unless the value is an array. */
export function checkUpload(value: unknown): void {
  const fault = arrayFault(value) ?? numbersFault(value as NdArray);
  if (fault !== undefined) throw new UserError(`upload: the value ${fault}`);
}

function numbersFault(value: NdArray): string | undefined {
  return value.data === undefined ? "is on a device; read it there first" : valueFault(value, value.dtype);
}

/** `wrap` of a device that has no GPUDevice of another owner. */
export function refuseWrap(kind: DeviceKind): () => never {
  return () => {
    throw new UserError(`wrap: device "${kind}" takes no GPUBuffers; open the device with gpuDevice`);
  };
}

export const ofScanSchedule = { auto: 1, newton: 1, parallel: 1, resident: 1, persistent: 1, stepwise: 1 } as const;
export const ofPrecision = { f32: 1, mixed: 1 } as const;
export const ofCompile = {
  donate: "object",
  readback: "list",
  schedule: ofScanSchedule,
  precision: ofPrecision,
  maxRows: "number",
  tuning: "object",
  chunkSteps: "number",
  parts: "object",
  sizes: "object",
  population: "object",
  phases: "object",
} as const;

/** The options of `compile`. Throws a UserError if one of them, or the graph, cannot be compiled. */
export function checkedCompile(graph: Graph, given: CompileOptions): CompileOptions {
  const options = checkedOptions("compile", given, ofCompile);
  checkGraph("compile", graph);
  const { population, donate = {} } = options;
  const inputs = () => graph.inputs.map((id) => inputName(graph, id));
  if (population !== undefined) checkPopulation(graph.name, inputs(), Object.keys(donate), population);
  return options;
}

/** A graph that is compiled for a device. */
export interface Executable {
  /** The graph that was compiled. */
  readonly graph: Graph;
  /** Enqueues one run on inputs by name and returns the outputs in order, without waiting for them. */
  readonly run: (inputs: Readonly<Record<string, NdArray | DeviceArray>>) => DeviceArray[];
  /**
   * On WebGPU: encodes one run into a GPUCommandEncoder of the same GPUDevice, outside of its passes, for its owner to submit.
   * Inputs are device arrays. They, the outputs and the executable must live until the submit; the outputs have their values
   * after it, those of `readback` too, which stay on the device. Faults of the run reject reads of its outputs; those of the
   * encoder are told to who finishes it.
   *
   * @throws UserError if an input is on the host or does not fit, and on devices without WebGPU.
   */
  readonly encode: (
    encoder: GpuGlobal<"GPUCommandEncoder">,
    inputs: Readonly<Record<string, DeviceArray>>,
  ) => DeviceArray[];
  /**
   * Runs once with each kernel timed separately, and returns time, FLOP and bytes of each in execution order. It is slower
   * than a normal run, because kernels do not overlap. A donated input stays valid and then holds the values of the output.
   *
   * @throws UserError (the promise rejects) if the adapter has no timestamp queries, or on device "interpreter", which has
   *   no kernels.
   */
  readonly profile: (inputs: Readonly<Record<string, NdArray | DeviceArray>>) => Promise<KernelProfile[]>;
  /** Frees its memory; arrays it returned stay valid. */
  readonly destroy: () => void;
}

/** Throws a UserError unless the value is an encoder of commands. */
function checkEncoder(program: string, encoder: unknown): void {
  const isEncoder = typeof encoder === "object" && encoder !== null && "beginComputePass" in encoder;
  expectArgument(isEncoder, `${program}: the encoder`, encoder, "a GPUCommandEncoder");
}

/** `encode` of a device without WebGPU. */
export function refuseEncode(program: string, kind: DeviceKind): () => never {
  return () => {
    throw new UserError(`${program}: device "${kind}" has no commands to encode; use run`);
  };
}

/** The executable of a graph whose program a runtime has loaded. */
export function executableOf(graph: Graph, loaded: Omit<Executable, "graph">): Executable {
  return {
    graph,
    run: (inputs) => {
      checkInputs(graph.name, inputs);
      return loaded.run(inputs);
    },
    encode: (encoder, inputs) => {
      checkEncoder(graph.name, encoder);
      checkInputs(graph.name, inputs);
      return loaded.encode(encoder, inputs);
    },
    profile: (inputs) => loaded.profile(inputs),
    destroy: () => loaded.destroy(),
  };
}

/** Compiles graphs, holds arrays, and runs programs. */
export interface Device {
  /** The kind of hardware or software that computes. */
  readonly kind: DeviceKind;
  /** Name of the adapter, or of the interpreter. */
  readonly name: string;
  /** Compiles a graph. Rejects with a UserError if it cannot run on this device, such as a value above its limits. */
  readonly compile: (graph: Graph, options?: CompileOptions) => Promise<Executable>;
  /** Returns the program that `compile` would load, as data. The interpreter has no programs. */
  readonly lower?: (graph: Graph, options?: CompileOptions) => Program | CpuProgram;
  /** The most bytes that it can hold, and that one buffer can have; absent if nothing bounds them. */
  readonly limits?: { readonly bytes: number; readonly bufferBytes: number };
  /** Copies an array to the device; `parts` are those of `CompileOptions`, for the input that it is uploaded for. */
  readonly upload: (value: NdArray, parts?: readonly (readonly number[])[]) => DeviceArray;
  /**
   * An array over a GPUBuffer of the same GPUDevice that a page or another library owns, without a copy. The buffer needs
   * usage STORAGE, and COPY_SRC to be read. It stays its owner's: `destroy` of the array forgets it, and a run that the array
   * is donated to writes into it. A buffer that the device cannot use rejects the runs and reads that need it.
   *
   * @throws UserError if it is no GPUBuffer, is too small, lacks usage STORAGE or is mapped, and on devices that were not opened with `gpuDevice`.
   */
  readonly wrap: (buffer: GpuGlobal<"GPUBuffer">, options: WrapOptions) => DeviceArray;
  /** Bytes and number of the device's own buffers, including those kept for reuse; wrapped ones are not counted. */
  readonly memory: () => { readonly bytes: number; readonly buffers: number };
  /** Frees the buffers kept for reuse; worth calling before a change of sizes. */
  readonly trim: () => void;
  /** Resolves with the reason when the device is lost or destroyed; never for the interpreter. */
  readonly lost: Promise<DeviceLostError>;
  /** Frees the device and all its memory. Steps in flight reject with a DeviceLostError. */
  readonly destroy: () => void;
}
