/** @file The results of requests: what the worker tells of devices, data, runs, samples and checks. */

/** Name of a run, chosen by the page; curves and samples are told by it. */
export type RunName = string;

export interface Fault {
  /** One line that says what, where, and what to do. */
  readonly message: string;
  /** Line of the cell's source, from 1, where it is known. */
  readonly line?: number;
}

export interface DeviceReport {
  readonly kind: "gpu" | "cpu" | "software" | "interpreter";
  /** Name of the adapter, or of the interpreter. */
  readonly name: string;
  /** Where the choice fell on something lesser: why, in one line for the user, such as how to turn WebGPU on. */
  readonly note?: string;
  /** Runs with more weights than this are refused; the interpreter is for tiny cells. */
  readonly maxWeights?: number;
}

export interface TaskReport {
  readonly name: string;
  /** One line for people. */
  readonly about: string;
  /** The paper. */
  readonly source: string;
  readonly kind: DataKind;
  readonly parameters: readonly TaskParameter[];
}

/** Symbols that follow each other; rows of numbers that follow each other; a number to find at the end of a sequence. */
export type DataKind = "text" | "series" | "regression";

export interface TaskParameter {
  readonly name: string;
  readonly about: string;
  readonly initial: number;
  readonly least: number;
  readonly most: number;
  readonly whole: boolean;
}

export interface DataReport {
  readonly kind: DataKind;
  readonly name: string;
  /** One line for people, such as "1,078 characters, 57 different". */
  readonly about: string;
  /** Numbers per time step that the first layer reads; text is embedded, so there it is null: trace at `settings.embed`. */
  readonly features: number | null;
  /** Of text. */
  readonly vocabulary?: readonly string[];
  /** Of a series. */
  readonly columns?: readonly string[];
  /** Of a regression: what is to be found. */
  readonly targets?: readonly string[];
  /** The loss of knowing nothing: ln of the vocabulary, or the variance of what is to be found. */
  readonly baseline: number;
  /** Of a task: no cell gets below this loss, but by chance. */
  readonly best?: number;
}

export interface RunReport {
  readonly run: RunName;
  readonly cell: string;
  readonly weights: number;
  /** Time it took to compile. */
  readonly compileMilliseconds: number;
  /** As in `DataReport`, at the batch and time of this run, on which they depend in some tasks. */
  readonly baseline: number;
  readonly best?: number;
}

export interface ScheduleReport {
  readonly scan: string;
  readonly schedule: string;
  readonly reason: string;
}

/** A table [rows, columns], row-major. */
export interface Table {
  readonly rows: number;
  readonly columns: number;
  /** In f64: series may lie far from 0. */
  readonly values: Float64Array<ArrayBuffer>;
}

export interface GradientFlow {
  readonly run: RunName;
  readonly step: number;
  /**
   * For each state: the norm of d loss / d state at each time step 0..T-1, of the state that the step reads. The loss is
   * that of the last time step alone, so that the curve shows how far back it reaches.
   */
  readonly states: readonly { readonly name: string; readonly norms: Float32Array<ArrayBuffer> }[];
}

export interface Sample {
  readonly run: RunName;
  readonly prompt: string;
  /** What was written after the prompt (text). */
  readonly text: string;
  /** What was forecast, rows of features in their own units (series); the answer at each step (regression). */
  readonly rows?: Table;
  /** The rows that were read before the forecast (series), and what was asked for at each step, or NaN (regression). */
  readonly truth?: Table;
  /** Where a trace was asked for. */
  readonly trace?: SampleTrace;
}

/** Gates and states over the prompt and what follows it: a row of each table is one time step. */
export interface SampleTrace {
  /** What was read at each step. */
  readonly symbols: readonly string[];
  readonly values: readonly TracedValue[];
}

export interface TracedValue {
  /** Such as "layers/0/update", or "layers/0/h". */
  readonly name: string;
  readonly kind: "gate" | "state";
  /** Range of its values: [0, 1] of a sigmoid, [-1, 1] of a tanh, seen values of a state. */
  readonly range: readonly [number, number];
  /** [time, units]. */
  readonly table: Table;
}

export interface Inspection {
  readonly run: RunName;
  /** As traced, and after each pass. */
  readonly passes: readonly {
    readonly name: string;
    readonly about: string;
    readonly nodes: number;
    /** Printed IR; equal to the one before where the pass changed nothing. */
    readonly text: string;
  }[];
  readonly kernels: readonly {
    readonly name: string;
    readonly label: string;
    /** Line of the cell's source that most of it comes from. */
    readonly line?: number;
    readonly language: "WGSL" | "WebAssembly";
    readonly text: string;
    /** A sentence about how it runs, such as "Workgroups of 64, 1,024 bytes of workgroup memory." */
    readonly about: string;
  }[];
  /** How each scan runs, and why. */
  readonly schedules: readonly ScheduleReport[];
  /** How the carries of each loop depend on each other, a line per group. */
  readonly carries: readonly string[];
  readonly dispatches: { readonly forward: number; readonly backward: number; readonly update: number };
  readonly copies: number;
  readonly bytes: number;
  readonly slabBytes: number;
}

export interface CheckResult {
  readonly cell: string;
  readonly right: boolean;
  readonly cases: number;
  /** Derivatives that were compared. */
  readonly comparisons: number;
  /** Directions left out since the function has a kink there. */
  readonly kinks: number;
  /** Arguments whose derivatives were left out in every case. */
  readonly uncompared: readonly string[];
  /** Largest relative errors among those that passed. */
  readonly worst: { readonly forward: number; readonly difference: number };
  /** The smallest failing case. */
  readonly failure?: {
    readonly message: string;
    readonly units: number;
    readonly features: number;
    readonly batch: number;
    readonly time: number;
    /** Starts in a state that an earlier sequence left behind. */
    readonly carried: boolean;
    readonly arguments: readonly {
      readonly name: string;
      readonly shape: readonly number[];
      readonly values: readonly number[];
    }[];
    /** Such as a stopGradient on the way, with its line. */
    readonly notes: readonly Fault[];
  };
}

export interface ModelFile {
  readonly run: RunName;
  /** A name for the download. */
  readonly file: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

export interface LoadedModel {
  readonly run: RunName;
  readonly kind: DataKind;
  readonly cell: string;
  readonly units: number;
  readonly layers: number;
  readonly embed?: number;
  readonly vocabulary?: readonly string[];
  readonly columns?: readonly string[];
  readonly training: Readonly<Record<string, number | string>>;
}

export interface MemoryReport {
  /** GPU buffers and bytes that exist, those waiting for reuse included; 0 on the interpreter. */
  readonly buffers: number;
  readonly bytes: number;
}
