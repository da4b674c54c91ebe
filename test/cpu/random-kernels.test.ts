/**
 * @file Random kernels of the IR as WebAssembly and in the evaluator: integers bit-equal, f32 up to the last digits. A
 * workgroup has four lanes. CELLGRAD_KERNELS sets how many, and CELLGRAD_KERNELS_SEED which.
 */
import fc from "fast-check";
import { afterAll, expect, test } from "vitest";
import { at } from "../../compiler/graph/errors.ts";
import { printKernel } from "../../compiler/kernel/print.ts";
import { verifyKernel } from "../../compiler/kernel/verify.ts";
import { evaluateProgram } from "../../compiler/plan/evaluate-program.ts";
import { CpuContext } from "../../runtime/cpu/context.ts";
import { LoadedCpuProgram } from "../../runtime/cpu/loaded-program.ts";
import { isClose, randomInputs, randomProgram, tapes } from "../kernel/random-kernels.ts";
import { renderedFor } from "./programs.ts";

const context = await CpuContext.open({ threads: 1 });
afterAll(() => context.destroy());

const { CELLGRAD_KERNELS: count = "60", CELLGRAD_KERNELS_SEED: seed = "1" } = process.env;

const kind = { lanes: 4, asks: false, hasVectors: false };
const inputs = randomInputs(kind);

test("random kernels return the same on the CPU and in the evaluator", { timeout: 3_600_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(tapes, async (tape) => {
      const program = randomProgram(tape, kind);
      for (const { name, code } of program.kernels) verifyKernel(name, code);
      const expected = evaluateProgram(program, inputs);
      const loaded = await LoadedCpuProgram.load(context, renderedFor(context, program));
      const outputs = await Promise.all(loaded.run(inputs).map((output) => output.read()));
      loaded.destroy();
      const isRight = outputs.every((output, i) => isClose(output, at(expected, i)));
      expect(isRight, printKernel(at(program.kernels, 0).code)).toBe(true);
    }),
    { numRuns: Number(count), seed: Number(seed), endOnFailure: true },
  );
});
