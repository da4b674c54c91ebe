/** @file The pages in docs/ beside the guide and the recipes: formulas and lists equal the sources, and all code is tested. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { compileProgram } from "../../compiler/compile.ts";
import { addDims, evaluateDim } from "../../compiler/graph/dim.ts";
import { passes } from "../../compiler/plan-program.ts";
import { adam, lstm, trainingStep } from "../../index.ts";
import { bytesFormula, countWork } from "../../runtime/count-work.ts";
import { f32Tolerance } from "../../testing/tolerance.ts";
import { languageModel } from "../../train/networks.ts";
import { run } from "../cli/run.ts";
import { slow } from "../support/some-of.ts";
import { stepsIn } from "../support/steps.ts";
import { hostsClaims } from "./claims.ts";
import { blocks, checked, logged, page, pages, root } from "./pages.ts";

test("the block of lost devices goes on with what was kept", async () => {
  const [block = ""] = blocks(page("docs/hosts.md"), "js");
  const before = `
import { createTrainer, initialize, openDevice, gru } from "cellgrad";
import { seriesModel } from "cellgrad/networks";
const device = await openDevice();
const network = seriesModel({ cell: gru, units: 2, layers: 1, features: 1 });
const kept = initialize(network.specs, 5);`;
  await logged(`${before}\n${checked(block, hostsClaims)}`);
});

test("the program of device bytes prints the terms of the formula", async () => {
  const text = page("docs/architecture.md");
  const [block = ""] = blocks(text, "ts");
  const imports = [...block.matchAll(/from "(\.\/.*)"/g)].map(([, path = ""]) => path);
  const modules = await Promise.all(imports.map(async (path) => [path, await import(join(root, path))] as const));
  const lines = await logged(block, Object.fromEntries(modules));
  const terms = lines.flatMap((line) => line.slice(line.indexOf(" ") + 1).split(" + "));
  const dims = addDims(terms.map((term) => (Number.isNaN(Number(term)) ? term : Number(term))));
  expect(`4 * (${dims.join(" + ")})`).toBe(blocks(text, "formula")[0]?.trim());
});

/** Where each block of code is checked, for the blocks that programs.test.ts does not run. Of Python: names are claims. */
const places: Readonly<Record<string, string>> = {
  "README.md ts": "test/docs/readme.test.ts",
  "README.md html": "test/package/package.test.ts",
  "docs/architecture.md ts": "test/docs/docs.test.ts",
  "docs/architecture.md formula": "test/docs/docs.test.ts",
  "docs/recipes/store-models.md js": "test/docs/page-example.test.ts",
  "docs/recipes/train-in-a-page.md js": "test/docs/page-example.test.ts",
  "docs/guide/deploy.md js": "test/docs/page-example.test.ts",
  "docs/guide/share-a-device.md js": "test/docs/share-a-device.test.ts",
  "docs/guide/compile.md html": "test/examples/compiled-model.test.ts",
  "docs/guide/weights.md python": "test/docs/claims.ts",
  "docs/hosts.md js": "test/docs/docs.test.ts",
  "docs/testing.md ts": "test/docs/docs.test.ts",
};

test("no page has code that no test runs, and beside programs a page has one block of a kind", () => {
  const kinds = pages.flatMap((path) => {
    const all = [...page(path).matchAll(/^```(\S+)\n/gm)].map(([, language = ""]) => `${path} ${language}`);
    // The README's two programs are two files, which its test names.
    return path === "README.md" ? [...new Set(all)] : all;
  });
  const code = kinds.filter((kind) => !kind.endsWith(" console") && !/^docs\/(guide|recipes)\/.* ts$/.test(kind));
  expect(code.toSorted()).toEqual(Object.keys(places).toSorted());
  for (const file of Object.values(places)) expect(existsSync(join(root, file)), file).toBe(true);
});

test("the formula of device bytes is what inspect prints", slow, async () => {
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

test("chunk lengths in the table are those of the rule", slow, () => {
  const network = languageModel({ cell: lstm, units: 128, layers: 1, vocabulary: 64, embed: 64 });
  const { graph } = trainingStep(network, { optimizer: adam(), clipNorm: 1 });
  const text = page("docs/architecture.md");
  for (const [name, target] of [
    ["GPU", "gpu"],
    ["software", "software"],
  ] as const) {
    const [, count] = new RegExp(`^\\| ${name} \\|.*\\| (\\d+) steps \\|$`, "m").exec(text) ?? [];
    const steps = stepsIn(compileProgram(graph, { target }));
    const loop = steps.find((step) => step.kind === "dispatch" && step.chunks);
    expect(loop).toMatchObject({ chunks: { scan: "lstm", steps: Number(count) } });
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

test.each(pages)("tests that %s names exist", (path) => {
  const runs = [...page(path).matchAll(/npx vitest run ([^`#\n]*)/g)].flatMap(([, files = ""]) =>
    files.trim().split(" "),
  );
  expect(runs.filter((file) => !existsSync(join(root, file)))).toEqual([]);
});
