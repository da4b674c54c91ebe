/**
 * @file Every golden graph (test/kernels) on the CPU, in both schedules, compared with the interpreter: with one row,
 * and with rows and steps that do not fill a vector. Results are bit-equal for any number of threads.
 */
import { afterAll, expect, test } from "vitest";
import { at } from "../../compiler/graph/errors.ts";
import { interpret } from "../../compiler/ops/interpret.ts";
import { specialize } from "../../compiler/passes/specialize.ts";
import { atSite } from "../../compiler/trace/site.ts";
import { CpuContext } from "../../runtime/cpu/context.ts";
import { farthest, inputsOf } from "../kernels/inputs.ts";
import { type GoldenGraph, goldenGraphs } from "../kernels/programs.ts";
import { someOf } from "../support/some-of.ts";
import { forms } from "../zoo/forms.ts";
import { bitsOf, runShared } from "./programs.ts";

const contexts = await Promise.all([1, 2, 3].map((threads) => CpuContext.open({ threads })));
afterAll(() => {
  for (const context of contexts) context.destroy();
});

/** A graph to run at these sizes. For products, no input alone determines the number of rows. */
function tracedAt({ name, trace }: GoldenGraph, sizes: Readonly<Record<string, number>>) {
  const { graph, donate } = atSite("on the CPU", trace);
  return { graph: name.startsWith("products") ? specialize(graph, sizes) : graph, ...(donate && { donate }) };
}

/** These take the interpreter seconds. */
const tooLarge = /of 1100 rows|more weights/;
const graphs = goldenGraphs.filter(({ name }) => !tooLarge.test(name));
const ways = [
  { schedule: "auto", sizes: { B: 1, T: 3 } },
  { schedule: "stepwise", sizes: { B: 5, T: 2 } },
  { schedule: "auto", sizes: { B: 7, T: 2 } },
  { schedule: "stepwise", sizes: { B: 1, T: 5 } },
] as const;

const numbered = graphs.map((graph, i) => [graph.name, graph, i] as const);
someOf(
  numbered,
  ([, , i]) => i % 2 === 0,
  ([, , i]) => i % 12 === 0,
)("%s", async (name, golden, i) => {
  // Graphs alternate: each has one row in one schedule, and several in the other. Cells of the zoo are similar, so each
  // has one of the ways.
  const chosen = forms.has(name) ? ways.slice(i % 4, (i % 4) + 1) : ways.slice(2 * (i % 2), 2 * (i % 2) + 2);
  for (const { schedule, sizes } of chosen) {
    const { graph, ...options } = tracedAt(golden, sizes);
    const inputs = inputsOf(graph, name.startsWith("op "), sizes);
    const results = await runShared(at(contexts, 1), graph, inputs, { ...options, schedule });
    expect(farthest(results, interpret(graph, inputs)), `${schedule} at B=${sizes.B}`).toBeLessThan(1e-5);
  }
});

const shared = goldenGraphs.filter(({ name }) => /^(products|lstm of 32|2 layers|long sums|a loop in|gru$)/.test(name));

someOf(
  shared.map((graph) => [graph.name, graph] as const),
  ([name], i) => i % 2 === 0 && !/^2 layers/.test(name),
  () => false,
)("%s: one, two and three threads return the same bits", async (_, golden) => {
  const sizes = { B: 13, T: 3 };
  const { graph, ...rest } = tracedAt(golden, sizes);
  const inputs = inputsOf(graph, false, sizes);
  for (const schedule of ["auto", "stepwise"] as const) {
    const options = { ...rest, schedule };
    const expected = bitsOf(await runShared(at(contexts, 0), graph, inputs, options));
    expect(expected.flat().length).toBeGreaterThan(20);
    for (const context of contexts.slice(1))
      expect(bitsOf(await runShared(context, graph, inputs, options))).toEqual(expected);
  }
});

test("the graphs to compare across threads exist", () => {
  expect(at(shared, 0).name).not.toBe("");
  expect(shared.length).toBeGreaterThan(7);
});
