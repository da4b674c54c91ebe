/**
 * @file What host and engine say to each other. The host allocates addresses, and sends commands; the engine has the memory,
 * and does what it is sent in order. It runs in a worker, the leader, whom other workers help, the followers; or on the
 * caller's own thread.
 *
 * A run's work is a tape: words of 32 bits in the memory itself, for helpers to read it there. Its entries, in words:
 *
 *   run  ::= 0 length kernel grain indirect indirectWords parts most{parts} groups{parts} record
 *   copy ::= 1 length from to bytes
 *
 * `length` is that of the entry. `grain` is how many workgroups a thread takes at once, and 0 where the leader runs all by itself.
 * `most` are the workgroups of each part of the grid, and `groups` those that run now: where `indirect` is the address of
 * numbers in the memory, `indirectWords` of them, their product is how many of all parts do. `record` is what the kernel reads.
 */

export const tapeOps = { run: 0, copy: 1 } as const;

/** To the leader, before all else. */
export interface LeadMessage {
  readonly kind: "lead";
  /** Whether there are followers, so that the memory must be shared. */
  readonly isShared: boolean;
  /** The most pages of 64 KiB that the memory may have; less where the engine refuses them. */
  readonly maximumPages: number;
  /** Milliseconds after which a thread that is not the engine's own gets control back. */
  readonly slice: number | undefined;
}

/** To a follower, before all else. `number` counts from 1; the leader is 0. */
export interface FollowMessage {
  readonly kind: "follow";
  readonly number: number;
  readonly memory: WebAssembly.Memory;
  readonly control: SharedArrayBuffer;
}

interface Command {
  /** By which the reply names it. */
  readonly id: number;
  /** What must exist of the memory, in bytes from its start. */
  readonly end: number;
}

/** Also to followers. `kernels` has for each the names of its functions. */
export interface LoadCommand extends Command {
  readonly kind: "load";
  readonly program: number;
  readonly module: WebAssembly.Module;
  readonly kernels: readonly (readonly string[])[];
  /** Address of the leader's scratch memory; those of followers come after it, each `scratchStride` bytes on. */
  readonly scratch: number;
  readonly scratchStride: number;
}

/** Also to followers. It has no reply. */
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

export interface ReadCommand extends Command {
  readonly kind: "read";
  readonly reads: readonly Range[];
}

/** Writes, the tape as well, patches it, runs it, copies, and reads, in this order. */
export interface RunCommand extends Command {
  readonly kind: "run";
  readonly program: number;
  readonly writes: readonly Write[];
  readonly tape: Range;
  /** All of the tape, in its first run. */
  readonly words: Int32Array<ArrayBuffer> | undefined;
  /** Pairs: number of a word of the tape, and its new contents. */
  readonly patches: Int32Array<ArrayBuffer>;
  /** Triples: from, to, bytes. */
  readonly copies: Uint32Array<ArrayBuffer>;
  readonly reads: readonly Range[];
  readonly isTimed: boolean;
}

export type Commands = LoadCommand | UnloadCommand | WriteCommand | ReadCommand | RunCommand;
/** To an engine on the caller's thread: nothing more will be asked of it. */
export interface EndMessage {
  readonly kind: "end";
}

export type EngineMessage = LeadMessage | FollowMessage | EndMessage | Commands;

/** The leader is there. What followers share comes with it. */
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
  /** Of each kernel, where they were timed; below 0 for those that did not run. */
  readonly milliseconds: Float64Array<ArrayBuffer> | undefined;
}

/**
 * The memory could not grow as a command needs it, and nothing of it was done. So are runs answered that were sent before
 * the host knew, and whose tape lacks what such a run would have written.
 */
export interface ShortReply {
  readonly kind: "short";
  readonly id: number;
  /** Bytes that there are. */
  readonly bytes: number;
}

/** A command failed by itself: a module that cannot be instantiated. */
export interface FailedReply {
  readonly kind: "failed";
  readonly id: number;
  readonly message: string;
}

/** A thread cannot go on. */
export interface CrashReply {
  readonly kind: "crash";
  readonly message: string;
  /** Of what it ran, where it was a kernel. */
  readonly program: number | undefined;
  readonly kernel: number | undefined;
}

export type Reply = DoneReply | ShortReply | FailedReply;
export type EngineReply = ReadyReply | CrashReply | Reply;

/** Posts a reply; what `transfer` lists may be handed over instead of copied. */
export type PostReply = (reply: EngineReply, transfer: ArrayBuffer[]) => void;

/** Words of the control block that threads sleep on, and the one by which the host ends their work. */
const controlWords = { claim: 0, done: 48, quit: 144 } as const;

/** Wakes the threads that sleep, for good: Deno leaves one that is ended in its sleep where it is. */
export function quitThreads(control: SharedArrayBuffer): void {
  const words = new Int32Array(control);
  Atomics.store(words, controlWords.quit, 1);
  // A thread that is about to sleep sees that the word has changed.
  Atomics.add(words, controlWords.claim, 1 << 16);
  Atomics.add(words, controlWords.done, 1 << 20);
  Atomics.notify(words, controlWords.claim);
  Atomics.notify(words, controlWords.done);
}
