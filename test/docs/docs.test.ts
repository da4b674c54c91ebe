/** @file The pages in docs/: the guide's program runs, formulas and lists equal the sources, and links lead somewhere. */
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import { compileProgram, passes } from "../../compiler/compile.ts";
import { evaluateDim } from "../../compiler/graph/dim.ts";
import { adam, languageModel, lstm, trainingStep } from "../../index.ts";
import { blocks, logged, page, root } from "./pages.ts";

const pages = ["README.md", "CHANGELOG.md", "docs/architecture.md", "docs/guide.md", "docs/trust.md"];

test("the guide's blocks are one program, which runs", async () => {
  const lines = await logged(blocks(page("docs/guide.md"), "ts").join("\n"));
  const printed = lines.join("\n");
  expect(printed).toContain("graph energyAndGradient(xs: f32[T,B,3]");
  const said = (what: string) => Number(new RegExp(`^${what} (.*)$`, "m").exec(printed)?.[1]);
  expect(said("energy")).toBeGreaterThan(0);
  expect(said("held-out loss")).toBeLessThan(Math.log(13));
  expect(printed).toMatch(/^[a-z. ]{20}$/m);
});

test("the formula of device bytes is the planner's", () => {
  const [formula = ""] = blocks(page("docs/architecture.md"), "formula");
  const [, coefficient, sum = ""] = /^(\d+) \* \((.*)\)\n$/.exec(formula) ?? [];
  const network = languageModel({ cell: lstm, units: 128, layers: 1, vocabulary: 64, embed: 64 });
  const step = trainingStep(network, { optimizer: adam(), clipNorm: 1 });
  const { buffers } = compileProgram(step.graph, { donate: step.donate });
  for (const sizes of [
    { B: 16, T: 32 },
    { B: 16, T: 100 },
    { B: 3, T: 7 },
  ]) {
    const terms = sum.split(" + ").map((term) => (/^\d+$/.test(term) ? Number(term) : term));
    const total = (dims: readonly (number | string)[]) =>
      dims.reduce<number>((a, dim) => a + evaluateDim(dim, sizes), 0);
    expect(Number(coefficient) * total(terms)).toBe(4 * total(buffers.flatMap(({ size }) => [...size])));
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
