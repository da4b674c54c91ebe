/**
 * @file The program: what the compiler hands to the runtime, as plain JSON (the text of a kernel is written when it is
 * first read). Nothing in it refers to the compiler, so it can be printed, stored, counted and checked with no device.
 *
 *   program  ::= symbols requires inputs outputs buffers kernels steps
 *   requires ::= minimum sizes, so that every element the program reads exists
 *   buffer   ::= one GPU buffer: an input's, or a slab that holds many values
 *   kernel   ::= code of the target (WGSL), its bindings in order, its uniform fields, its workgroup size
 *   step     ::= dispatch of a kernel | loop over time, with steps for no iterations | choice of steps | copy of buffers
 *   choice   ::= by the size of a dimension, one of several branches; the kernels of the others need not be compiled
 *   chunks   ::= how a dispatch whose kernel loops over time is cut, so that none runs for long
 *
 * Sizes are sums of dimensions, evaluated when batch and time are known; kernels read them from uniforms, so no
 * pipeline depends on them.
 */

import type { Dim } from "../graph/dim.ts";
import type { DType, Site } from "../graph/graph.ts";
import type { Requirement } from "../graph/requirements.ts";
import type { Element } from "../graph/storage.ts";
import type { GridPart, KernelCode } from "../kernel/ir.ts";

/** A sum of dimensions, in elements. */
export type Size = readonly Dim[];

export interface BufferSpec {
  readonly name: string;
  /** The element type that kernels see. */
  readonly element: Element;
  /** Bytes of an element. */
  readonly bytes: number;
  /** Of all models together. */
  readonly size: Size;
  /** In a program for many models (population.ts): elements from the copy of one to that of the next, if each has its own. */
  readonly stride?: Size;
  /** A slab is allocated by the program; an input's buffer comes from the caller. */
  readonly role: "slab" | "input";
}

/** Where a value is stored: `offset` elements into a buffer, or into each model's copy of it. */
export interface Location {
  readonly buffer: number;
  readonly offset: Size;
  readonly size: Size;
  /**
   * For a value in f16, two numbers to a word of 32 bits: which half of each word is its own, if another value of equal
   * size has the other half; or that neighbours in the value share a word.
   */
  readonly half?: 0 | 1 | "neighbours";
}

export interface Binding {
  readonly buffer: number;
  /** A dispatch binds a buffer once, as read or read_write as a whole, whatever ranges it touches. */
  readonly access: "read" | "read_write";
}

export interface UniformField {
  readonly name: string;
  readonly value: Size;
}

/** A kernel in the kernel IR: the result of lowering, before it is rendered for a target. */
export interface PlannedKernel {
  readonly name: string;
  readonly label: string;
  /** Lines of the user's source that it comes from. */
  readonly sites: readonly Site[];
  readonly code: KernelCode;
  readonly work: Work;
}

export interface Kernel {
  readonly name: string;
  /** What it computes, for human readers: the name of the graph and its ops. */
  readonly label: string;
  readonly site: Site | undefined;
  /**
   * Comments above the text, for human readers: what it computes and where it comes from. Equal kernels differ only in
   * these.
   */
  readonly about: string;
  readonly wgsl: string;
  readonly workgroupSize: number;
  readonly bindings: readonly Binding[];
  /** Fields of the `sizes` uniform; the storage bindings follow it. */
  readonly uniforms: readonly UniformField[];
  /** How many enclosing loops it reads the step of, counted from the outermost. */
  readonly loops: number;
  /**
   * Whether it runs a chunk of the innermost of these loops itself: from its step up to, but not including, a given
   * end.
   */
  readonly chunked: boolean;
  /** Bytes of workgroup memory. */
  readonly workgroupBytes: number;
  /** Work of one dispatch, all its chunks together. */
  readonly work: Work;
}

/**
 * A kernel as WebAssembly: one function of the program's module per part of its grid,
 *
 *   (record: i32, scratch: i32, first: i32, end: i32) -> ()
 *
 * which runs the part's workgroups from `first` up to, but not including, `end`. `record` is the address of the
 * arguments of this dispatch, in words of 32 bits: the address of each binding, the length of each binding in elements,
 * the uniforms, the step of each loop, and the end of the chunk. `scratch` is the address of memory of the calling
 * thread, a multiple of 16, whose contents do not matter. The margins next to each buffer can be read too
 * (graph/margins.ts), whatever they hold. Workgroups do not depend on each other.
 */
