/** @file Running sums with fused multiply-add, which Node 20 has behind a flag. */
import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { cpuKernels, planCpuProgram } from "../../compiler/compile-cpu.ts";
import { dot, type Tensor, traceGraph } from "../../index.ts";
import { hasRelaxedMadd } from "../../wasm/features.ts";
import type { Instruction } from "../../wasm/instruction.ts";
import { bundle } from "../support/page.ts";

test("products of integers are those of the interpreter", async () => {
  const flags = hasRelaxedMadd() ? [] : ["--experimental-wasm-relaxed-simd"];
  const program = fileURLToPath(new URL("fused-program.ts", import.meta.url));
  const input = await bundle(program, { platform: "node", packages: "external" });
  const output = execFileSync(process.execPath, [...flags, "--input-type=module"], { input, encoding: "utf8" });
  expect(JSON.parse(output)).toEqual({ isFused: true, isEqual: true });
});

/** An instruction and all nested ones. */
function within(instruction: Instruction): Instruction[] {
  const inner =
    instruction.kind === "plain"
      ? instruction.operands
      : instruction.kind === "if"
        ? [instruction.condition, ...instruction.whenTrue, ...instruction.whenFalse]
        : instruction.body;
  return [instruction, ...inner.flatMap(within)];
}

test("the addend of a fused instruction is the running sum", () => {
  const inputs = [
    { name: "a", dtype: "f32", shape: [5, 300] },
    { name: "b", dtype: "f32", shape: [300, 9] },
  ] as const;
  const graph = traceGraph("fused", inputs, ([a, b]) => [dot(a as Tensor<"f32">, b as Tensor<"f32">)]);
  const { functions } = cpuKernels(planCpuProgram(graph), true);
  const fused = functions
    .flatMap(({ body }) => body.flatMap(within))
    .flatMap((each) => (each.kind === "plain" && each.op === "f32x4.relaxed_madd" ? [each.operands[2]] : []));
  expect(fused.length).toBeGreaterThan(0);
  const sums = fused.map((operand) => operand?.kind === "plain" && operand.op === "local.get" && operand.name);
  expect(sums).toEqual(sums.map(() => expect.stringMatching(/^sum/)));
});
