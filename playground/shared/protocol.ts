/**
 * @file What the page and the worker that owns the device say to each other. Every message is plain JSON, but for typed
 * arrays, whose buffers are transferred.
 *
 *   page -> worker   a `Request`; each carries an `id` of the page's choosing
 *   worker -> page   one `Reply` or `Failure` with that `id`, and `Event`s in between, unasked
 *
 * A cell never comes as source. The sandbox runs the user's code, calls `traceCell`, and sends the text that
 * `encodeCell` makes of the result; the worker decodes it with distrust.
 *
 * The usual order: init, setData, setRuns, start. `setData` before `setRuns`, since the width of the data decides at
 * which sizes the sandbox has to trace: see `DataReport.features`.
 */

import type {
  CheckResult,
  DataReport,
  DeviceReport,
  Fault,
  GradientFlow,
  Inspection,
  LoadedModel,
  MemoryReport,
  ModelFile,
  RunName,
  RunReport,
  Sample,
  TaskReport,
} from "./reports.ts";
import type { RunSettings } from "./settings.ts";

export type * from "./reports.ts";
export type { RunSettings } from "./settings.ts";

/** "auto" takes a GPU where there is one, else the CPU, else the interpreter, for tiny cells only. */
export type DeviceChoice = "auto" | "gpu" | "cpu" | "software" | "interpreter";

/** The name that the sandbox gives the visitor's source; lines of faults and kernels are those of this file. */
export const cellFile = "cell.ts";

export interface RunSpec {
  readonly name: RunName;
  /**
   * Text made by `encodeCell(traceCell(definition, [{ units, features, layers }]))`, where features is `settings.embed`
   * for text and `DataReport.features` for everything else.
   */
  readonly cell: string;
  readonly settings: RunSettings;
}

/** What is trained on; all runs share it. */
export type DataSource =
  /** Text by itself, or the bytes of a file that should be UTF-8 text. */
  | { readonly kind: "text"; readonly name: string; readonly text: string | Uint8Array<ArrayBuffer> }
  /** A table with a row for each time step, separated by commas, semicolons or tabs. */
  | { readonly kind: "csv"; readonly name: string; readonly text: string | Uint8Array<ArrayBuffer> }
  /** A built-in task by name; its parameters are numbers (see `TaskReport`). */
  | {
      readonly kind: "task";
      readonly name: string;
      readonly parameters?: Readonly<Record<string, number>>;
      readonly seed?: number;
    };

// ---------------------------------------------------------------------------------------------- page -> worker

export type Request = { readonly id: number } & Command;

export type Command =
  /** Opens a device. Reply: `DeviceReport`. */
  | { readonly type: "init"; readonly device: DeviceChoice }
  /**
   * Another device, on which runs go on from where they are, paused, and a loaded model too; where it cannot be opened, or
   * takes one of them not, all stay where they were, paused. Reply: `DeviceReport`.
   */
  | { readonly type: "switchDevice"; readonly device: DeviceChoice }
  /** The built-in tasks. Reply: `TaskReport[]`. */
  | { readonly type: "listTasks" }
  /** Replaces the data; runs there are end, since their networks were made for the old. Reply: `DataReport`. */
  | { readonly type: "setData"; readonly data: DataSource }
  /**
   * Replaces all runs but those of `keep`, and releases what the old ones held; where one of the new cannot be made, the
   * old go on. They do not start by themselves. Reply: a `RunReport` for each of `runs`.
   */
  | { readonly type: "setRuns"; readonly runs: readonly RunSpec[]; readonly keep?: readonly RunName[] }
  /** Starts runs, or goes on with them; all where `runs` is left out. `steps` more for each, or until paused. */
  | { readonly type: "start"; readonly runs?: readonly RunName[]; readonly steps?: number }
  /** Reply: null, once no step is in flight. */
  | { readonly type: "pause"; readonly runs?: readonly RunName[] }
  /** Back to the weights that the seed gives, and step 0, paused. */
  | { readonly type: "reset"; readonly runs?: readonly RunName[] }
  /** From the next step on. */
  | { readonly type: "setLearningRate"; readonly run?: RunName; readonly value: number }
  /** Norm of the gradient of the loss with respect to the state at each time step. Reply: `GradientFlow`. */
  | { readonly type: "gradientFlow"; readonly run: RunName }
  /**
   * Writes on from the prompt (text), forecasts (series), or answers a held-out sequence (regression). Reply: `Sample`;
   * `SampledEvent`s of text before it.
   */
  | {
      readonly type: "sample";
      readonly run: RunName;
      /** Text only. */
      readonly prompt?: string;
      /** Characters, or rows. */
      readonly length: number;
      /** 0 always takes the most likely character; 1 by default. Text only. */
      readonly temperature?: number;
      readonly seed?: number;
      /** Also gives gates and states at each step, for a heat map. */
      readonly trace?: boolean;
    }
  /** IR after each pass, kernels and totals of one training step. Reply: `Inspection`. */
  | { readonly type: "inspect"; readonly run: RunName }
  /**
   * Compares the gradient of a cell with forward mode and difference quotients on random cases. `cell` is traced at as
   * many of `checkSizes` as the cell has. Reply: `CheckResult`.
   */
  | { readonly type: "check"; readonly cell: string; readonly cases?: number; readonly seed?: number }
  /** The model as a safetensors file. Reply: `ModelFile`. */
  | { readonly type: "saveModel"; readonly run: RunName }
  /**
   * Reads a model file. With `run`, that run goes on from its weights, which must fit; without, the model stands by itself
   * under the name `loadedModel` and can be sampled. Reply: `LoadedModel`.
   */
  | {
      readonly type: "loadModel";
      readonly name: string;
      readonly bytes: Uint8Array<ArrayBuffer>;
      readonly run?: RunName;
    }
  /** Opens a device again after it was lost; runs go on, paused, from their last kept weights. Reply: `DeviceReport`. */
  | { readonly type: "recover" }
  /** Destroys the device as a lost one would be, for tests and demonstrations. */
  | { readonly type: "loseDevice" }
  /** What the worker holds on the device, to see that nothing leaks. Reply: `MemoryReport`. */
  | { readonly type: "memory" }
  /** Releases everything. The worker answers nothing afterwards. */
  | { readonly type: "destroy" };

