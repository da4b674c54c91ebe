/** @file Mutants of the runtime: sizes, buffers, donations, faults. */
import { changed, type Mutant } from "./mutant.ts";

const onLowering = "test/gpu/lowering.test.ts";
const onSteps = "test/gpu/training-step.test.ts";
const onMissing = "test/gpu/missing-entries.test.ts";
const onFaults = "test/trust/device-faults.test.ts";
const onWaiting = "test/gpu/waiting.test.ts";
const onArrays = "test/gpu/arrays.test.ts";
const onInstances = "test/runtime/instance.test.ts";
const onChoices = "test/plan/choose.test.ts";
const onCompiledChoices = "test/gpu/choose.test.ts";
const onIndirect = "test/gpu/indirect.test.ts";

export const runtimeMutants: readonly Mutant[] = [
  ...changed(
    "runtime/pipelines.ts",
    ["test/gpu/kept-pipelines.test.ts"],
    [
      ["no pipeline is kept", "pipelines.get(key) ?? begin", "begin"],
      [
        "kernels of one interface are one",
        "`${JSON.stringify(layoutEntries(kernel))} ${kernel.wgsl}`",
        "JSON.stringify(layoutEntries(kernel))",
      ],
      ["what did not compile is kept", "if (pipelines.get(key) === entry) pipelines.delete(key);", ""],
      ["the last used are given up", "pipelines.delete(key);\n  pipelines.set", "pipelines.set"],
      ["all pipelines are kept", "if (pipelines.size <= mostKept) break;", "break;"],
      ["what is compiled is not there at once", "isCompiled(known) ? known : compileNow", "compileNow"],
    ],
  ),
  ...changed(
    "runtime/pipelines.ts",
    [onCompiledChoices],
    [["what is made at once is right", "if (invalid !== null) throw await", "if (invalid === undefined) throw await"]],
  ),
  ...changed(
    "runtime/program-pipelines.ts",
    [onCompiledChoices],
    [
      ["all branches are compiled", "kernelsOf(this.#program.steps, sizes)", "this.#program.kernels.keys()"],
      ["faults of what is made at once are not told", "this.#faults.push(fault);", ""],
    ],
  ),
  ...changed(
    "runtime/hosts/vulkan.ts",
    ["test/hosts/vulkan.test.ts"],
    [
      ["lavapipe of any machine", "known.includes(basename(manifest))", 'manifest.includes("lvp_icd")'],
      ["in Bun libraries are loaded as in Node", "if (host === undefined) process", "if (Array) process"],
    ],
  ),
  ...changed(
    "runtime/hosts/bun.ts",
    ["test/hosts/vulkan.test.ts"],
    [["a variable in Bun does not end", "`${given}\\0`", "given"]],
  ),
  ...changed(
    "runtime/walk.ts",
    [onInstances],
    [
      [
        "the last rows have no workgroup",
        "Math.ceil(evaluateSize(rows, sizes) / rowsPer)",
        "Math.floor(evaluateSize(rows, sizes) / rowsPer)",
      ],
      ["the last lanes have no workgroup", "return Math.ceil((Math.ceil(", "return Math.floor((Math.ceil("],
      ["the last chunk goes past the end", "Math.min((i + 1) * steps, total)", "(i + 1) * steps"],
      ["a loop of no steps hands nothing on", "Math.max(1, Math.ceil(total / steps))", "Math.ceil(total / steps)"],
      [
        "a loop of no steps runs nothing",
        "if (length === 0) for (const dispatch of step.otherwise)",
        "if (length < 0) for (const dispatch of step.otherwise)",
      ],
      ["a loop of no steps counts as none", "times === 0 ? { steps: otherwise, times: 1 } : ", ""],
      ["inner loops count in front", "walk(inner, [...counts, count])", "walk(inner, [count, ...counts])"],
    ],
  ),
  ...changed(
    "runtime/instance.ts",
    [onInstances],
    [
      ["workgroups beyond the first 65535 are left out", "      Math.ceil(groups / maxWorkgroups),", "      1,"],
      ["every step has the first entry", "entry.length === 0 ? 0 : entryOf(entry)", "entryOf(entry) * 0"],
      ["buffers are counted in numbers", "bytes * evaluateSize(size, sizes)", "evaluateSize(size, sizes)"],
    ],
  ),
  ...changed(
    "runtime/walk.ts",
    [onChoices, "test/gpu/profile.test.ts"],
    [
      ["loops count once", "times * iterations.times", "times"],
      [
        "branches take one more than they may",
        "bucketOf(branches, evaluateDim(dim, sizes))",
        "bucketOf(branches, evaluateDim(dim, sizes) - 1)",
      ],
      [
        "kernels of branches are always needed",
        "&& sizes !== undefined) branchOf(step, sizes).forEach(walk)",
        ") for (const { steps } of step.branches) steps.forEach(walk)",
      ],
      ["what runs instead of a loop is not compiled with it", "[...step.body, ...step.otherwise]", "step.body"],
    ],
  ),
  ...changed(
    "runtime/step-encoder.ts",
    ["test/gpu/loops.test.ts"],
    [["a kernel is given four steps", "Math.ceil((loops + (chunked ? 1 : 0)) / 4) * 16", "16"]],
  ),
  ...changed(
    "runtime/step-encoder.ts",
    [onArrays, onLowering, onSteps],
    [
      [
        "bindings are those of the first arrays",
        'const key = `${kernelIndex}:${storage.map((buffer) => this.#context.pool.idOf(buffer)).join(",")}`;',
        "const key = `${kernelIndex}`;",
      ],
      ["copies go to the start", "target, at(ends, model), bytes", "target, 0, bytes"],
      [
        "copies come from the start",
        "copyBufferToBuffer(source, start, target",
        "copyBufferToBuffer(source, 0, target",
      ],
    ],
  ),
  ...changed(
    "runtime/step-encoder.ts",
    ["test/gpu/chunks.test.ts"],
    [
      [
        "a step of a loop is the one before",
        "if (current !== step.kernel || kernel.loops > 0) this",
        "if (current !== step.kernel) this",
      ],
    ],
  ),
  ...changed(
    "runtime/step-encoder.ts",
    [onIndirect],
    [
      ["three numbers are one", "size[0] === 3 ? offsetOfThree : 0", "size[0] === 3 ? 0 : 0"],
      ["y and z beside one number are none", "new Uint32Array([0, 1, 1, ", "new Uint32Array([0, 0, 0, "],
      ["workgroups are read at the start of their buffer", "bytesIn(bound.instance, indirect, indirect.offset)", "0"],
    ],
  ),
  ...changed(
    "runtime/loaded-program.ts",
    [onArrays, onLowering, onSteps],
    [
      ["arrays that were donated can be read", "array.detach();", ""],
      [
        "slabs do not grow",
        'role !== "slab" || (slab !== undefined && slab.size >= bytes)',
        'role !== "slab" || slab !== undefined',
      ],
      [
        "outputs are copied from the start",
        "copyBufferToBuffer(source, start, buffer",
        "copyBufferToBuffer(source, 0, buffer",
      ],
    ],
  ),
  ...changed(
    "runtime/program-inputs.ts",
    [onArrays, onLowering, onSteps],
    [
      [
        "sizes are those of the first run",
        'return program.symbols.map((symbol) => sizes[symbol]).join(",");',
        'return "";',
      ],
      [
        "inputs may be missing",
        "if (given === undefined) throw new UserError(`${program.name}: input ${name} is missing`);",
        "if (given === undefined) continue;",
      ],
      [
        "inputs may be of any shape",
        "if (problem !== undefined) throw new UserError(`${program.name}: input ${name}: ${problem}`);",
        "",
      ],
    ],
  ),
  ...changed(
    "runtime/program-inputs.ts",
    [onMissing],
    [["sizes are taken as they come", "if (unmet !== undefined) throw", "if (unmet === null) throw"]],
  ),
  ...changed(
    "runtime/loaded-program.ts",
    [onFaults],
    [
      ["a run without memory keeps its slabs", "this.#dropBuffers();\n      this.#buffers = {};", ""],
      ["a run without memory did nothing wrong", "return shortage ? shared.shortage : undefined;", "return undefined;"],
    ],
  ),
  ...changed(
    "runtime/input-buffers.ts",
    [onArrays],
    [
      [
        "arrays of any dtype",
        "if (array.dtype !== input.dtype) fail(`is ${array.dtype}; expected ${input.dtype}`);",
        "",
      ],
      ["numbers of any dtype", "const fault = valueFault(value, input.dtype);", "const fault = undefined;"],
      ["numbers may be donated", "if (this.#donated.has(input.name)) fail(", 'if (input.name === "") fail('],
      [
        "larger inputs go into smaller buffers",
        "buffer === undefined || buffer.size < words.byteLength",
        "buffer === undefined",
      ],
    ],
  ),
  ...changed(
    "runtime/words.ts",
    [onArrays],
    [
      [
        "whole numbers are read as f32",
        'dtype === "i32"\n        ? new Int32Array',
        'dtype === "bool"\n        ? new Int32Array',
      ],
    ],
  ),
  ...changed(
    "runtime/arrays.ts",
    [onArrays],
    [
      [
        "a destroyed array can be read",
        "if (this.#buffer !== undefined) this.#context.pool.release(this.#buffer);\n    this.#buffer = undefined;",
        "if (this.#buffer !== undefined) this.#context.pool.release(this.#buffer);",
      ],
      ["memory is not given back", "if (this.#buffer !== undefined) this.#context.pool.release(this.#buffer);", ""],
      [
        "results that nobody reads keep their memory",
        "if (this.#numbers === undefined && !this.#isDestroyed) this.#context.pool.release(this.#staging);",
        "",
      ],
    ],
  ),
  ...changed(
    "runtime/buffers.ts",
    [onArrays],
    [
      [
        "a buffer serves any use",
        "const known = this.#free.get(`${size} ${usage}`)?.pop();",
        "const known = [...this.#free.entries()].find(([key]) => key.startsWith(`${size} `))?.[1].pop();",
      ],
      ["a buffer is given twice", "?.pop();", "?.at(-1);"],
      [
        "no buffer is used again",
        "const known = this.#free.get(`${size} ${usage}`)?.pop();",
        "const known = undefined;",
      ],
      ["bytes that are gone are counted", "this.#bytes -= buffer.size;", ""],
      ["buffers that are gone are counted", "this.#all.delete(reference);", ""],
    ],
  ),
  ...changed(
    "runtime/buffers.ts",
    ["test/runtime/buffers.test.ts"],
    [["buffers of any size", "if (size > limit) {", "if (size < 0) {"]],
  ),
  ...changed(
    "runtime/error-scopes.ts",
    [onFaults],
    [["want of memory is a broken rule", "const [invalid, shortage] =", "const [shortage, invalid] ="]],
  ),
  ...changed(
    "runtime/context.ts",
    [onArrays],
    [["nothing is written to where there is nothing", "if (words.length > 0) this", "if (words.length >= 0) this"]],
  ),
  ...changed(
    "runtime/waiting.ts",
    [onWaiting],
    [
      [
        "a silent device is waited for",
        "const answer = await Promise.race([work, silence]);",
        "const answer = await work;",
      ],
      ["a device that answers others is silent", "Math.max(began, this.#heard) + 1000", "began + 1000"],
    ],
  ),
  ...changed(
    "runtime/context.ts",
    [onArrays, onFaults],
    [
      ["a device that is gone is worked with", "if (this.#loss !== undefined) throw this.#loss;", ""],
      [
        "a loss is not behind an error",
        "const loss = this.#loss ?? (await Promise.race([this.lost, nextMacrotask()]));",
        "const loss = undefined;",
      ],
    ],
  ),
  ...changed(
    "runtime/profile.ts",
    ["test/gpu/profile.test.ts"],
    [
      [
        "work is that of one dispatch",
        "flops: count * evaluateSize(work.flops, sizes)",
        "flops: evaluateSize(work.flops, sizes)",
      ],
      ["rates are per millisecond", "count / (milliseconds * 1e6)", "count / (milliseconds * 1e9)"],
    ],
  ),
];
