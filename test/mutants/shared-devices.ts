/** @file Mutants of devices and buffers that somebody else owns. */
import { changed, type Mutant } from "./mutant.ts";

const onForeign = ["test/devices/foreign-device.test.ts"];

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
  ...changed("runtime/neighbours.ts", onForeign, [
    [
      "a scope is open while neighbours are found",
      "const pipeline = await scoped(() => {",
      'device.pushErrorScope("validation");\n    const pipeline = await scoped(() => {',
    ],
  ]),
];
