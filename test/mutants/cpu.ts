/** @file Mutants of what runs programs on the CPU: the engine, its tapes, memory and threads. */
import { changed, type Mutant } from "./mutant.ts";

const onRuns = "test/cpu/run.test.ts";
const onThreads = "test/cpu/threads.test.ts";
const onMemory = "test/cpu/memory.test.ts";
const onFaults = "test/cpu/faults.test.ts";

export const cpuMutants: readonly Mutant[] = [
  ...changed(
    "runtime/cpu/tape-entries.ts",
    [onRuns],
    [
      [
        "the last workgroup of a part is left out",
        "Math.min(first + grain, count)",
        "Math.min(first + grain, count - 1)",
      ],
      ["each part begins at its first workgroup", "(range - before) * grain", "range * grain"],
      ["a range runs beyond its part", "Math.min(first + grain, count)", "first + grain"],
      ["one of several numbers counts", "i < word(entry + atIndirectWords)", "i < 1"],
      ["an indirect dispatch runs all", "const all = left;", "const all = total;\n    left = total;"],
    ],
  ),
  ...changed(
    "runtime/cpu/thread-sharing.ts",
    [onRuns, onThreads, "test/cpu/workers.test.ts"],
    [
      [
        "a range is that of the one before",
        "else runRange(program, entry, range);",
        "else runRange(program, entry, Math.max(0, range - 1));",
      ],
      ["two threads take one range", "=== state) return left - 1;", "!== -1) return left - 1;"],
      ["segments overlap", "segment * length + own", "segment * (length - 1) + own"],
      ["threads stay in their segments", "for (let i = 0; i < segments; i++)", "for (let i = 0; i < 1; i++)"],
      ["followers learn of no program", "Atomics.add(shared, postedWord, 1);", ""],
      ["a run never ends for followers", "Atomics.sub(shared, runsWord, 1);", "Atomics.load(shared, runsWord);"],
    ],
  ),
  ...changed(
    "runtime/cpu/thread-sharing.ts",
    ["test/cpu/thread-sharing.test.ts"],
    [
      ["a range of another dispatch is taken", "|| state >>> 16 !== claim >>> 16", ""],
      ["what others do is not waited for", "if (done === ranges) return;", "return;"],
      ["every thread begins with the first segment", "(state.number + i) % segments", "i"],
    ],
  ),
  ...changed(
    "runtime/cpu/engine.ts",
    [onRuns],
    [
      ["addresses in a tape stay", "i < patches.length", "i < 0"],
      ["copies after a run stay out", "i < copies.length", "i < 0"],
    ],
  ),
  ...changed(
    "runtime/cpu/engine.ts",
    [onMemory],
    [
      ["a refused maximum is the end", "maximum <= fewestPages) throw error;", "maximum > 0) throw error;"],
      ["memory does not grow", "if (missing > 0) {", "if (missing < 0) {"],
      ["memory that is wanting is used", "|| !reach(command.end)) {", "|| (!reach(command.end) && isDead)) {"],
      ["a tape that was never written runs", "const isStale = ", "const isStale = isDead && "],
      ["a tape that is written anew stays stale", "staleTapes.delete(tape.address);", ""],
      [
        "a run without memory loses the uploads before it",
        "if (reach(upload.end)) write",
        "if (reach(command.end)) write",
      ],
    ],
  ),
  ...changed(
    "runtime/cpu/engine.ts",
    [onFaults],
    [
      ["a caller gets no control back", "performance.now() > sliceEnd", "performance.now() < 0"],
      ["a trap names no kernel", "kernel: state.kernel,", "kernel: undefined,"],
    ],
  ),
  ...changed(
    "runtime/cpu/tape.ts",
    [onRuns],
    [
      [
        "addresses are those of the first run",
        "this.#addresses[i] === block.address",
        "this.#addresses[i] !== undefined",
      ],
      ["offsets within buffers are none", "block.address + at(offsets, j)", "block.address"],
      ["lengths are those of nothing", "words.push(at(this.#lengths, buffer));", "words.push(0);"],
      ["chunks have no end", "kernel.loops + (kernel.chunked ? 1 : 0)", "kernel.loops"],
    ],
  ),
  ...changed(
    "runtime/cpu/cost.ts",
    [onThreads],
    [
      ["the smallest dispatch is shared out", "total < 2 || time < worthSharing", "total < 2"],
      ["bytes cost nothing", "+ bytes / bytesPerMicrosecond", ""],
      ["a range is worth nothing", "Math.floor(time / worthTaking / groups.length)", "Math.floor(time)"],
      ["ranges outgrow their 16 bits", "Math.floor(mostRanges / groups.length)", "2 ** 20"],
      ["parts are divided alike", "Math.ceil(count / ranges)", "Math.ceil(total / ranges)"],
    ],
  ),
  ...changed(
    "runtime/cpu/heap.ts",
    [onMemory],
    [
      ["any part does", "free.size >= size && ", ""],
      ["a part that is free is given whole", "rest.size > 0 ? [rest] : []", "[]"],
      [
        "the memory ends with its last block",
        "address + size + margins.behind > this.limit",
        "address + size > this.limit",
      ],
      [
        "the first part that does is taken",
        "(best === undefined ? Infinity : (this.#free[best]?.size ?? 0))",
        "(best === undefined ? Infinity : 0)",
      ],
      ["parts that touch stay two", "after !== undefined && address + size === after.address", "false"],
      ["bytes that are free are counted", "this.#bytes -= size;", ""],
    ],
  ),
  ...changed(
    "runtime/cpu/context.ts",
    ["test/cpu/workers.test.ts"],
    [
      ["a thread that does not begin is not tried again", "const attempts = 2;", "const attempts = 1;"],
      ["a program that is not loaded stays with followers", "this.unload(id);\n      throw error;", "throw error;"],
      [
        "uploads before a run have their own messages",
        "const unsent = this.#unsent.splice(0);",
        "this.#sendUploads();\n    const unsent = this.#unsent;",
      ],
      ["followers sleep while a run is on its way", "announceRun(this.#control);", "this.check();"],
      ["the smallest run wakes followers", "if (command.isShared && this", "if (this"],
    ],
  ),
  ...changed(
    "runtime/cpu/context.ts",
    [onMemory, onFaults],
    [
      [
        "an upload fails with the run that took it along",
        'if (reply.kind !== "short" || reply.bytes < end) return reply;',
        "if (end >= 0) return reply;",
      ],
      ["an upload without memory is done", " || reply.bytes < end", ""],
      [
        "what the engine could not have is asked for again",
        "Math.min(this.heap.limit, reply.bytes)",
        "this.heap.limit",
      ],
      ["what waits is forgotten with the device", "for (const { reject } of this.#pending.values()) reject(loss);", ""],
      ["a device that is gone is worked with", "if (this.#loss !== undefined) throw this.#loss;", ""],
    ],
  ),
  ...changed(
    "runtime/cpu/loaded-program.ts",
    [onRuns, onMemory, onFaults],
    [
      ["donated arrays can be read", "given.detach();", ""],
      ["slabs do not grow", "(slab !== undefined && slab.size >= bytes)", "slab !== undefined"],
      ["outputs are copied from the start", "address: bytesOf(offset)", "address: 0"],
      [
        "a run without memory keeps its slabs",
        "if (error instanceof DeviceMemoryError) this.#dropBuffers();\n      throw error;\n    }\n  }\n\n  #targets",
        "throw error;\n    }\n  }\n\n  #targets",
      ],
      ["all tapes are kept", "if (bytes <= this.#context.tapeBytes || this.#bound.size === 1) return;", "return;"],
      [
        "scratch memory stays",
        "    this.#context.heap.free(this.#scratch);\n    this.#context.unload",
        "    this.#context.unload",
      ],
    ],
  ),
  ...changed(
    "runtime/cpu/thread.ts",
    [onThreads],
    [["pages that are not isolated share", "host.crossOriginIsolated !== false", "host !== undefined"]],
  ),
];
