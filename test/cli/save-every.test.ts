/**
 * @file Saves during a run: a killed run leaves a model that can be sampled and resumed exactly.
 *
 * @module-tag slow
 */
import { existsSync, mkdirSync, rmSync, statSync } from "node:fs";
import { afterAll, expect, test } from "vitest";
import { loadModel } from "../../entries/node.ts";
import { run, start, TEXT, TINY, Workspace } from "./run.ts";

const space = new Workspace({ "cat.txt": TEXT });
afterAll(() => space.remove());

const cat = space.file("cat.txt");
/** The last `--steps` counts. */
const train = (out: string, steps: number, ...options: string[]) => [
  ...["train", cat, ...TINY, "--steps", String(steps), "--out", space.file(out), ...options],
];

/** Starts a run that would take hours, and kills it (SIGKILL) after its first save. */
async function killed(out: string, ...options: string[]): Promise<void> {
  const { code } = await start(space.path, train(out, 10_000_000, ...options), (child) => {
    const watch = setInterval(() => {
      if (child.exitCode === null && existsSync(space.file(out))) child.kill("SIGKILL");
    }, 5);
    child.once("exit", () => clearInterval(watch));
  });
  expect(code).toBe(-1);
}

test.each([
  ["the held-out loss has improved", ["--eval-every", "3", "--save-every", "86400"]],
  ["time has passed", ["--save-every", "0.001"]],
])("a run that is killed after %s is gone on with", async (_, options) => {
  rmSync(space.file("killed.safetensors"), { force: true });
  await killed("killed.safetensors", ...options);
  const { run: record, training } = await loadModel(space.file("killed.safetensors"));
  const steps = record?.steps ?? 0;
  expect(steps).toBeGreaterThan(0);
  expect(record).toMatchObject({ planned: 10_000_000, losses: expect.any(Array) });
  expect(training?.loss).toBeGreaterThan(0);
  if (record?.every !== undefined) expect(record.losses).toHaveLength(Math.floor(steps / 3));

  const more = await run(
    "train",
    cat,
    "--resume",
    space.file("killed.safetensors"),
    "--steps",
    "5",
    "--device",
    "interpreter",
    "--out",
    space.file("more.safetensors"),
  );
  expect(more.stderr).not.toContain("cellgrad:");
  await run(...train("whole.safetensors", steps + 5, ...options));
  const [resumed, whole] = await Promise.all(
    ["more", "whole"].map((name) => loadModel(space.file(`${name}.safetensors`))),
  );
  expect(resumed?.run?.steps).toBe(steps + 5);
  expect(resumed?.run?.losses.length).toBe(whole?.run?.losses.length);
  for (const [name, { data }] of Object.entries(whole?.parameters ?? {})) {
    const found = resumed?.parameters[name]?.data ?? [];
    // The interpreter computes in float64, of which a file keeps f32.
    for (const [i, value] of data.entries()) expect(found[i], `${name}[${i}]`).toBeCloseTo(value, 4);
  }
});

test("a failed save during a run prints a warning, and the run continues", async () => {
  const out = space.file("taken.safetensors");
  let interrupted = false;
  const { code, stderr } = await start(
    space.path,
    train("taken.safetensors", 10_000_000, "--save-every", "0.001"),
    (child) => {
      const watch = setInterval(() => {
        if (interrupted || !existsSync(out) || statSync(out).isDirectory()) return;
        rmSync(out);
        mkdirSync(out);
      }, 5);
      child.stderr?.on("data", (text: Buffer) => {
        if (interrupted || !text.includes("training continues")) return;
        interrupted = true;
        rmSync(out, { recursive: true });
        child.kill("SIGINT");
      });
      child.once("exit", () => clearInterval(watch));
    },
  );
  expect(stderr).toMatch(/^cellgrad: --out .*taken\.safetensors.*; training continues$/m);
  expect(code).toBe(130);
  expect((await loadModel(out)).run?.steps).toBeGreaterThan(0);
});
