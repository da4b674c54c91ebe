/** @file An open CPU device: its threads, its memory, pending commands, and shutdown. */
import { megabytes } from "../buffers.ts";
import { DeviceLostError, DeviceMemoryError, DeviceUnavailableError } from "../device-errors.ts";
import { Waiting } from "../waiting.ts";
import type { EngineThread } from "./engine-text.ts";
import { type Block, Heap } from "./heap.ts";
import {
  announceRun,
  type CrashReply,
  type DoneReply,
  type EngineReply,
  type LeadMessage,
  type LoadCommand,
  quitThreads,
  type ReadCommand,
  type ReadyReply,
  type Reply,
  type RunCommand,
  type UnloadCommand,
  type Upload,
  type Write,
  type WriteCommand,
} from "./protocol.ts";
import { canShare, ownThread, type ThreadHost, threadHost } from "./thread.ts";

/** The limit of 32-bit addresses. */
const mostPages = 65536;
const pageBytes = 65536;

/** Milliseconds of work on the caller's thread before it yields. */
const sliceMilliseconds = 8;
/** Number of shares of a dispatch on the caller's thread, so that a slice ends in time. */
const callerShares = 8;
/** Attempts to start a worker before falling back to the caller's thread. */
const attempts = 2;

export interface CpuOptions {
  /** By default one per core. */
  readonly threads?: number | undefined;
  /** Seconds to wait for an answer. */
  readonly timeout?: number | undefined;
  /** Where kernels run: in workers with shared memory, in one worker, or on the caller's thread. By default the first available. */
  readonly place?: "workers" | "worker" | "caller" | undefined;
  /** Most pages of 64 KiB of the memory. */
  readonly maximumPages?: number | undefined;
  /** Seconds to wait for a thread to start; no limit by default, except in a page's worker. */
  readonly patience?: number | undefined;
}

/** The memory that a module must import, for the encoder. */
export interface ModuleMemory {
  readonly initialPages: number;
  readonly maximumPages: number;
  readonly isShared: boolean;
}

type Omitted<C> = Omit<C, "id" | "kind">;

interface Pending {
  readonly resolve: (reply: Reply) => void;
  readonly reject: (error: Error) => void;
}

/** An upload that was not sent yet. */
interface Unsent extends Upload {
  /** The reply to the command that it was sent with. */
  readonly sent: (reply: Promise<Reply>) => void;
}

export class CpuContext {
  readonly name: string;
  readonly threads: number;
  /** Number of shares of a large dispatch: threads, or time slices of the caller. */
  readonly shares: number;
  /** Most bytes for the tapes of a program. */
  tapeBytes = 2 ** 26;
  readonly memory: ModuleMemory;
  readonly heap: Heap;
  readonly waiting: Waiting;
  /** Resolves when the device is lost, with an error for the user. */
  readonly lost: Promise<DeviceLostError>;
  readonly #leader: EngineThread;
  readonly #followers: EngineThread[] = [];
  readonly #control: SharedArrayBuffer | undefined;
  readonly #pending = new Map<number, Pending>();
  /** Uploads of this turn of the event loop. A run takes them along, which saves their messages. */
  #unsent: Unsent[] = [];
  /** Names of programs and their kernels, for error messages. */
  readonly #programs = new Map<number, { readonly name: string; readonly kernels: readonly string[] }>();
  #loss: DeviceLostError | undefined;
  #lose: (error: DeviceLostError) => void = () => {};
  #nextId = 0;

  private constructor(leader: EngineThread, ready: ReadyReply, threads: number, isCaller: boolean, timeout?: number) {
    this.threads = threads;
    this.shares = isCaller ? callerShares : threads;
    this.name = `WebAssembly SIMD, ${isCaller ? "the caller's thread" : threads === 1 ? "1 thread" : `${threads} threads`}`;
    this.memory = { initialPages: 0, maximumPages: mostPages, isShared: ready.memory !== undefined };
    this.heap = new Heap(pageBytes * ready.maximumPages);
    this.waiting = new Waiting(this.name, timeout);
    this.lost = new Promise((resolve) => {
      this.#lose = resolve;
    });
    this.#leader = leader;
    this.#control = ready.control;
    leader.listen(
      (reply) => this.#hear(reply),
      (reason) => this.#fail(reason),
    );
  }

