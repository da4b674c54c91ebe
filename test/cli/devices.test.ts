/** @file Devices on the command line: which one is used, the note about "cpu", and what `inspect` shows for it. */
import { expect, test } from "vitest";
import { requestAdapter } from "../../runtime/host.ts";
import { slow } from "../support/some-of.ts";
import { jsonLines, run } from "./run.ts";

const TINY = ["--units", "3", "--embed", "2", "--batch", "2", "--time", "10", "--steps", "2", "--json"];
const deviceOf = async (...args: string[]) => {
  const { code, stdout, stderr } = await run("task", "parity", ...TINY, ...args);
  return { code, device: jsonLines(stdout).at(-1)?.device, stderr };
};
const NEWS =
  "cellgrad: --device cpu is WebAssembly in float32 now; the float64 interpreter of that name is --device interpreter\n";

test("auto uses the CPU if there is no graphics card, without a note", async () => {
  const card = await requestAdapter("gpu").then(
    ({ name }) => name,
    () => undefined,
  );
  const { code, device, stderr } = await deviceOf();
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  expect(device).toMatch(card ?? /^WebAssembly SIMD, \d+ threads?$/);
});

test(
  "cpu runs in the given number of threads, and notes once per command that it is no longer the interpreter",
  slow,
  async () => {
    expect(await deviceOf("--device", "cpu", "--threads", "1")).toEqual({
      ...{ code: 0, device: "WebAssembly SIMD, 1 thread", stderr: NEWS },
    });
    expect((await deviceOf("--device", "cpu", "--threads", "2")).device).toBe("WebAssembly SIMD, 2 threads");
    expect(await deviceOf("--device", "interpreter")).toEqual({
      ...{ code: 0, device: "float64 interpreter", stderr: "" },
    });
  },
);

const SMALL = ["--cell", "gru", "--units", "8", "--embed", "4", "--vocabulary", "10", "--batch", "4", "--time", "6"];

test(
  "inspect shows the WebAssembly of each kernel with the functions it calls, and the schedules of a CPU",
  slow,
  async () => {
    const { code, stdout, stderr } = await run("inspect", "--device", "cpu", ...SMALL);
    expect({ code, stderr }).toEqual({ code: 0, stderr: NEWS });
    expect(stdout).toMatch(/^=== kernel k0_\w+: .*bytes of scratch memory; in0 \(read\)/m);
    expect(stdout).toContain('(func $k0_dot (export "k0_dot") (param $record i32) (param $scratch i32)');
    expect(stdout).toMatch(/^gru +persistent: /m);
    expect(stdout).not.toContain("@compute");
    expect((await run("inspect", "--device", "cpu", ...SMALL, "--schedule", "stepwise")).stdout).toMatch(
      /^gru +stepwise: /m,
    );

    const json = await run("inspect", "--json", "--device", "cpu", ...SMALL);
    const kernels = jsonLines(json.stdout)[0]?.kernels as { name: string; functions: string[]; wat: string }[];
    for (const { name, functions, wat } of kernels) {
      expect(wat.startsWith(`;; ${name} computes `), name).toBe(true);
      const defined = [...wat.matchAll(/\(func \$(\w+)/g)].map(([, each]) => each);
      expect(defined).toEqual(expect.arrayContaining(functions));
      const called = [...wat.matchAll(/\(call \$(\w+)/g)].map(([, each]) => each);
      expect(defined).toEqual(expect.arrayContaining(called));
      expect(new Set(defined).size).toBe(defined.length);
    }
    // The gates call what they have for sigmoid and tanh.
    expect(kernels.some(({ wat }) => wat.includes("(call $"))).toBe(true);
  },
);

test("a profile of the CPU has time, FLOP and bytes of each kernel", async () => {
  const { code, stdout } = await run("inspect", "--profile", "--json", "--device", "cpu", ...SMALL);
  expect(code).toBe(0);
  const [report = {}] = jsonLines(stdout);
  const { device, kernels } = report.profile as {
    device: string;
    kernels: { milliseconds: number; flops: number; bytes: number }[];
  };
  expect(device).toMatch(/^WebAssembly SIMD/);
  expect(kernels.length).toBeGreaterThan(5);
  for (const { milliseconds, flops, bytes } of kernels) {
    expect(milliseconds).toBeGreaterThanOrEqual(0);
    expect(flops + bytes).toBeGreaterThan(0);
  }
});
