/**
 * @file The engine owns the memory and runs kernels. Workers receive it as text, with that of its parts: how entries of tapes
 * run (tape-entries.ts), and how threads share them (thread-sharing.ts). So each is one function that refers to nothing
 * outside except types and globals of every host, and avoids syntax that compilers rewrite with helpers.
 */
import type {
  CrashReply,
  EngineMessage,
  LoadCommand,
  PostReply,
  Range,
  ReadCommand,
  RunCommand,
  StridedRange,
  UnloadCommand,
  Write,
  WriteCommand,
} from "./protocol.ts";
import type { EngineState, LoadedModule, TapeEntries } from "./tape-entries.ts";
import type { ThreadSharing } from "./thread-sharing.ts";

type Work = LoadCommand | UnloadCommand | WriteCommand | ReadCommand | RunCommand;

/** The functions that an engine is made of. */
export interface EngineParts {
  readonly tapeEntries: (state: EngineState) => TapeEntries;
  readonly threadSharing: (state: EngineState, entries: TapeEntries) => ThreadSharing;
}

/** Creates an engine: the returned function handles messages, and replies go to `post`. */
export function cpuEngine(
  post: PostReply,
  { tapeEntries, threadSharing }: EngineParts,
): (message: EngineMessage) => void {
  const pageBytes = 65536;
  const firstPages = 16;
  const fewestPages = 64;

  const state: EngineState = {
    programs: new Map(),
    memory: undefined,
    words: new Int32Array(0),
    bytes: new Uint8Array(0),
    number: 0,
    threads: 1,
    program: undefined,
    kernel: undefined,
  };
  const entries = tapeEntries(state);
  const sharing = threadSharing(state, entries);
  const { programs } = state;
  /** Addresses of tapes that were not written because their run had no memory. */
  const staleTapes = new Set<number>();
  let control = undefined as Int32Array | undefined;
  let slice = undefined as number | undefined;
  let isDead = false;

  const textOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

  const crash = (error: unknown): void => {
    isDead = true;
    const reply: CrashReply = {
      kind: "crash",
      message: textOf(error),
      program: state.program,
      kernel: state.kernel,
    };
    post(reply, []);
  };

  /** Grows the memory to `end` bytes if necessary; returns whether it is large enough. */
  const reach = (end: number): boolean => {
    const { memory } = state;
    if (memory === undefined) return false;
    const missing = Math.ceil((end - memory.buffer.byteLength) / pageBytes);
    if (missing > 0) {
      try {
        memory.grow(missing);
      } catch {
        return false;
      }
    }
    if (state.words.buffer !== memory.buffer) entries.view();
    return true;
  };

  const memoryOf = (maximumPages: number, isShared: boolean): { memory: WebAssembly.Memory; maximumPages: number } => {
    let maximum = maximumPages;
    for (;;) {
      try {
        const initial = Math.min(firstPages, maximum);
        return { memory: new WebAssembly.Memory({ initial, maximum, shared: isShared }), maximumPages: maximum };
      } catch (error) {
        // JavaScript engines reject a maximum for which they cannot reserve addresses.
        if (!(error instanceof RangeError) || maximum <= fewestPages) throw error;
        maximum = Math.ceil(maximum / 2);
      }
    }
  };

  /** Yields to the event loop. */
  const breathe = (): Promise<void> =>
    new Promise((resolve) => {
      if (typeof setImmediate === "function") {
        setImmediate(resolve);
        return;
      }
      // Browsers throttle nested timers, so use a message channel.
      const { port1, port2 } = new MessageChannel();
      // Reflect.set, because Node's types lack onmessage.
      Reflect.set(port1, "onmessage", () => {
        port1.close();
        resolve();
      });
      port2.postMessage(0);
    });

  let sliceEnd = 0;
  /** Runs an entry on the caller's thread, in ranges of workgroups, and yields between them. */
  const runSliced = async (program: LoadedModule, entry: number, time: number): Promise<void> => {
    const isShared = entries.isShared(entry);
    const ranges = isShared ? entries.countRanges(entry) : 1;
    for (let range = 0; range < ranges && !isDead; range++) {
      if (performance.now() > sliceEnd) {
        await breathe();
        sliceEnd = performance.now() + time;
      }
      if (isDead) return;
      if (isShared) entries.runRange(program, entry, range);
      else entries.runGroups(program, entry);
    }
  };

  const runTape = async (name: number, tape: Range, times: Float64Array | undefined): Promise<void> => {
    const program = programs.get(name);
    if (program === undefined) throw new Error(`program ${name} is not loaded`);
    state.program = name;
    const end = (tape.address + tape.bytes) / 4;
    let next = tape.address / 4;
    while (next < end && !isDead) {
      const entry = next;
      next += entries.word(entry + 1);
      if (entries.isCopy(entry)) {
        entries.copy(entry);
        continue;
      }
      if (entries.isFork(entry)) {
        const branches = entries.branchesOf(entry);
        if (control === undefined || times !== undefined) continue;
        sharing.share(control, name, entry, branches);
        next = entries.endOfBranches(entry, branches);
        continue;
      }
      if (entries.countGroups(entry) === 0) continue;
      const began = times === undefined ? 0 : performance.now();
      const ranges = entries.isShared(entry) && control !== undefined ? entries.countRanges(entry) : 1;
      if (slice !== undefined) await runSliced(program, entry, slice);
      else if (ranges > 1 && control !== undefined) sharing.share(control, name, entry, ranges);
      else entries.runGroups(program, entry);
      if (times !== undefined) {
        const kernel = entries.kernelOf(entry);
        times[kernel] = Math.max(times[kernel] as number, 0) + performance.now() - began;
      }
    }
    state.program = undefined;
    state.kernel = undefined;
  };

  const write = (writes: readonly Write[]): void => {
    for (const { address: to, words: given } of writes)
      state.bytes.set(new Uint8Array(given.buffer, given.byteOffset, given.byteLength), to);
  };

  const read = (reads: readonly StridedRange[]): ArrayBuffer[] =>
    reads.map(({ address: from, bytes: size, count, stride }) => {
      const all = new Uint8Array(count * size);
      for (let i = 0; i < count; i++)
        all.set(state.bytes.subarray(from + i * stride, from + i * stride + size), i * size);
      return all.buffer;
    });

  const functionsOf = (instance: WebAssembly.Instance, command: LoadCommand): LoadedModule => ({
    kernels: command.kernels.map((names) => names.map((name) => instance.exports[name] as never)),
    scratch: command.scratch + state.number * command.scratchStride,
  });

  /** Makes followers read their messages. */
  const announce = (): void => {
    if (control !== undefined) sharing.announce(control);
  };

  const load = async (command: LoadCommand): Promise<void> => {
    announce();
    const imports = { env: { memory: state.memory as WebAssembly.Memory } };
    try {
      programs.set(command.program, functionsOf(await WebAssembly.instantiate(command.module, imports), command));
    } catch (error) {
      post({ kind: "failed", id: command.id, message: textOf(error) }, []);
      return;
    }
    post({ kind: "done", id: command.id, reads: [], milliseconds: undefined }, []);
  };

  const run = async (command: RunCommand): Promise<void> => {
    const { id, program, tape, patches, copies } = command;
    write(command.writes);
    if (command.words !== undefined) {
      write([{ address: tape.address, words: command.words }]);
      staleTapes.delete(tape.address);
    }
    const start = tape.address / 4;
    for (let i = 0; i < patches.length; i += 2) state.words[start + (patches[i] as number)] = patches[i + 1] as number;
    const times = command.isTimed ? new Float64Array(programs.get(program)?.kernels.length ?? 0).fill(-1) : undefined;
    await runTape(program, tape, times);
    if (isDead) return;
    for (let i = 0; i < copies.length; i += 3) {
      const from = copies[i] as number;
      state.bytes.copyWithin(copies[i + 1] as number, from, from + (copies[i + 2] as number));
    }
    const reads = read(command.reads);
    post({ kind: "done", id, reads, milliseconds: times }, reads);
  };

  const perform = async (command: Work): Promise<void> => {
    if (command.kind === "unload") {
      announce();
      programs.delete(command.program);
      return;
    }
    if (command.kind === "run") for (const upload of command.uploads) if (reach(upload.end)) write([upload]);
    const isStale = command.kind === "run" && command.words === undefined && staleTapes.has(command.tape.address);
    if (isStale || !reach(command.end)) {
      if (command.kind === "load") announce();
      if (command.kind === "run") staleTapes.add(command.tape.address);
      post({ kind: "short", id: command.id, bytes: state.memory?.buffer.byteLength ?? 0 }, []);
    } else if (command.kind === "load") await load(command);
    else if (command.kind === "run") await run(command);
    else if (command.kind === "read") {
      const reads = read(command.reads);
      post({ kind: "done", id: command.id, reads, milliseconds: undefined }, reads);
    } else {
      write(command.writes);
      post({ kind: "done", id: command.id, reads: [], milliseconds: undefined }, []);
    }
  };

  const queue: Work[] = [];
  let isBusy = false;
  /** Runs commands in order, one at a time: loads and slices are asynchronous. */
  const pump = async (): Promise<void> => {
    isBusy = true;
    try {
      for (let command = queue.shift(); command !== undefined && !isDead; command = queue.shift()) {
        if (slice !== undefined) {
          // Let the caller's own work go first.
          await breathe();
          sliceEnd = performance.now() + slice;
        }
        await perform(command);
        if (command.kind === "run" && command.isShared && control !== undefined) sharing.endRun(control);
      }
    } catch (error) {
      crash(error);
    }
    isBusy = false;
  };

  let handled = 0;
  const followOn = (shared: Int32Array): void => {
    try {
      sharing.follow(shared, handled);
    } catch (error) {
      crash(error);
    }
  };

  /** A follower's message after the first. */
  const learn = (message: LoadCommand | UnloadCommand, shared: Int32Array): void => {
    handled++;
    try {
      if (message.kind === "unload") programs.delete(message.program);
      else {
        const imports = { env: { memory: state.memory as WebAssembly.Memory } };
        programs.set(message.program, functionsOf(new WebAssembly.Instance(message.module, imports), message));
      }
    } catch {
      // The leader reports the reason.
    }
    followOn(shared);
  };

  return (message) => {
    if (message.kind === "lead") {
      try {
        const made = memoryOf(message.maximumPages, message.isShared);
        state.memory = made.memory;
        state.threads = message.threads;
        slice = message.slice;
        const block = message.isShared ? new SharedArrayBuffer(sharing.controlBytes(message.threads)) : undefined;
        control = block && new Int32Array(block);
        entries.view();
        const { maximumPages } = made;
        post({ kind: "ready", maximumPages, memory: message.isShared ? made.memory : undefined, control: block }, []);
      } catch (error) {
        crash(error);
      }
    } else if (message.kind === "follow") {
      state.memory = message.memory;
      state.number = message.number;
      control = new Int32Array(message.control);
      entries.view();
      followOn(control);
    } else if (message.kind === "end") {
      isDead = true;
      state.memory = undefined;
      programs.clear();
      state.words = new Int32Array(0);
      state.bytes = new Uint8Array(0);
    } else if (state.number > 0 && control !== undefined) {
      if (message.kind === "load" || message.kind === "unload") learn(message, control);
    } else {
      queue.push(message);
      if (!isBusy) void pump();
    }
  };
}
