/** @file The pages in docs/: the guide's program runs, formulas and lists equal the sources, and links lead somewhere. */
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import { bytesFormula, countWork } from "../../cli/inspect/count.ts";
import { compileProgram, passes } from "../../compiler/compile.ts";
import { evaluateDim } from "../../compiler/graph/dim.ts";
import { adam, lstm, trainingStep } from "../../index.ts";
import { f32Tolerance } from "../../testing/tolerance.ts";
import { languageModel } from "../../train/networks.ts";
import { run } from "../cli/run.ts";
import { blocks, logged, page, root } from "./pages.ts";

const pages = [
  "README.md",
  "CHANGELOG.md",
  "docs/architecture.md",
  "docs/guide.md",
  "docs/testing.md",
  "docs/trust.md",
];

test("the guide's blocks are one program, which runs", async () => {
  const lines = await logged(blocks(page("docs/guide.md"), "ts").join("\n"));
  const printed = lines.join("\n");
  expect(printed).toContain("graph energyAndGradient(xs: f32[T,B,3]");
  const said = (what: string) => Number(new RegExp(`^${what} (.*)$`, "m").exec(printed)?.[1]);
  expect(said("energy")).toBeGreaterThan(0);
  expect(said("held-out loss")).toBeLessThan(Math.log(13));
  expect(printed).toMatch(/^[a-z. ]{20}$/m);
});

test("the formula of device bytes is what inspect prints", async () => {
  const [formula = ""] = blocks(page("docs/architecture.md"), "formula");
  const network = languageModel({ cell: lstm, units: 128, layers: 1, vocabulary: 64, embed: 64 });
  const step = trainingStep(network, { optimizer: adam(), clipNorm: 1 });
  const program = compileProgram(step.graph, { donate: step.donate });
  expect(formula.trim()).toBe(bytesFormula(program));
  const { stdout } = await run("inspect");
  expect(stdout).toContain(`            = ${formula}`);
  const terms = /^4 \* \((.*)\)$/.exec(formula.trim())?.[1]?.split(" + ") ?? [];
  for (const sizes of [
    { B: 16, T: 32 },
    { B: 3, T: 7 },
  ]) {
    const elements = terms.reduce((total, term) => total + evaluateDim(term, sizes), 0);
    expect(4 * elements).toBe(countWork(program, sizes).bytes);
  }
});

test("chunk lengths in the table are those of the rule", () => {
  const network = languageModel({ cell: lstm, units: 128, layers: 1, vocabulary: 64, embed: 64 });
  const { graph } = trainingStep(network, { optimizer: adam(), clipNorm: 1 });
  const text = page("docs/architecture.md");
  for (const [name, target] of [
    ["GPU", "gpu"],
    ["software", "software"],
  ] as const) {
    const [, steps] = new RegExp(`^\\| ${name} \\|.*\\| (\\d+) steps \\|$`, "m").exec(text) ?? [];
    const loop = compileProgram(graph, { target }).steps.find((step) => step.kind === "dispatch" && step.chunks);
    expect(loop).toMatchObject({ chunks: { scan: "lstm", steps: Number(steps) } });
  }
});

test("the ten lines of a test are those of the example, which runs with all tests", () => {
  const [lines] = blocks(page("docs/testing.md"), "ts");
  expect(lines).toBe(page("examples/minimal-gated-unit.test.ts"));
});

test("tolerances at the sizes that are named", () => {
  const text = page("docs/testing.md");
  const named = [...text.matchAll(/T = (\d+) and K = (\d+) (?:that|it) is (\d\.\de-\d)/g)];
  expect(named.length).toBe(2);
  for (const [, time, depth, tolerance] of named) {
    expect(f32Tolerance({ time: Number(time), depth: Number(depth) }).toExponential(1)).toBe(tolerance);
  }
});

test("the passes are listed in their order", () => {
  const section = /## Passes\n(.*?)\n## /s.exec(page("docs/architecture.md"))?.[1] ?? "";
  const listed = [...section.matchAll(/^\| `([a-z ]+)` \|/gm)].map(([, name]) => name);
  expect(listed).toEqual(passes.map(({ name }) => name));
});

describe.each(pages)("%s", (path) => {
  const text = page(path);

  test("links lead to files that exist", () => {
    const targets = [...text.matchAll(/\]\((?!https?:)([^)#]+)/g)].map(([, target = ""]) => target);
    expect(targets.filter((target) => !existsSync(join(root, dirname(path), target)))).toEqual([]);
  });

  test("tests that are named exist", () => {
    const runs = [...text.matchAll(/npx vitest run (.*)$/gm)].flatMap(([, files = ""]) => files.trim().split(" "));
    expect(runs.filter((file) => !existsSync(join(root, file)))).toEqual([]);
  });
});
