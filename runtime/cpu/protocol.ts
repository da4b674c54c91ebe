/**
 * @file The protocol between host and engine. The host allocates addresses and sends commands; the engine owns the memory
 * and executes commands in order. It runs in a worker (the leader), helped by other workers (the followers), or on the
 * caller's thread.
 *
 * The work of a run is a tape: 32-bit words in the memory itself, where followers can read it. Its entries, in words:
 *
 *   run  ::= 0 length kernel isShared indirect indirectWords parts most{parts} grains{parts} groups{parts} record
 *   copy ::= 1 length from to bytes
 *   fork ::= 2 length branches length{branches} (run | copy)*
 *
 * `length` is the length of the entry. If `isShared` is 0, the leader runs all; if it is 1, a thread takes as many
 * workgroups of a part of the grid at once as `grains` says. `most` are the workgroups of each part, and `groups` those
 * that run now: if `indirect` is an address, the product of the `indirectWords` numbers there is the total of all parts.
 * `record` is the data that the kernel reads.
 *
 * The branches of a fork are tapes that do not depend on each other, one after another, with their lengths in front: each is
 * run by one thread. The `length` of a fork is that of its head, so a thread that shares nothing runs on into the branches.
 */

export const tapeOps = { run: 0, copy: 1, fork: 2 } as const;

/** The first message to the leader. */
export interface LeadMessage {
  readonly kind: "lead";
  /** Whether the memory is shared with followers. */
  readonly isShared: boolean;
  /** Followers and leader together, at most. */
  readonly threads: number;
  /** Most pages of 64 KiB of the memory; fewer if the JavaScript engine rejects this many. */
  readonly maximumPages: number;
  /** On the caller's thread: milliseconds of work before it yields. */
  readonly slice: number | undefined;
}

/** The first message to a follower. `number` counts from 1; the leader is 0. */
export interface FollowMessage {
  readonly kind: "follow";
  readonly number: number;
  readonly memory: WebAssembly.Memory;
  readonly control: SharedArrayBuffer;
}

interface Command {
  /** Id for matching the reply. */
  readonly id: number;
  /** Size that the memory must have, in bytes. */
  readonly end: number;
}

/** Also sent to followers. `kernels` lists the function names of each kernel. */
export interface LoadCommand extends Command {
  readonly kind: "load";
  readonly program: number;
  readonly module: WebAssembly.Module;
  readonly kernels: readonly (readonly string[])[];
  /** Address of the leader's scratch memory; those of followers follow at multiples of `scratchStride` bytes. */
  readonly scratch: number;
  readonly scratchStride: number;
}

/** Also sent to followers. It has no reply. */
export interface UnloadCommand {
  readonly kind: "unload";
  readonly program: number;
}

export interface Write {
  readonly address: number;
  readonly words: ArrayBufferView<ArrayBuffer>;
}

export interface WriteCommand extends Command {
  readonly kind: "write";
  readonly writes: readonly Write[];
}

export interface Range {
  readonly address: number;
  readonly bytes: number;
}

/** `count` ranges of `bytes` each, `stride` bytes apart, which are read as one. */
export interface StridedRange extends Range {
  readonly count: number;
  readonly stride: number;
}

export interface ReadCommand extends Command {
  readonly kind: "read";
  readonly reads: readonly StridedRange[];
}

/** The write of an upload. */
export interface Upload extends Write {
  /** Size that the memory must have for it, in bytes. */
  readonly end: number;
}

/**
 * Executes, in this order: uploads, writes (including the tape), patches of the tape, the tape, copies, reads. If the memory
 * is too short for the run, it has still written the uploads for which there is enough.
 */
export interface RunCommand extends Command {
  readonly kind: "run";
  readonly program: number;
  readonly uploads: readonly Upload[];
  readonly writes: readonly Write[];
  readonly tape: Range;
  /** The whole tape, in its first run only. */
  readonly words: Int32Array<ArrayBuffer> | undefined;
  /** Pairs: index of a word of the tape, and its new value. */
  readonly patches: Int32Array<ArrayBuffer>;
  /** Triples: from, to, bytes. */
  readonly copies: Uint32Array<ArrayBuffer>;
  readonly reads: readonly StridedRange[];
  readonly isTimed: boolean;
  /** Whether followers help: then `announceRun` was called before it was sent. */
  readonly isShared: boolean;
}

export type Commands = LoadCommand | UnloadCommand | WriteCommand | ReadCommand | RunCommand;
/** To an engine on the caller's thread: frees its memory. */
export interface EndMessage {
  readonly kind: "end";
}

export type EngineMessage = LeadMessage | FollowMessage | EndMessage | Commands;

/** The leader is ready. Includes the memory and control block for followers. */
export interface ReadyReply {
  readonly kind: "ready";
  readonly maximumPages: number;
  readonly memory: WebAssembly.Memory | undefined;
  readonly control: SharedArrayBuffer | undefined;
}

export interface DoneReply {
  readonly kind: "done";
  readonly id: number;
  readonly reads: readonly ArrayBuffer[];
  /** Time of each kernel, if timed; below 0 for kernels that did not run. */
  readonly milliseconds: Float64Array<ArrayBuffer> | undefined;
}

/**
 * The memory could not grow as a command requires; the command had no effect. Also the reply to runs that the host had
 * already sent and whose tape was not written for this reason.
 */
export interface ShortReply {
  readonly kind: "short";
  readonly id: number;
  /** Bytes of the memory. */
  readonly bytes: number;
}

/** A command failed, but the engine still works: a module could not be instantiated. */
export interface FailedReply {
  readonly kind: "failed";
  readonly id: number;
  readonly message: string;
}

/** A thread has failed for good. */
export interface CrashReply {
  readonly kind: "crash";
  readonly message: string;
  /** The program and kernel it was running, if any. */
  readonly program: number | undefined;
  readonly kernel: number | undefined;
}

export type Reply = DoneReply | ShortReply | FailedReply;
export type EngineReply = ReadyReply | CrashReply | Reply;

/** Posts a reply; buffers in `transfer` can be moved instead of copied. */
export type PostReply = (reply: EngineReply, transfer: ArrayBuffer[]) => void;

/** Control words that threads sleep on, and the one with which the host ends them. */
export const controlWords = { claim: 0, done: 48, quit: 144, runs: 176 } as const;

/**
 * Says that a run with work to share is on its way: sleeping followers wake while its message travels, and wait awake until
 * it is done.
 */
export function announceRun(control: SharedArrayBuffer): void {
  const words = new Int32Array(control);
  Atomics.add(words, controlWords.runs, 1);
  Atomics.notify(words, controlWords.claim);
}

/** Wakes all sleeping threads so that they end: Deno cannot terminate a sleeping one. */
export function quitThreads(control: SharedArrayBuffer): void {
  const words = new Int32Array(control);
  Atomics.store(words, controlWords.quit, 1);
  // Changes the words, so that a thread about to sleep does not.
  Atomics.add(words, controlWords.claim, 1 << 16);
  Atomics.add(words, controlWords.done, 1 << 20);
  Atomics.notify(words, controlWords.claim);
  Atomics.notify(words, controlWords.done);
}