  /** Opens the CPU device. Throws a DeviceUnavailableError if the engine provides no memory. */
  static async open({
    threads,
    timeout,
    place,
    maximumPages = mostPages,
    patience,
  }: CpuOptions = {}): Promise<CpuContext> {
    const host = place === "caller" ? undefined : await threadHost();
    const wanted = place === "worker" || !canShare() ? 1 : (threads ?? host?.cores ?? 1);
    const lead = { kind: "lead", isShared: wanted > 1, threads: wanted, maximumPages, slice: undefined } as const;
    if (host !== undefined) {
      try {
        const { leader, ready } = await startLeader(host, lead, patience ?? host.patience);
        const followers = startAll(host.start, wanted - 1);
        const context = new CpuContext(leader, ready, 1 + followers.length, false, timeout);
        for (const [i, follower] of followers.entries()) context.#addFollower(follower, i + 1, ready);
        return context;
      } catch (error) {
        if (error instanceof DeviceUnavailableError) throw error;
        // A policy forbids workers, or the host has no more: fall back to this thread.
      }
    }
    const own = ownThread();
    const ready = await answer(own, () => own.post({ ...lead, isShared: false, slice: sliceMilliseconds }));
    return new CpuContext(own, ready, 1, true, timeout);
  }

  #addFollower(thread: EngineThread, number: number, { memory, control }: ReadyReply): void {
    if (memory === undefined || control === undefined) return;
    thread.listen(
      (reply) => this.#hear(reply),
      (reason) => this.#fail(reason),
    );
    thread.post({ kind: "follow", number, memory, control });
    this.#followers.push(thread);
  }

  /** Throws if the device is lost. */
  check(): void {
    if (this.#loss !== undefined) throw this.#loss;
  }

  /** Allocates a block. If memory is short, throws a DeviceMemoryError saying that `wanting` needs `plan`. */
  take(bytes: number, wanting: string, plan = megabytes(bytes)): Block {
    const block = this.heap.take(bytes);
    if (block === undefined) throw new DeviceMemoryError(this.name, wanting, plan);
    return block;
  }

  /** Loads a module in all threads and returns its id for runs. `kernels` lists the functions of each kernel. */
  async load(
    name: string,
    kernels: readonly { readonly name: string; readonly functions: readonly string[] }[],
    command: Pick<LoadCommand, "module" | "scratch" | "scratchStride" | "end">,
  ): Promise<number> {
    this.check();
    this.#sendUploads();
    const id = this.#nextId++;
    this.#programs.set(id, { name, kernels: kernels.map((kernel) => kernel.name) });
    const message = {
      ...command,
      kind: "load",
      id,
      program: id,
      kernels: kernels.map(({ functions }) => functions),
    } as const;
    for (const follower of this.#followers) follower.post(message);
    try {
      await this.done(this.#request(message), `load the kernels of ${name}`, name);
    } catch (error) {
      // Followers may have loaded it although the leader failed.
      this.unload(id);
      throw error;
    }
    return id;
  }

  unload(program: number): void {
    if (this.#loss !== undefined) return;
    const message: UnloadCommand = { kind: "unload", program };
    for (const thread of [...this.#followers, this.#leader]) thread.post(message);
    this.#programs.delete(program);
  }

  /** Writes to the memory, before any command that is given later. */
  upload(upload: Upload): Promise<Reply> {
    if (this.#unsent.length === 0) queueMicrotask(() => this.#sendUploads());
    return new Promise((sent) => this.#unsent.push({ ...upload, sent }));
  }

  #sendUploads(): void {
    for (const { address, words, end, sent } of this.#unsent.splice(0)) {
      const command = { kind: "write", id: this.#nextId++, writes: [{ address, words }], end } as const;
      sent(this.#request(command, [words.buffer]));
    }
  }

  read(command: Omitted<ReadCommand>): Promise<Reply> {
    this.#sendUploads();
    return this.#request({ ...command, kind: "read", id: this.#nextId++ });
  }

  run(command: Omit<Omitted<RunCommand>, "uploads">): Promise<Reply> {
    const { patches, copies, writes, words } = command;
    const unsent = this.#unsent.splice(0);
    const uploads = unsent.map(({ address, words, end }): Upload => ({ address, words, end }));
    const transfer = [...buffersOf(uploads), ...buffersOf(writes), patches.buffer, copies.buffer];
    if (words !== undefined) transfer.push(words.buffer);
    if (command.isShared && this.#control !== undefined && this.#loss === undefined) announceRun(this.#control);
    const reply = this.#request({ ...command, uploads, kind: "run", id: this.#nextId++ }, transfer);
    for (const { end, sent } of unsent) sent(reply.then((given) => ofUpload(given, end)));
    return reply;
  }

  /** Awaits the reply to a command. Rejects with a DeviceMemoryError about `wanting` if memory was short. */
  async done(work: Promise<Reply>, action: string, wanting: string, plan?: string): Promise<DoneReply> {
    const reply = await this.waiting.for(work, action);
    if (reply.kind === "done") return reply;
    if (reply.kind === "failed") throw new Error(`${wanting}: the engine reports: ${reply.message}`);
    throw new DeviceMemoryError(this.name, wanting, plan ?? `more than ${megabytes(reply.bytes)}`);
  }

  #request(command: LoadCommand | WriteCommand | ReadCommand | RunCommand, transfer?: ArrayBuffer[]): Promise<Reply> {
    if (this.#loss !== undefined) return Promise.reject(this.#loss);
    const reply = new Promise<Reply>((resolve, reject) => {
      if (this.#pending.size === 0) this.#leader.hold(true);
      this.#pending.set(command.id, { resolve, reject });
    });
    this.#leader.post(command, transfer);
    return reply;
  }

  #hear(reply: EngineReply): void {
    if (reply.kind === "ready") return;
    if (reply.kind === "crash") {
      this.#fail(`${this.#whereOf(reply)}${reply.message}`);
      return;
    }
    // Memory that the engine could not get must not be allocated again.
    if (reply.kind === "short") this.heap.limit = Math.min(this.heap.limit, reply.bytes);
    const pending = this.#pending.get(reply.id);
    this.#pending.delete(reply.id);
    if (this.#pending.size === 0) this.#leader.hold(false);
    pending?.resolve(reply);
  }

  #whereOf({ program, kernel }: CrashReply): string {
    const known = program === undefined ? undefined : this.#programs.get(program);
    if (known === undefined || kernel === undefined) return "";
    return `kernel ${known.kernels[kernel]} of ${known.name} failed: `;
  }

  #fail(reason: string): void {
    if (this.#loss !== undefined) return;
    const loss = new DeviceLostError(this.name, reason);
    this.#loss = loss;
    if (this.#control !== undefined) quitThreads(this.#control);
    for (const thread of [this.#leader, ...this.#followers]) thread.end();
    for (const { reject } of this.#pending.values()) reject(loss);
    this.#pending.clear();
    this.#lose(loss);
  }

  destroy(): void {
    this.#fail("it was destroyed");
  }
}

/** Starts the leader; tries again if a worker does not answer. */
async function startLeader(
  { start }: ThreadHost,
  lead: LeadMessage,
  patience: number | undefined,
): Promise<{ readonly leader: EngineThread; readonly ready: ReadyReply }> {
  for (let attempt = 1; ; attempt++) {
    const leader = start();
    try {
      return { leader, ready: await answer(leader, () => leader.post(lead), patience) };
    } catch (error) {
      if (!(error instanceof SilenceError) || attempt === attempts) throw error;
    }
  }
}

class SilenceError extends Error {}

/** The first answer of a thread. Rejects if there is none, or if it has no memory. */
function answer(thread: EngineThread, ask: () => void, patience?: number): Promise<ReadyReply> {
  return new Promise((resolve, reject) => {
    const give = (error: Error) => {
      clearTimeout(timer);
      thread.end();
      reject(error);
    };
    const timer =
      patience === undefined
        ? undefined
        : setTimeout(() => give(new SilenceError("the thread did not start")), 1000 * patience);
    thread.hold(true);
    thread.listen(
      (reply) => {
        clearTimeout(timer);
        thread.hold(false);
        if (reply.kind === "ready") resolve(reply);
        else if (reply.kind === "crash")
          give(
            new DeviceUnavailableError(
              `WebAssembly cannot allocate memory (${reply.message}). Close other programs or pages that use it.`,
            ),
          );
      },
      (reason) => give(new Error(reason)),
    );
    ask();
  });
}

/** Starts `count` threads, or as many as the host allows. */
function startAll(start: () => EngineThread, count: number): EngineThread[] {
  const threads: EngineThread[] = [];
  try {
    while (threads.length < count) threads.push(start());
  } catch {
    // Fewer threads also work.
  }
  return threads;
}

/** The reply to a run as that to an upload that was sent with it, for which the memory must have `end` bytes. */
function ofUpload(reply: Reply, end: number): Reply {
  if (reply.kind !== "short" || reply.bytes < end) return reply;
  return { kind: "done", id: reply.id, reads: [], milliseconds: undefined };
}

const buffersOf = (writes: readonly Write[]) => writes.map(({ words }) => words.buffer);
