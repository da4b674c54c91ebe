/**
 * @file The program: what the compiler hands to the runtime, as plain JSON. Nothing in it refers to the compiler, so
 * it can be printed, stored, counted and checked with no device.
 *
 *   program  ::= symbols requires inputs outputs buffers kernels steps
 *   requires ::= how large sizes must be for what the program reads to exist
 *   buffer   ::= one GPU buffer: an input's own, or a slab that holds many values
 *   kernel   ::= code of the target (WGSL), its bindings in order, its uniform fields, its workgroup size
 *   step     ::= dispatch of a kernel | loop over time around steps, or else others | choice of steps | copy between buffers
 *   choice   ::= by the size of a dimension, one of several branches; the kernels of the others need not be compiled
 *   chunks   ::= how a dispatch whose kernel runs a loop over time is cut, so that none runs for long
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
  /** What a kernel sees it as an array of. */
  readonly element: Element;
  /** Bytes of an element. */
  readonly bytes: number;
  readonly size: Size;
  /** A slab belongs to the program; an input's buffer comes from the caller. */
  readonly role: "slab" | "input";
}

/** Where a value lies: `offset` elements into a buffer. */
export interface Location {
  readonly buffer: number;
  readonly offset: Size;
  readonly size: Size;
}

export interface Binding {
  readonly buffer: number;
  /** In one dispatch a buffer is all-read or all-read_write, whatever ranges are touched: it is bound once. */
  readonly access: "read" | "read_write";
}

export interface UniformField {
  readonly name: string;
  readonly value: Size;
}

/** A kernel in the kernel IR: what lowering makes, before it is written for a target. */
export interface PlannedKernel {
  readonly name: string;
  readonly label: string;
  /** Lines of the user's file that it comes from. */
  readonly sites: readonly Site[];
  readonly code: KernelCode;
  readonly work: Work;
}

export interface Kernel {
  readonly name: string;
  /** What it computes, for people: the ops and the line of the user's file that they come from. */
  readonly label: string;
  readonly site: Site | undefined;
  /** Comments above the text, for people: what it computes and where it comes from. Equal kernels differ in nothing else. */
  readonly about: string;
  readonly wgsl: string;
  readonly workgroupSize: number;
  readonly bindings: readonly Binding[];
  /** Fields of the `sizes` uniform; the storage bindings follow it. */
  readonly uniforms: readonly UniformField[];
  /** How many loops around the kernel it reads the step of, from the outermost. */
  readonly loops: number;
  /** Whether it runs a chunk of the innermost of these loops itself: from its step on, to before the end it is given. */
  readonly chunked: boolean;
  /** Bytes of workgroup memory. */
  readonly workgroupBytes: number;
  /** Of one dispatch, all its chunks together. */
  readonly work: Work;
}

/**
 * A kernel as WebAssembly: for each part of its grid a function of the program's module,
 *
 *   (record: i32, scratch: i32, first: i32, end: i32) -> ()
 *
 * which runs the part's workgroups from `first` to before `end`. `record` is the address of what this dispatch is given, in
 * words of 32 bits: the address of each binding, the length of each binding in elements, the uniforms, the step of each
 * loop, and where the chunk ends. `scratch` is the address of memory of the calling thread, at a multiple of 16, whose contents do
 * not matter. Beside each buffer its margins may be read too (graph/margins.ts), whatever they hold. Workgroups do not depend on each other.
 */
export interface CpuKernel extends Omit<Kernel, "wgsl" | "workgroupSize" | "workgroupBytes"> {
  /** Names of the exported functions, one for each part. */
  readonly functions: readonly string[];
  /** Bytes of scratch memory. */
  readonly scratchBytes: number;
}

/** A program for CPUs: its kernels are functions of one module, which imports its memory as `env.memory`. */
export interface CpuProgram extends Program<CpuKernel> {
  readonly module: Uint8Array<ArrayBuffer>;
}

/** How much there is to do; `work.ts` says what counts. */
export interface Work {
  /** Floating point operations. */
  readonly flops: Size;
  /** What must be read from storage and written to it. */
  readonly bytes: Size;
}

/**
 * Number of workgroups: for each part of a kernel ceil(ceil(rows / rowsPer) * columns / lanes), where an invocation owns
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
   * Where the numbers of workgroups lie when the device comes to it: u32 that an earlier step has written to a slab, x, y
   * and z, or x alone, beside which y and z are 1. Each is 65535 at the most. `grid` then is the most that there may be:
   * where that is nothing, nothing runs.
   */
  readonly indirect?: Location;
  readonly phase: Phase;
  /** Where the kernel runs a loop over time itself: how the loop is cut. */
  readonly chunks?: Chunks;
}

/**
 * A loop that runs inside a kernel, cut into dispatches of so many steps, the last of what is left. Each gets its first
 * step and its end, goes on from the carries that the one before has left, and follows it in the same pass.
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
  /** What runs instead where it has no steps: the initial carries become the final ones. */
  readonly otherwise: readonly Dispatch[];
}

/**
 * Steps that depend on how large a dimension is. At given sizes the first branch runs whose `atMost` is not below: a pure
 * function of sizes, so reruns stay bit-equal. Branches share their memory, since only one of them runs.
 */
export interface Choose {
  readonly kind: "choose";
  readonly dim: Dim;
  /** From the smallest bucket on; the last has no bound. */
  readonly branches: readonly Branch[];
}

export interface Branch {
  /** The largest size that it runs at. */
  readonly atMost: number | undefined;
  readonly steps: readonly ScanStep[];
}

/** What a scan becomes, and what loops and branches are made of. */
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
  /** The input whose buffer this output takes over. */
  readonly donated: string | undefined;
}

/** How a scan was lowered. */
export interface ScheduleNote {
  readonly scan: string;
  /** The name of the schedule. */
  readonly schedule: string;
  readonly reason: string;
}

/** `K` is what a kernel is: planned, or written for the device. */
export interface Program<K = Kernel> {
  readonly version: 1;
  readonly name: string;
  readonly symbols: readonly string[];
  /** What sizes must meet; a device refuses others. */
  readonly requires: readonly Requirement[];
  readonly buffers: readonly BufferSpec[];
  readonly inputs: readonly ProgramInput[];
  readonly outputs: readonly ProgramOutput[];
  readonly kernels: readonly K[];
  readonly schedules: readonly ScheduleNote[];
  readonly steps: readonly Step[];
}
