/**
 * @file Every op: values computed by hand, first and second derivatives against differences. The table is typed over the
 * ops, so that an op without a test does not type-check.
 */
import { describe, expect, test } from "vitest";
import { opTable, type TableOp } from "../../compiler/ops/table.ts";
import { arrayCases } from "../support/array-cases.ts";
import { elementwiseCases } from "../support/elementwise-cases.ts";
import { derivativeErrors, evaluate, type OpCase } from "../support/evaluate.ts";

const cases: { readonly [K in TableOp]: OpCase } = { ...arrayCases, ...elementwiseCases };

test("the table has a case for every op", () => {
  expect(Object.keys(cases).sort()).toEqual(Object.keys(opTable).sort());
});

describe.each(Object.entries(cases))("%s", (_, { gives, derivatives = [] }) => {
  test.each(gives.map((example, i) => [i, ...example] as const))("value %i", (__, f, args, expected) => {
    const got = evaluate(f, args);
    expect([got.dtype, got.shape]).toEqual([expected.dtype, expected.shape]);
    for (const [i, value] of got.data.entries()) expect(value).toBeCloseTo(expected.data[i] ?? Number.NaN, 13);
  });

  test.each(derivatives.map((place, i) => [i, ...place] as const))("derivatives %i", (__, f, args) => {
    const { reverse, forward, second } = derivativeErrors(f, args);
    expect(reverse).toBeLessThan(1e-9);
    expect(forward).toBeLessThan(1e-12);
    expect(second).toBeLessThan(1e-9);
  });
});
