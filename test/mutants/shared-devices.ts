/** @file Mutants of devices and buffers of other owners. */
import { changed, type Mutant } from "./mutant.ts";

const onForeign = ["test/devices/foreign-device.test.ts"];
const onEncoded = ["test/devices/encoded-runs.test.ts"];
const onBatches = ["test/train/device-batches.test.ts"];
const onWrapped = ["test/devices/wrapped-buffers.test.ts"];

export const sharedDeviceMutants: readonly Mutant[] = [
  ...changed("devices/open-device.ts", onForeign, [
    ["threads beside a device of others", '(threads === undefined ? undefined : "threads")', "undefined"],
    ["a device in the place of a name is any object", 'typeof given === "object" && given !== null', "false"],
  ]),
  ...changed("runtime/foreign-device.ts", onForeign, [
    ["a lost device is opened", "if (loss !== undefined)", "if (loss === null)"],
    ["limits below the default are planned for", "if (!(has >= value))", "if (has === undefined)"],
    ["an adapter is no different", 'if ("requestDevice" in given) return fail("a GPUAdapter");', ""],
    ["a promise of a device is an object", " || given instanceof Promise", ""],
  ]),
  ...changed("runtime/context.ts", onForeign, [
    ["a device of others ends with ours", 'if ("release" in host)', "if (device)"],
    ["buffers stay on a device of others", "this.pool.destroyAll()", "this.pool.destroyFree()"],
    ["the end of ours is not told", 'this.#lose("it was destroyed");', ""],
  ]),
  ...changed("runtime/buffers.ts", onForeign, [
    [
      "what is gone is freed again",
      "if (reference === undefined) return;",
      "if (reference === undefined) throw buffer;",
    ],
  ]),
  ...changed("runtime/buffers.ts", onWrapped, [
    ["buffers of others are kept for anybody", "if (!this.has(buffer)) return;", ""],
  ]),
  ...changed("runtime/wrapped-buffer.ts", onWrapped, [
    ["buffers of any usage are wrapped", "if ((buffer.usage & bufferUsage.STORAGE) === 0)", "if (buffer.usage === 0)"],
    ["mapped buffers are wrapped", 'buffer.mapState !== "unmapped"', 'buffer.mapState === "pending"'],
    ["an array may be longer than its buffer", "if (size < bytes)", "if (size < 4)"],
    ["buffers of odd sizes are bound", "size % 4 !== 0", "size % 2 !== 0"],
    ["a buffer may be larger than a binding", "if (size > pool.most)", "if (size === 0)"],
    ["an array's own buffer is wrapped", "if (context.pool.has(buffer))", "if (buffer === undefined)"],
    ["whose buffer it is does not matter", "(invalid === null ? undefined : fault(invalid.message))", "undefined"],
  ]),
  ...changed("runtime/wrapped-usage.ts", onWrapped, [
    ["copies from a buffer need no usage", 'from.buffer === buffer ? "COPY_SRC" : "COPY_DST"', '"COPY_DST"'],
    ["copies to a buffer need no usage", "from.buffer !== buffer && to.buffer !== buffer", "from.buffer !== buffer"],
  ]),
  ...changed("runtime/step-encoder.ts", onWrapped, [
    [
      "groups of buffers of others are kept",
      "if (storage.every((buffer) => this.#context.pool.has(buffer))) bound.groups",
      "bound.groups",
    ],
  ]),
  ...changed("runtime/arrays.ts", onWrapped, [
    ["what cannot be read is read", "if ((buffer.usage & bufferUsage.COPY_SRC) === 0)", "if (buffer === undefined)"],
  ]),
  ...changed("runtime/loaded-program.ts", onWrapped, [
    ["why a wrapped buffer does not fit is not told", "if (failure instanceof UserError) return failure;", ""],
    ["a buffer that is gone has no name", 'if (wrapped === "") return', "if (wrapped) return"],
    ["usage is not looked at", "checkUsage(this.program, instance, inputs);", ""],
  ]),
  ...changed("runtime/loaded-program.ts", onEncoded, [
    [
      "slabs of what is encoded are freed when larger ones come",
      "if (this.#isEncoded) this.#outgrown.push(slab);\n        else pool.destroy(slab);",
      "pool.destroy(slab);",
    ],
    [
      "slabs that were outgrown are kept for ever",
      "for (const buffer of this.#outgrown.splice(0)) pool.destroy(buffer);",
      "",
    ],
    ["numbers of the host are encoded", "this.#inputs.checkOnDevice(inputs);", ""],
    ["what is encoded is submitted", "if (given === undefined) device.queue", "device.queue"],
    ["what is encoded is staged", "given === undefined ? this.#readback : new Set<number>()", "this.#readback"],
  ]),
  ...changed("train/index-checks.ts", onBatches, [
    ["beside arrays on the device nothing is checked", 'else if (!("read" in array)) return;', "else return;"],
    ["what is not known is checked", "if (!isKnown(check)) continue;", ""],
  ]),
  ...changed("train/trainer.ts", onBatches, [
    ["a stopped step has arrays of the device", '"read" in array ? await array.read() : array', "array"],
  ]),
  ...changed("runtime/neighbours.ts", onForeign, [
    [
      "a scope is open while neighbours are found",
      "const pipeline = await scoped(() => {",
      'device.pushErrorScope("validation");\n    const pipeline = await scoped(() => {',
    ],
  ]),
];
