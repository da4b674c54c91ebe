/**
 * @file Saving under faults: a killed process, a full disk, a target that is not a regular file. Either the old file is
 * unchanged or the new one is complete, and temporary files are removed.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { lstatSync, readFileSync, symlinkSync } from "node:fs";
import type * as promises from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { lstm } from "../../cells/lstm.ts";
import { prepareOutput } from "../../cli/model-output.ts";
import { loadModel, saveModel } from "../../entries/node.ts";
import { encodeModel, savedModel } from "../../train/files/model-file.ts";
import { initialize } from "../../train/initialize.ts";
import { languageModel } from "../../train/networks.ts";
import { Workspace } from "../cli/run.ts";
import { slow } from "../support/some-of.ts";
import { lineOf } from "./fault-table.ts";

const network = languageModel({ cell: lstm, units: 32, layers: 1, vocabulary: 2, embed: 8 });

/** The model of a seed; about 20 kB. */
const modelOf = (seed: number) =>
  savedModel(network, initialize(network.specs, seed), { vocabulary: ["a", "b"], training: { seed } });

/** Free bytes of the disk; writes beyond fail with the kernel's error for a full disk. */
let room = Number.POSITIVE_INFINITY;

vi.mock("node:fs/promises", async (original) => {
  const real = await original<typeof promises>();
  const open: typeof real.open = async (path, flags, mode) => {
    const file = await real.open(path, flags, mode);
    const writeFile = file.writeFile.bind(file);
    file.writeFile = async (data, options) => {
      const bytes = data as Uint8Array;
      await writeFile(bytes.subarray(0, Math.min(room, bytes.length)), options);
      if (bytes.length > room)
        throw Object.assign(new Error("ENOSPC: no space left on device, write"), { code: "ENOSPC" });
    };
    return file;
  };
  return { ...real, open };
});

let space: Workspace;
beforeEach(() => {
  space = new Workspace();
});
afterEach(() => {
  room = Number.POSITIVE_INFINITY;
  space.remove();
});

const failureOf = (task: Promise<unknown>) =>
  task.then(
    () => "no failure",
    (error: unknown) => (error as Error).message,
  );

/** Lets `child` run for some milliseconds, then kills it (SIGKILL). */
async function killAfter(child: ChildProcess, milliseconds: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, milliseconds));
  const gone = once(child, "exit");
  child.kill("SIGKILL");
  await gone;
}

test("a process killed during a save leaves the old file or the new one, never an incomplete one", slow, async () => {
  const contents = [1, 2].map((byte) => Buffer.alloc(16e6, byte));
  const sources = contents.map((bytes, i) => space.write(`source${i}`, bytes));
  const place = space.write("m.safetensors", Buffer.alloc(16e6, 1));
  const script = fileURLToPath(new URL("saving.ts", import.meta.url));
  let abandoned = 0;
  for (const milliseconds of [3, 17, 31, 44, 58, 71]) {
    const child = spawn(process.execPath, ["--import", "jiti/register", script, place, ...sources], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    await once(child.stdout, "data");
    await killAfter(child, milliseconds);
    const found = readFileSync(place);
    expect(contents.some((bytes) => bytes.equals(found))).toBe(true);
    abandoned += space.list().filter((name) => name.endsWith(".part")).length;
  }
  expect(abandoned).toBeGreaterThan(0);
  // What the killed left is removed by whoever saves next.
  await saveModel(place, modelOf(2));
  expect(space.list()).toEqual(["m.safetensors", "source0", "source1"]);
});

test("a full disk gives one error line, and the old model is unchanged", async () => {
  const path = space.file("m.safetensors");
  await saveModel(path, modelOf(1));
  const before = readFileSync(path);
  const output = await prepareOutput(path, "none");
  room = 10_000;
  expect(await failureOf(saveModel(path, modelOf(2)))).toMatch(lineOf("a disk that is full when a model is saved"));
  expect(await failureOf(output.write(encodeModel(modelOf(2))))).toBe(`--out ${path}: the disk is full`);
  expect(readFileSync(path).equals(before)).toBe(true);
  expect(space.list()).toEqual(["m.safetensors"]);
  room = Number.POSITIVE_INFINITY;
  await output.write(encodeModel(modelOf(2)));
  expect((await loadModel(path)).training).toEqual({ seed: 2 });
});

test("a link stays a link, and its target is replaced", async () => {
  await saveModel(space.file("real.safetensors"), modelOf(1));
  symlinkSync(space.file("real.safetensors"), space.file("link.safetensors"));
  await saveModel(space.file("link.safetensors"), modelOf(2));
  expect(lstatSync(space.file("link.safetensors")).isSymbolicLink()).toBe(true);
  expect((await loadModel(space.file("real.safetensors"))).training).toEqual({ seed: 2 });
});

test("a target that is not a regular file is not replaced", async () => {
  expect(await failureOf(saveModel("/dev/null", modelOf(1)))).toMatch(lineOf("a place that is no file"));
  expect(lstatSync("/dev/null").isCharacterDevice()).toBe(true);
});

test("two concurrent saves to one file leave one of the two models", async () => {
  const path = space.file("m.safetensors");
  await Promise.all([1, 2].map((seed) => saveModel(path, modelOf(seed))));
  expect([1, 2]).toContain((await loadModel(path)).training?.seed);
  expect(space.list()).toEqual(["m.safetensors"]);
});