/** The sizes at which `check` tries a cell: trace it at all of them that it allows. */
export const checkSizes: readonly { readonly units: number; readonly features: number }[] = [1, 2, 3, 4].flatMap(
  (units) => [1, 2, 3].map((features) => ({ units, features })),
);

/** The run name of a model that was loaded without a run. */
export const loadedModel: RunName = "loaded model";

// ---------------------------------------------------------------------------------------------- worker -> page

export type Message = Reply | Failure | Event;

export interface Reply {
  readonly type: "reply";
  readonly id: number;
  /** As the comment of the request says; null where it says nothing. */
  readonly result: Result;
}

export type Result =
  | null
  | DeviceReport
  | DataReport
  | readonly TaskReport[]
  | readonly RunReport[]
  | GradientFlow
  | Sample
  | Inspection
  | CheckResult
  | ModelFile
  | LoadedModel
  | MemoryReport;

/** The result of each command, for a page that wants its calls typed. */
export interface Results {
  readonly init: DeviceReport;
  readonly switchDevice: DeviceReport;
  readonly listTasks: readonly TaskReport[];
  readonly setData: DataReport;
  readonly setRuns: readonly RunReport[];
  readonly start: null;
  readonly pause: null;
  readonly reset: null;
  readonly setLearningRate: null;
  readonly gradientFlow: GradientFlow;
  readonly sample: Sample;
  readonly inspect: Inspection;
  readonly check: CheckResult;
  readonly saveModel: ModelFile;
  readonly loadModel: LoadedModel;
  readonly recover: DeviceReport;
  readonly loseDevice: null;
  readonly memory: MemoryReport;
  readonly destroy: null;
}

/** A request that failed; everything else goes on as it was. */
export interface Failure {
  readonly type: "failure";
  readonly id: number;
  readonly fault: Fault;
}

export type Event = ProgressEvent | StoppedEvent | SampledEvent | LostEvent;

/** Some times a second for each run that trains; points in between are left out, never late. */
export interface ProgressEvent {
  readonly type: "progress";
  readonly run: RunName;
  /** Updates so far. */
  readonly step: number;
  /** Mean training loss of the steps since the last event. */
  readonly loss: number;
  /** Present where held-out data were evaluated since the last event. */
  readonly heldOut?: { readonly step: number; readonly loss: number };
  /** Tokens (rows of a series, times batch) that this run trained on, by the wall clock. */
  readonly tokensPerSecond: number;
  readonly gradientNorm: number;
}

/** A run that stopped without being paused: all its steps are done, or its numbers are no longer finite. */
export interface StoppedEvent {
  readonly type: "stopped";
  readonly run: RunName;
  readonly step: number;
  readonly reason: "done" | "not finite" | "fault";
  readonly fault?: Fault;
}

/** A piece of a sample in progress. */
export interface SampledEvent {
  readonly type: "sampled";
  /** Of the request. */
  readonly id: number;
  readonly text: string;
}

/** The device is gone: runs are paused; `recover` goes on from the last kept weights. */
export interface LostEvent {
  readonly type: "lost";
  readonly fault: Fault;
  /** What would be gone on from. */
  readonly kept: readonly { readonly run: RunName; readonly step: number }[];
}
