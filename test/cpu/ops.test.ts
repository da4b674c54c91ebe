/** @file Every op, and every function that is made of ops, as WebAssembly: the same figures as in the interpreter. */
import { describe, expect, test } from "vitest";
import { at } from "../../compiler/graph/errors.ts";
import { type Tensor, traceGraph } from "../../index.ts";
import { deviceExecutor } from "../../testing/executor.ts";
import { arrayCases } from "../support/array-cases.ts";
import { composedCases } from "../support/composed-cases.ts";
import { cpu } from "../support/cpu-executors.ts";
import { elementwiseCases } from "../support/elementwise-cases.ts";
import type { OpCase } from "../support/evaluate.ts";

const cases: Readonly<Record<string, OpCase>> = { ...arrayCases, ...elementwiseCases, ...composedCases };
const { execute } = deviceExecutor("cpu", cpu, 0);

describe.each(Object.entries(cases))("%s", (_, { gives }) => {
  test.each(gives.map((example, i) => [i, ...example] as const))("value %i", async (__, f, args, expected) => {
    const avals = args.map(({ dtype, shape }, i) => ({ name: `x${i}`, dtype, shape }));
    const graph = traceGraph("f", avals, (tensors) => [f(...(tensors as never[]))].flat() as Tensor[]);
    const value = at(await execute(graph, args), 0);
    expect([value.dtype, value.shape]).toEqual([expected.dtype, expected.shape]);
    for (const [i, number] of value.data.entries()) {
      const reference = at([...expected.data], i);
      const allowed = expected.dtype === "f32" ? 4e-6 * Math.max(1, Math.abs(reference)) : 0;
      const rounded = expected.dtype === "f32" ? Math.fround(reference) : reference;
      expect(Math.abs(number - rounded), `${number} for ${reference}`).toBeLessThanOrEqual(allowed);
    }
  });
});
