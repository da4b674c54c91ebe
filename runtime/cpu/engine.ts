/**
 * @file The engine owns the memory and runs kernels. Workers receive it as the text of this one function, so it refers to
 * nothing outside except types and globals of every host, and avoids syntax that compilers rewrite with helpers.
 *
 * Threads share the workgroups of a dispatch as follows. They are divided into ranges, each of one part of the grid, and the
 * ranges into as many segments as there are threads. The leader publishes the dispatch in the word `claim`: the upper half
 * counts dispatches, the lower half is the number of segments. A segment's word is the same count and the number of its
 * ranges left. A thread takes its last range by compare-exchange, so it cannot take one of a finished dispatch. It begins
 * with its own segment, whose values it has probably in its cache since the dispatch before, and goes on with those of
 * others. The leader takes part too, then waits until all ranges are done; a late or missing follower delays nothing.
 * Between runs, followers sleep on `claim`.
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

type Work = LoadCommand | UnloadCommand | WriteCommand | ReadCommand | RunCommand;
type KernelFunction = (record: number, scratch: number, first: number, end: number) => void;

interface LoadedModule {
  readonly kernels: readonly (readonly KernelFunction[])[];
  /** Address of this thread's scratch memory. */
  readonly scratch: number;
}

/** Creates an engine: the returned function handles messages, and replies go to `post`. */
export function cpuEngine(post: PostReply): (message: EngineMessage) => void {
  const pageBytes = 65536;
  const firstPages = 16;
  const fewestPages = 64;
  /**
   * Polls of a word before a thread goes to sleep: some microseconds, and during a run a tenth of a millisecond, since to wake
   * takes longer than most dispatches of a small model.
   */
  const spins = 3000;
  const spinsInRun = 100_000;
  // Words of the control block, each in its own cache line. protocol.ts repeats some of them.
  const claimWord = 0;
  const jobWord = 16;
  const programWord = 32;
  const doneWord = 48;
  const sleepersWord = 64;
  const leaderSleepsWord = 80;
  const postedWord = 96;
  const insideWord = 112;
  const pagesWord = 128;
  const quitWord = 144;
  const segmentRangesWord = 160;
  const runsWord = 176;
  const segmentsWord = 192;
  const wordsOfSegment = 16;
  // Words of a tape entry; see the grammar in protocol.ts.
  const opCopy = 1;
  const opFork = 2;
  const atKernel = 2;
  const atShared = 3;
  const atIndirect = 4;
  const atIndirectWords = 5;
  const atParts = 6;
  const atMost = 7;
  const atBranches = 2;

  const programs = new Map<number, LoadedModule>();
  /** Addresses of tapes that were not written because their run had no memory. */
  const staleTapes = new Set<number>();
  let memory = undefined as WebAssembly.Memory | undefined;
  let words: Int32Array = new Int32Array(0);
  let bytes: Uint8Array = new Uint8Array(0);
  let control = undefined as Int32Array | undefined;
  let number = 0;
  let threads = 1;
  let epoch = 0;
  let slice = undefined as number | undefined;
  let isDead = false;
  /** The kernel in execution, for reporting a trap. */
  let current = { program: undefined as number | undefined, kernel: undefined as number | undefined };

  const word = (index: number): number => words[index] as number;
  const address = (index: number): number => (words[index] as number) >>> 0;
  const textOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

  const crash = (error: unknown): void => {
    isDead = true;
    const reply: CrashReply = {
      kind: "crash",
      message: textOf(error),
      program: current.program,
      kernel: current.kernel,
    };
    post(reply, []);
  };

  const view = (): void => {
    if (memory === undefined) return;
    words = new Int32Array(memory.buffer);
    bytes = new Uint8Array(memory.buffer);
  };

  /** Grows the memory to `end` bytes if necessary; returns whether it is large enough. */
  const reach = (end: number): boolean => {
    if (memory === undefined) return false;
    const missing = Math.ceil((end - memory.buffer.byteLength) / pageBytes);
    if (missing > 0) {
      try {
        memory.grow(missing);
      } catch {
        return false;
      }
    }
    if (words.buffer !== memory.buffer) view();
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

  /** Runs the workgroups from `first` to `end` of a part of an entry's grid. */
  const runPart = (program: LoadedModule, entry: number, part: number, first: number, end: number): void => {
    const kernel = word(entry + atKernel);
    current.kernel = kernel;
    const functions = program.kernels[kernel] as readonly KernelFunction[];
    const record = 4 * (entry + atMost + 3 * word(entry + atParts));
    (functions[part] as KernelFunction)(record, program.scratch, first, end);
  };

  /** Runs all workgroups of an entry. */
  const runGroups = (program: LoadedModule, entry: number): void => {
    const parts = word(entry + atParts);
    const groups = entry + atMost + 2 * parts;
    for (let part = 0; part < parts; part++) {
      const count = word(groups + part);
      if (count > 0) runPart(program, entry, part, 0, count);
    }
  };

  /** The number of ranges that the workgroups of an entry are shared in. */
  const countRanges = (entry: number): number => {
    const parts = word(entry + atParts);
    const grains = entry + atMost + parts;
    let ranges = 0;
    for (let i = 0; i < parts; i++) ranges += Math.ceil(word(grains + parts + i) / word(grains + i));
    return ranges;
  };

  /** Runs a range of an entry; ranges are numbered through all parts of its grid. */
  const runRange = (program: LoadedModule, entry: number, range: number): void => {
    const parts = word(entry + atParts);
    const grains = entry + atMost + parts;
    let before = 0;
    for (let part = 0; part < parts; part++) {
      const [grain, count] = [word(grains + part), word(grains + parts + part)];
      const ranges = Math.ceil(count / grain);
      const first = (range - before) * grain;
      if (range < before + ranges) {
        runPart(program, entry, part, first, Math.min(first + grain, count));
        return;
      }
      before += ranges;
    }
  };

  /** The number of workgroups of an entry. For an indirect one, writes their division among the parts into the entry. */
  const countGroups = (entry: number): number => {
    const parts = word(entry + atParts);
    const most = entry + atMost;
    let total = 0;
    for (let part = 0; part < parts; part++) total += word(most + part);
    if (word(entry + atIndirect) === 0) return total;
    let wanted = 1;
    const from = address(entry + atIndirect) / 4;
    for (let i = 0; i < word(entry + atIndirectWords); i++) wanted *= address(from + i);
    let left = Math.min(wanted, total);
    const all = left;
    for (let part = 0; part < parts; part++) {
      const count = Math.min(left, word(most + part));
      words[most + 2 * parts + part] = count;
      left -= count;
    }
    return all;
  };

  const copy = (entry: number): void => {
    const from = address(entry + 2);
    bytes.copyWithin(address(entry + 3), from, from + address(entry + 4));
  };

  /** The first word after the branches of a fork, of which there are `branches`. */
  const endOfBranches = (fork: number, branches: number): number => {
    let end = fork + word(fork + 1);
    for (let i = 0; i < branches; i++) end += word(fork + atBranches + 1 + i);
    return end;
  };

  /** Runs a branch of a fork: on one thread, entry after entry. */
  const runBranch = (program: LoadedModule, fork: number, branch: number): void => {
    const end = endOfBranches(fork, branch + 1);
    for (let entry = endOfBranches(fork, branch); entry < end; entry += word(entry + 1)) {
      if (word(entry) === opCopy) copy(entry);
      else if (countGroups(entry) > 0) runGroups(program, entry);
    }
  };

  /** Takes the last range of a segment, if the dispatch is still that of `claim`; -1 if none is left. */
  const takeRange = (shared: Int32Array, segment: number, claim: number): number => {
    const index = segmentsWord + wordsOfSegment * segment;
    for (;;) {
      const state = Atomics.load(shared, index);
      const left = state & 0xffff;
      if (left === 0 || state >>> 16 !== claim >>> 16) return -1;
      if (Atomics.compareExchange(shared, index, state, state - 1) === state) return left - 1;
    }
  };

  /** Runs ranges of the published dispatch, or branches of the published fork, until none is left. */
  const takePart = (shared: Int32Array): boolean => {
    const claim = Atomics.load(shared, claimWord);
    const segments = claim & 0xffff;
    const name = Atomics.load(shared, programWord);
    const entry = Atomics.load(shared, jobWord);
    const length = Atomics.load(shared, segmentRangesWord);
    const program = programs.get(name);
    if (program === undefined) return false;
    if (Atomics.load(shared, pagesWord) * pageBytes > words.byteLength) {
      // Growing by 0 makes a thread see that another one has grown the memory.
      memory?.grow(0);
      view();
    }
    let isUseful = false;
    for (let i = 0; i < segments; i++) {
      const segment = (number + i) % segments;
      for (let own = takeRange(shared, segment, claim); own >= 0; own = takeRange(shared, segment, claim)) {
        isUseful = true;
        current.program = name;
        const range = segment * length + own;
        if (word(entry) === opFork) runBranch(program, entry, range);
        else runRange(program, entry, range);
        Atomics.add(shared, doneWord, 1);
        if (Atomics.load(shared, leaderSleepsWord) === 1) Atomics.notify(shared, doneWord);
      }
    }
    return isUseful;
  };

  const publish = (shared: Int32Array, ranges: number): void => {
    epoch = (epoch + 1) & 0xffff;
    // On wrap-around, a follower that read `claim` 65536 dispatches ago would mistake this dispatch for that one.
    if (epoch === 0) while (Atomics.load(shared, insideWord) > 0);
    const segments = Math.min(threads, ranges);
    const length = segments === 0 ? 0 : Math.ceil(ranges / segments);
    Atomics.store(shared, segmentRangesWord, length);
    for (let segment = 0; segment < segments; segment++) {
      const own = Math.max(0, Math.min(length, ranges - segment * length));
      Atomics.store(shared, segmentsWord + wordsOfSegment * segment, (epoch << 16) | own);
    }
    Atomics.store(shared, claimWord, (epoch << 16) | segments);
    if (Atomics.load(shared, sleepersWord) > 0)
      Atomics.notify(shared, claimWord, ranges === 0 ? Number.POSITIVE_INFINITY : ranges - 1);
  };

  const share = (shared: Int32Array, name: number, entry: number, ranges: number): void => {
    Atomics.store(shared, jobWord, entry);
    Atomics.store(shared, programWord, name);
    Atomics.store(shared, pagesWord, words.byteLength / pageBytes);
    Atomics.store(shared, doneWord, 0);
    publish(shared, ranges);
    takePart(shared);
    for (let spin = 0; ; spin++) {
      const done = Atomics.load(shared, doneWord);
      if (done === ranges) return;
      if (spin < spinsInRun) continue;
      if (Atomics.load(shared, quitWord) > 0) throw new Error("the device is gone");
      Atomics.store(shared, leaderSleepsWord, 1);
      Atomics.wait(shared, doneWord, done);
      Atomics.store(shared, leaderSleepsWord, 0);
    }
  };

  /** Helps with the leader's dispatches until there is a message. */
  const follow = (shared: Int32Array, handled: number): void => {
    for (;;) {
      // Read before `posted` and `quit`, which other threads write first.
      const claim = Atomics.load(shared, claimWord);
      if (Atomics.load(shared, postedWord) > handled || Atomics.load(shared, quitWord) > 0) return;
      if ((claim & 0xffff) > 0) {
        Atomics.add(shared, insideWord, 1);
        const isUseful = takePart(shared);
        Atomics.sub(shared, insideWord, 1);
        if (isUseful) continue;
      }
      let left = spins;
      if (Atomics.load(shared, runsWord) > 0) left = spinsInRun;
      while (left > 0 && Atomics.load(shared, claimWord) === claim) left--;
      if (left > 0) continue;
      Atomics.add(shared, sleepersWord, 1);
      Atomics.wait(shared, claimWord, claim);
      Atomics.sub(shared, sleepersWord, 1);
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
    const isShared = word(entry + atShared) === 1;
    const ranges = isShared ? countRanges(entry) : 1;
    for (let range = 0; range < ranges && !isDead; range++) {
      if (performance.now() > sliceEnd) {
        await breathe();
        sliceEnd = performance.now() + time;
      }
      if (isDead) return;
      if (isShared) runRange(program, entry, range);
      else runGroups(program, entry);
    }
  };

  const runTape = async (name: number, tape: Range, times: Float64Array | undefined): Promise<void> => {
    const program = programs.get(name);
    if (program === undefined) throw new Error(`program ${name} is not loaded`);
    current.program = name;
    const end = (tape.address + tape.bytes) / 4;
    let next = tape.address / 4;
    while (next < end && !isDead) {
      const entry = next;
      next += word(entry + 1);
      if (word(entry) === opCopy) {
        copy(entry);
        continue;
      }
      if (word(entry) === opFork) {
        const branches = word(entry + atBranches);
        if (control === undefined || times !== undefined) continue;
        share(control, name, entry, branches);
        next = endOfBranches(entry, branches);
        continue;
      }
      if (countGroups(entry) === 0) continue;
      const began = times === undefined ? 0 : performance.now();
      const ranges = word(entry + atShared) === 1 && control !== undefined ? countRanges(entry) : 1;
      if (slice !== undefined) await runSliced(program, entry, slice);
      else if (ranges > 1 && control !== undefined) share(control, name, entry, ranges);
      else runGroups(program, entry);
      if (times !== undefined) {
        const kernel = word(entry + atKernel);
        times[kernel] = Math.max(times[kernel] as number, 0) + performance.now() - began;
      }
    }
    current = { program: undefined, kernel: undefined };
  };

  const write = (writes: readonly Write[]): void => {
    for (const { address: to, words: given } of writes)
      bytes.set(new Uint8Array(given.buffer, given.byteOffset, given.byteLength), to);
  };

  const read = (reads: readonly StridedRange[]): ArrayBuffer[] =>
    reads.map(({ address: from, bytes: size, count, stride }) => {
      const all = new Uint8Array(count * size);
      for (let i = 0; i < count; i++) all.set(bytes.subarray(from + i * stride, from + i * stride + size), i * size);
      return all.buffer;
    });

  const functionsOf = (instance: WebAssembly.Instance, command: LoadCommand): LoadedModule => ({
    kernels: command.kernels.map((names) => names.map((name) => instance.exports[name] as KernelFunction)),
    scratch: command.scratch + number * command.scratchStride,
  });

  /** Makes followers read their messages: the host posts to them before it posts to the leader. */
  const announce = (): void => {
    if (control === undefined) return;
    Atomics.add(control, postedWord, 1);
    publish(control, 0);
  };

  const load = async (command: LoadCommand): Promise<void> => {
    announce();
    const imports = { env: { memory: memory as WebAssembly.Memory } };
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
    for (let i = 0; i < patches.length; i += 2) words[start + (patches[i] as number)] = patches[i + 1] as number;
    const times = command.isTimed ? new Float64Array(programs.get(program)?.kernels.length ?? 0).fill(-1) : undefined;
    await runTape(program, tape, times);
    if (isDead) return;
    for (let i = 0; i < copies.length; i += 3) {
      const from = copies[i] as number;
      bytes.copyWithin(copies[i + 1] as number, from, from + (copies[i + 2] as number));
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
      post({ kind: "short", id: command.id, bytes: memory?.buffer.byteLength ?? 0 }, []);
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
        // The host has counted it before it was sent.
        if (command.kind === "run" && command.isShared && control !== undefined) Atomics.sub(control, runsWord, 1);
      }
    } catch (error) {
      crash(error);
    }
    isBusy = false;
  };

  let handled = 0;
  const followOn = (shared: Int32Array): void => {
    try {
      follow(shared, handled);
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
        const imports = { env: { memory: memory as WebAssembly.Memory } };
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
        memory = made.memory;
        slice = message.slice;
        threads = message.threads;
        const controlBytes = 4 * (segmentsWord + wordsOfSegment * threads);
        const block = message.isShared ? new SharedArrayBuffer(controlBytes) : undefined;
        control = block && new Int32Array(block);
        view();
        const { maximumPages } = made;
        post({ kind: "ready", maximumPages, memory: message.isShared ? memory : undefined, control: block }, []);
      } catch (error) {
        crash(error);
      }
    } else if (message.kind === "follow") {
      memory = message.memory;
      number = message.number;
      control = new Int32Array(message.control);
      view();
      followOn(control);
    } else if (message.kind === "end") {
      isDead = true;
      memory = undefined;
      programs.clear();
      words = new Int32Array(0);
      bytes = new Uint8Array(0);
    } else if (number > 0 && control !== undefined) {
      if (message.kind === "load" || message.kind === "unload") learn(message, control);
    } else {
      queue.push(message);
      if (!isBusy) void pump();
    }
  };
}
