/**
 * @file Runs the entries of tapes: the workgroups of a kernel, copies, and the branches of a fork. Like the engine
 * (engine.ts), workers receive it as text, so it refers to nothing outside except types and globals of every host.
 */

type KernelFunction = (record: number, scratch: number, first: number, end: number) => void;

export interface LoadedModule {
  readonly kernels: readonly (readonly KernelFunction[])[];
  /** Address of this thread's scratch memory. */
  readonly scratch: number;
}

/** What a thread's engine knows. */
export interface EngineState {
  readonly programs: Map<number, LoadedModule>;
  memory: WebAssembly.Memory | undefined;
  /** The memory's words and bytes. */
  words: Int32Array;
  bytes: Uint8Array;
  /** The thread; the leader is 0. */
  number: number;
  /** Followers and leader together, at most. */
  threads: number;
  /** The program and kernel in execution, for reporting a trap. */
  program: number | undefined;
  kernel: number | undefined;
}

export type TapeEntries = ReturnType<typeof tapeEntries>;

export function tapeEntries(state: EngineState) {
  // Words of an entry; see the grammar in protocol.ts.
  const ops = { copy: 1, fork: 2 };
  const atKernel = 2;
  const atShared = 3;
  const atIndirect = 4;
  const atIndirectWords = 5;
  const atParts = 6;
  const atMost = 7;
  const atBranches = 2;

  /** Sees the memory as it is now. */
  const view = (): void => {
    if (state.memory === undefined) return;
    state.words = new Int32Array(state.memory.buffer);
    state.bytes = new Uint8Array(state.memory.buffer);
  };

  const word = (index: number): number => state.words[index] as number;
  const address = (index: number): number => (state.words[index] as number) >>> 0;

  /** Runs the workgroups from `first` to `end` of a part of an entry's grid. */
  const runPart = (program: LoadedModule, entry: number, part: number, first: number, end: number): void => {
    const kernel = word(entry + atKernel);
    state.kernel = kernel;
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
      state.words[most + 2 * parts + part] = count;
      left -= count;
    }
    return all;
  };

  const copy = (entry: number): void => {
    const from = address(entry + 2);
    state.bytes.copyWithin(address(entry + 3), from, from + address(entry + 4));
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
      if (word(entry) === ops.copy) copy(entry);
      else if (countGroups(entry) > 0) runGroups(program, entry);
    }
  };

  return {
    view,
    word,
    copy,
    countGroups,
    countRanges,
    endOfBranches,
    runBranch,
    runGroups,
    runRange,
    isCopy: (entry: number): boolean => word(entry) === ops.copy,
    isFork: (entry: number): boolean => word(entry) === ops.fork,
    isShared: (entry: number): boolean => word(entry + atShared) === 1,
    branchesOf: (fork: number): number => word(fork + atBranches),
    kernelOf: (entry: number): number => word(entry + atKernel),
  };
}