export interface CpuKernel extends Omit<Kernel, "wgsl" | "workgroupSize" | "workgroupBytes"> {
  /** Names of the exported functions, one per part. */
  readonly functions: readonly string[];
  /** Bytes of scratch memory. */
  readonly scratchBytes: number;
}

/** A program for CPUs: its kernels are functions of one module, which imports its memory as `env.memory`. */
export interface CpuProgram extends Program<CpuKernel> {
  readonly module: Uint8Array<ArrayBuffer>;
}

/** Amount of work; `work.ts` says what counts. */
export interface Work {
  /** Floating point operations. */
  readonly flops: Size;
  /** Bytes that must be read from storage and written to it. */
  readonly bytes: Size;
}

/**
 * Number of workgroups: per part of a kernel, ceil(ceil(rows / rowsPer) * columns / lanes), if an invocation owns
 * `rowsPer` rows of one column.
 */
export type { GridPart };
export type Grid = readonly GridPart[];

export type Phase = "forward" | "backward" | "update";

export interface Dispatch {
  readonly kind: "dispatch";
  readonly kernel: number;
  readonly grid: Grid;
  /**
   * Where the device finds the numbers of workgroups: u32 that an earlier step has written to a slab, either x, y and
   * z, or only x, with y and z equal to 1. Each is at most 65535. `grid` is then an upper bound: if it is 0, nothing
   * runs.
   */
  readonly indirect?: Location;
  readonly phase: Phase;
  /** If the kernel runs a loop over time itself: how the loop is cut. */
  readonly chunks?: Chunks;
}

/**
 * A loop that runs inside a kernel, cut into dispatches of `steps` steps each, the last of the remainder. Each gets its
 * first step and its end, continues from the carries that the previous one stored, and follows it in the same pass.
 */
export interface Chunks {
  /** The scan's name. */
  readonly scan: string;
  readonly length: Dim;
  readonly steps: number;
}

export interface Loop {
  readonly kind: "loop";
  readonly length: Dim;
  readonly reverse: boolean;
  readonly body: readonly ScanStep[];
  /** What runs instead if the length is 0: the initial carries become the final ones. */
  readonly otherwise: readonly Dispatch[];
}

/**
 * Steps that depend on the size of a dimension. The first branch runs whose `atMost` is at least that size: a pure
 * function of sizes, so reruns stay bit-equal. Branches share their memory, since only one of them runs.
 */
export interface Choose {
  readonly kind: "choose";
  readonly dim: Dim;
  /** In ascending order of `atMost`; the last has no bound. */
  readonly branches: readonly Branch[];
}

export interface Branch {
  /** The largest size at which it runs. */
  readonly atMost: number | undefined;
  readonly steps: readonly ScanStep[];
}

/** The steps of a lowered scan, and of loops and branches. */
export type ScanStep = Dispatch | Loop | Choose;

export interface Copy {
  readonly kind: "copy";
  readonly from: Location;
  readonly to: Location;
}

export type Step = ScanStep | Copy;

export interface ProgramInput {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly Dim[];
  readonly buffer: number;
}

export interface ProgramOutput {
  readonly dtype: DType;
  readonly shape: readonly Dim[];
  readonly location: Location;
  /** The input whose buffer this output reuses. */
  readonly donated: string | undefined;
}

/** How a scan was lowered. */
export interface ScheduleNote {
  readonly scan: string;
  /** The name of the schedule. */
  readonly schedule: string;
  readonly reason: string;
}

/** A value that is rounded to f16, and how it is stored. */
export interface HalfNote {
  /** Such as `lstm tanh`: what computes it. */
  readonly value: string;
  readonly site: Site | undefined;
  readonly elements: Dim;
  /** Bits of a stored number. */
  readonly bits: 16 | 32;
  /** Why it takes 32 bits. */
  readonly reason?: string;
}

/** `K` is the type of its kernels: planned, or rendered for the device. */
export interface Program<K = Kernel> {
  readonly version: 1;
  readonly name: string;
  readonly symbols: readonly string[];
  /** How many models it runs at once (population.ts), if it is made for that. */
  readonly models?: number;
  /** Conditions on sizes; a device rejects sizes that do not meet them. */
  readonly requires: readonly Requirement[];
  readonly buffers: readonly BufferSpec[];
  readonly inputs: readonly ProgramInput[];
  readonly outputs: readonly ProgramOutput[];
  readonly kernels: readonly K[];
  readonly schedules: readonly ScheduleNote[];
  /** The values that are rounded to f16, if there are any, and how each of them is stored. */
  readonly halves?: readonly HalfNote[];
  readonly steps: readonly Step[];
}
