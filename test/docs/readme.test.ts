/** @file The README: its program and its commands run, and it is short. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { run } from "../cli/run.ts";
import { slow } from "../support/some-of.ts";
import { blocks, logged, page, readmeFiles, replaced } from "./pages.ts";

const readme = page("README.md");

test("it takes two minutes to read", () => {
  expect(readme.split("\n").length).toBeLessThan(150);
});

test("the program trains, as it is but for fewer epochs and units", slow, async () => {
  const { "program.ts": program, ...cell } = readmeFiles();
  const short = replaced(replaced(program, "epoch <= 10", "epoch <= 2"), "units: 32", "units: 8");
  const lines = await logged(short, {}, cell);
  const losses = lines.map((line) => Number(/^epoch \d+: held-out loss (\d\.\d\d)$/.exec(line)?.[1]));
  expect(losses).toHaveLength(2);
  const [first = Number.NaN, second = Number.NaN] = losses;
  // The sentence has 28 different characters.
  expect(first).toBeLessThan(Math.log(28));
  expect(second).toBeLessThan(first);
});

test("the commands check the cell, train it and let it write", slow, async () => {
  const folder = mkdtempSync(join(tmpdir(), "cellgrad-readme-"));
  try {
    writeFileSync(join(folder, "my-cell.ts"), readmeFiles()["my-cell.ts"]);
    const [block = ""] = blocks(readme, "console").filter((text) => text.includes("npx cellgrad check"));
    const lines = block.trim().split("\n");
    expect(lines).toHaveLength(3);
    const results = [];
    for (const line of lines) {
      const [, text = ""] = /^\$ npx cellgrad (.*)$/.exec(line) ?? [];
      const words = [...text.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, plain = ""]) => quoted ?? plain);
      // Files of the person's own, and fewer steps.
      const given = words.map((word) => (/^(my-cell\.ts|mine\.safetensors)$/.test(word) ? join(folder, word) : word));
      const steps = given.indexOf("--steps");
      results.push(await run(...(steps < 0 ? given : given.with(steps + 1, "20"))));
    }
    expect(results.map(({ code }) => code)).toEqual([0, 0, 0]);
    const [checked, trained, sampled] = results.map(({ stdout }) => stdout);
    expect(checked).toMatch(/^right$/m);
    expect(trained).toMatch(/^held-out loss \d\.\d+ -> \d\.\d+ nats per character/m);
    expect(sampled).toMatch(/^THE /);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("the test command is npm test", () => {
  expect(readme).toMatch(/npm test/);
});
