/** @file The output of `npm start`, on a small text, and the progress bar of a terminal. */
import { readFileSync } from "node:fs";
import { join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { demonstrate, textFile } from "../../cli/commands/start.ts";
import { showProgress } from "../../cli/progress.ts";
import { openInterpreter } from "../../devices/interpreter.ts";
import { lstm } from "../../index.ts";
import { slow } from "../support/some-of.ts";
import { Collected, TEXT } from "./run.ts";

const SMALL = {
  sizes: { cell: lstm, units: 8, layers: 1, embed: 4, batch: 4, time: 8 },
  steps: 25,
  learningRate: 0.05,
  seed: 1,
  sample: { prompt: "", length: 40, temperature: 0.7, seed: 1 },
};

test("the demonstration prints its device, a sample, and finally the change of the held-out loss", slow, async () => {
  const [stdout, stderr] = [new Collected(), new Collected()];
  const code = await demonstrate(TEXT, "a text", SMALL, openInterpreter(), { stdout, stderr });
  expect(code).toBe(0);
  const lines = stdout.text.trimEnd().split("\n");
  expect(lines).toContain("device: float64 interpreter");
  const rules = lines.flatMap((line, i) => (/^-{72}$/.test(line) ? [i] : []));
  expect(rules).toHaveLength(2);
  expect(lines.slice((rules[0] ?? 0) + 1, rules[1]).join("\n")).toMatch(/^[ .acehmnost]{40}$/);
  const final =
    /^The held-out loss fell from (\d\.\d\d) \(before training; ln 11 = 2\.40\) to (\d\.\d\d) nats per character\.$/;
  const [, before, after] = final.exec(lines.at(-1) ?? "") ?? [];
  expect(Math.abs(Number(before) - Math.log(11))).toBeLessThan(0.2);
  expect(Number(after)).toBeLessThan(1.5);
});

test("during training it shows samples, as lines if there is no terminal", slow, async () => {
  const [stdout, stderr] = [new Collected(), new Collected()];
  await demonstrate(TEXT, "a text", SMALL, openInterpreter(), { stdout, stderr });
  const written = stderr.text.split("\n").filter((text) => text.includes(" writes: "));
  expect(written.map((text) => Number(/^step +(\d+) writes: [ .acehmnost]+…?$/.exec(text)?.[1]))).toEqual([
    1, 3, 6, 13,
  ]);
  expect(new Set(written.map((text) => text.replace(/^.*: /, ""))).size).toBe(4);
  expect(stderr.text).toMatch(/^step 25\/25 {2}loss \d\.\d{3} {2}[\d,]+ characters\/s$/m);
});

test("without the declarations, it trains on a text in the package", () => {
  const { path, name } = textFile(() => {
    throw new Error("Cannot find module");
  });
  expect(name).toBe("cellgrad's own documentation");
  expect(readFileSync(path, "utf8").length).toBeGreaterThan(20_000);
  const root = fileURLToPath(new URL("../..", import.meta.url));
  const packed = JSON.parse(readFileSync(join(root, "package.json"), "utf8")).files as string[];
  expect(packed).toContain(relative(root, path).split(sep)[0]);
  expect(textFile().name).toBe("the declarations of @webgpu/types");
});

test("on a terminal, progress is a bar with loss and speed", async () => {
  class Terminal extends Collected {
    readonly isTTY = true;
    readonly columns = 100;
  }
  const terminal = new Terminal();
  const bar = showProgress(terminal, 10, "characters");
  bar.update({ step: 5, loss: 1.23456, gradientNorm: 0.5, tokensPerSecond: 9876.5 });
  bar.stop();
  expect(terminal.text).toMatch(/█{12}░{12} 5\/10 {2}loss 1\.235 {2}9,877 characters\/s/);
});
