/**
 * @file Every cell of the zoo, forward and backward: reverse mode against forward mode and differences, the unrolled loop
 * against the scan, the graph after each pass against the graph before, and the device in each schedule against the
 * interpreter.
 */
import { describe, expect, test } from "vitest";
import { compileProgram } from "../../compiler/compile.ts";
import { at } from "../../compiler/graph/errors.ts";
import { verify } from "../../compiler/ops/verify.ts";
import { specialize } from "../../compiler/passes/specialize.ts";
import { unroll } from "../../compiler/passes/unroll.ts";
import { passes } from "../../compiler/plan-program.ts";
import { atSite } from "../../compiler/trace/site.ts";
import { interpret, type NdArray } from "../../index.ts";
import { type Case, drawArguments } from "../../testing/gradients/case.ts";
import { checkGradients } from "../../testing/gradients/check-gradients.ts";
import { tracePrograms } from "../../testing/gradients/programs.ts";
import { norm, relativeError } from "../../testing/numbers/compare.ts";
import { smallTileCpuExecutors } from "../support/cpu-executors.ts";
import { long, slowUnless } from "../support/some-of.ts";
import { type Form, forms, isOneOfItsForm } from "./forms.ts";

const [time, batch] = [3, 2];

/** Cells with values that mix the rows of a batch: a convolution's product has one row for each position of each line. */
const stepwiseOnly = new Set(["conv-lstm", "conv-lstm, even filter", "slstm, 3 heads"]);

/** The graph of value and gradient, and its numbers: the final state of an earlier sequence, weights, and inputs. */
function prepare({ cell, units, features }: Form) {
  const programs = atSite(site, () => tracePrograms(cell, units, features));
  const sizes: Case = { units, features, batch, time, carried: true, seed: 11 };
  const inputs = drawArguments(programs, sizes);
  return { graph: programs.reverse, inputs, expected: interpret(programs.reverse, inputs) };
}

/** One site for all nodes: finding the source line of each node takes most of the tracing time. */
const site = "zoo";

/** The value, and the gradient of each argument separately, so that an error in a small one is not hidden by a large one. */
function expectEqual(got: readonly NdArray[], expected: readonly NdArray[], tolerance: number): void {
  expect(got.length).toBe(expected.length);
  const total = norm(expected.slice(1));
  for (const [i, array] of expected.entries()) {
    const scale = i === 0 ? Math.max(1, norm([array])) : Math.max(norm([array]), 0.01 * total);
    expect(relativeError([at(got, i)], [array], scale)).toBeLessThan(tolerance);
  }
}

describe.each([...forms])("%s", (name, form) => {
  let made: ReturnType<typeof prepare> | undefined;
  const prepared = () => {
    made ??= prepare(form);
    return made;
  };
  const tier = slowUnless(isOneOfItsForm(name));
  // What an option of a cell changes are its equations and their derivatives, which are checked for each.
  const ofOption = name.includes(",") ? long : tier;

  // The cell's own vjp is accepted as the derivative, without difference quotients.
  test("reverse mode equals forward mode (1e-10) and the difference quotient (1e-6)", tier, () => {
    const { cell, units, features } = form;
    const report = checkGradients(cell, { cases: 2, seed: 5, units, features, surrogates: true });
    expect(report.failure?.fault).toBeUndefined();
    expect(report.comparisons).toBeGreaterThan(report.kinks);
  });

  test("unrolling and each pass preserve the values", ofOption, () => {
    const { graph, inputs, expected } = prepared();
    expectEqual(interpret(verify(unroll(specialize(graph, { B: batch, T: time }))), inputs), expected, 1e-11);
    let current = graph;
    for (const pass of passes) current = verify(pass.run(current));
    expectEqual(interpret(current, inputs), expected, 1e-11);
  });

  test("it runs in one dispatch if rows of the batch are independent", tier, () => {
    const { graph } = prepared();
    const kind = stepwiseOnly.has(name) ? "stepwise" : "persistent";
    // Asked for, since some cells run in parallel over time by rule; where rows mix, it would be refused.
    const schedule = kind === "stepwise" ? "auto" : kind;
    const { schedules } = compileProgram(graph, { target: "software", schedule });
    expect(schedules.map(({ schedule }) => schedule)).toEqual([kind, kind]);
  });

  test("the device agrees with the interpreter in each schedule", ofOption, async () => {
    const { graph, inputs, expected } = prepared();
    // In parallel, since one program's kernels compile while the next is lowered.
    const results = await Promise.all(smallTileCpuExecutors.map(({ execute }) => execute(graph, inputs)));
    for (const [i, got] of results.entries()) expectEqual(got, expected, at(smallTileCpuExecutors, i).tolerance);
  });
});
