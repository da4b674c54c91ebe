/**
 * @file Random kernels of the IR on the device and with none: whole numbers to the bit, f32 to the last digits, which WGSL
 * leaves to a device in quotients and roots. CELLGRAD_KERNELS says how many, and CELLGRAD_KERNELS_SEED which.
 */
import fc from "fast-check";
import { afterAll, expect, test } from "vitest";
import { at } from "../../compiler/graph/errors.ts";
import { type NdArray, ndarray } from "../../compiler/graph/ndarray.ts";
import { printKernel } from "../../compiler/kernel/print.ts";
import { verifyKernel } from "../../compiler/kernel/verify.ts";
import { evaluateProgram } from "../../compiler/plan/evaluate-program.ts";
import { rendered } from "../../compiler/render.ts";
import { GpuContext } from "../../runtime/context.ts";
import { LoadedProgram } from "../../runtime/loaded-program.ts";
import { randomProgram, size, tapes } from "./random-kernels.ts";

const context = await GpuContext.open("auto");
afterAll(() => context.destroy());

const { CELLGRAD_KERNELS: count = "12", CELLGRAD_KERNELS_SEED: seed = "1" } = process.env;

const each = (make: (i: number) => number) => Array.from({ length: size }, (_, i) => make(i));
const inputs: Readonly<Record<string, NdArray>> = {
  in0: ndarray(
    [size],
    each((i) => ((i * 37) % 129) / 8 - 8),
  ),
  in1: ndarray(
    [size],
    each((i) => Math.imul(i * i, 123457) % (i % 3 === 0 ? 9 : 2 ** 31)),
    "i32",
  ),
  in2: ndarray(
    [size],
    each((i) => Math.imul(i + 1, 2654435761) >>> (i % 4 === 0 ? 27 : 0)),
    "u32",
  ),
};

/** Equal, or with f32 within a few units of the last place. */
function isClose({ dtype, data }: NdArray, expected: NdArray): boolean {
  return data.every((value, i) => {
    const other = at([...expected.data], i);
    return (
      Object.is(value + 0, other + 0) || (dtype === "f32" && Math.abs(value - other) <= 4 * 2 ** -24 * Math.abs(other))
    );
  });
}

test("random kernels give on a device what they give with none", { timeout: 3_600_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(tapes, async (tape) => {
      const program = randomProgram(tape, context.compileLimits.subgroupSize === 4);
      for (const { name, code } of program.kernels) verifyKernel(name, code);
      const expected = evaluateProgram(program, inputs);
      const loaded = await LoadedProgram.load(context, rendered(program));
      const outputs = await Promise.all(loaded.run(inputs).map((output) => output.read()));
      loaded.destroy();
      const isRight = outputs.every((output, i) => isClose(output, at(expected, i)));
      expect(isRight, printKernel(at(program.kernels, 0).code)).toBe(true);
    }),
    { numRuns: Number(count), seed: Number(seed), endOnFailure: true },
  );
});
