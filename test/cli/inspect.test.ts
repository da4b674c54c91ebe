/** @file `cellgrad inspect`: its counts and its output, without a device. */
import { expect, test } from "vitest";
import type { BufferSpec, Dispatch, Loop, Phase, Program } from "../../compiler/plan/program.ts";
import { passes } from "../../compiler/plan-program.ts";
import { countWork, type WorkTotals } from "../../runtime/count-work.ts";
import { slow } from "../support/some-of.ts";
import { jsonLines, run } from "./run.ts";

const dispatch = (phase: Phase): Dispatch => ({ kind: "dispatch", kernel: 0, grid: [], phase });
const loop = (length: string | number, body: Loop["body"]): Loop => ({
  kind: "loop",
  length,
  reverse: false,
  body,
  otherwise: [dispatch("update")],
});
const buffer = (role: BufferSpec["role"], size: BufferSpec["size"]): BufferSpec => ({
  name: "b",
  element: "f32",
  bytes: 4,
  size,
  role,
});
const place = { buffer: 0, offset: [], size: ["B"] };

test("dispatches in loops count once per step, a chunked kernel once, and sizes are sums of dimensions", () => {
  const program: Program = {
    version: 1,
    name: "p",
    symbols: ["B", "T"],
    requires: [],
    buffers: [buffer("slab", ["2*B*T", 3]), buffer("input", ["B"])],
    inputs: [],
    outputs: [],
    kernels: [],
    schedules: [],
    steps: [
      dispatch("forward"),
      loop("T", [dispatch("forward"), dispatch("forward")]),
      loop("T", [loop(2, [dispatch("backward")])]),
      { kind: "copy", from: place, to: place },
      dispatch("update"),
      { ...dispatch("update"), chunks: { scan: "s", length: "T", steps: 4 } },
    ],
  };
  expect(countWork(program, { B: 4, T: 10 })).toEqual({
    dispatches: { forward: 21, backward: 20, update: 2 },
    chunks: [{ scan: "s", dispatches: 3, steps: 4, lastSteps: 2 }],
    copies: 1,
    bytes: 4 * (80 + 3 + 4),
    slabBytes: 4 * 83,
  });
});

const SMALL = ["--units", "8", "--embed", "4", "--vocabulary", "10", "--batch", "4"];

test("--json prints one object with dispatches by phase and bytes", async () => {
  const { code, stdout, stderr } = await run("inspect", "--json", ...SMALL, "--time", "6");
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  const [report = {}, ...more] = jsonLines(stdout);
  expect(more).toEqual([]);
  expect(Object.keys(report.dispatches as object)).toEqual(["forward", "backward", "update"]);
  const { forward, backward, update } = report.dispatches as Record<Phase, number>;
  // Each pass has its loop and the products around it.
  expect(Math.min(forward, backward)).toBeGreaterThanOrEqual(2);
  expect(update).toBeGreaterThanOrEqual(1);
  // The weights, with two slots of Adam beside them, are the least there can be.
  expect(report.bytes).toBeGreaterThan(3 * 4 * Number(report.weights));
  expect(report.kernels).toContainEqual(expect.objectContaining({ wgsl: expect.stringContaining("@compute") }));
});

test("another length changes dispatches and bytes, but no kernel", slow, async () => {
  const inspected = async (time: string) =>
    jsonLines((await run("inspect", "--json", ...SMALL, "--time", time)).stdout)[0];
  const [short, long] = [await inspected("6"), await inspected("12")];
  expect(long?.kernels).toEqual(short?.kernels);
  expect(long?.bytes).toBeGreaterThan(Number(short?.bytes));
});

test("a long sequence is split into chunks that add up to it, without more dispatches; a short one is one chunk", async () => {
  const time = 60_000;
  const inspected = async (length: number) =>
    jsonLines((await run("inspect", "--json", ...SMALL, "--time", String(length))).stdout)[0] as unknown as WorkTotals;
  const [short, long] = [await inspected(6), await inspected(time)];
  expect(short.chunks.map(({ scan, dispatches }) => [scan, dispatches])).toEqual([
    ["lstm", 1],
    ["lstm.vjp", 1],
  ]);
  expect(long.dispatches).toEqual(short.dispatches);
  for (const { dispatches, steps, lastSteps } of long.chunks) {
    expect(dispatches).toBeGreaterThan(1);
    expect((dispatches - 1) * steps + lastSteps).toBe(time);
  }
  const shown = async (length: string) =>
    /^chunks {6}(.*)$/m.exec((await run("inspect", ...SMALL, "--time", length)).stdout)?.[1];
  expect(await shown("6")).toBeUndefined();
  expect(await shown(String(time))).toMatch(/^lstm \d+ x \d+( \+ \d+)? steps, lstm\.vjp \d+ x \d+( \+ \d+)? steps$/);
});

test("the text output has the IR of every stage, the kernels with their WGSL, and the totals", async () => {
  const { code, stdout } = await run("inspect", "--cell", "gru", ...SMALL);
  expect(code).toBe(0);
  expect(stdout).toMatch(/^gru: 1 x 8 units, embedding 4, vocabulary 10, batch 4, time 32$/m);
  expect(stdout).toMatch(/^=== IR, traced: \d+ nodes\ngraph trainingStep\(/m);
  for (const { name } of passes) expect(stdout).toContain(`\n=== IR after "${name}" (`);
  expect(stdout).toMatch(/sigmoid\(.*\/\/ cells\/gru\.ts:\d+/);
  expect(stdout).toMatch(/^=== kernel /m);
  expect(stdout).toMatch(/@compute/);
  expect(stdout).toMatch(/^dispatches {2}\d+ forward \+ \d+ backward \+ \d+ update = \d+$/m);
  expect(stdout).toMatch(/^bytes {7}[\d,]+ /m);
});
