/** @file Running sums with fused multiply-add, which Node 20 has behind a flag. */
import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { cpuKernels, planCpuProgram } from "../../compiler/compile-cpu.ts";
import { dot, type Tensor, traceGraph } from "../../index.ts";
import { hasRelaxedMadd } from "../../wasm/features.ts";
import type { Instruction } from "../../wasm/instruction.ts";

const script = `
  import { createJiti } from "jiti";
  const jiti = createJiti(process.cwd() + "/");
  const { add, dot, interpret, ndarray, openDevice, traceGraph } = await jiti.import("./index.ts");
  const { compilesFused } = await jiti.import("./test/support/fused.ts");
  const whole = (shape, salt) => {
    const count = shape.reduce((a, b) => a * b, 1);
    return ndarray(shape, Array.from({ length: count }, (_, i) => ((i * salt) % 7) - 3));
  };
  const [m, k, n] = [5, 300, 9];
  const shapes = { a: [m, k], b: [k, n], c: [n, k], d: [k, m] };
  const graph = traceGraph("fused", Object.entries(shapes).map(([name, shape]) => ({ name, dtype: "f32", shape })), ([a, b, c, d]) => [
    dot(a, b),
    add(dot(a, c, { transposeB: true }), dot(d, b, { transposeA: true })),
  ]);
  const inputs = { a: whole(shapes.a, 3), b: whole(shapes.b, 5), c: whole(shapes.c, 2), d: whole(shapes.d, 4) };
  const expected = interpret(graph, Object.values(inputs));
  const device = await openDevice({ device: "cpu", threads: 1 });
  const compiled = await device.compile(graph);
  const results = await Promise.all(compiled.run(inputs).map((output) => output.read()));
  device.destroy();
  const isEqual = results.every(({ data }, i) => data.every((x, j) => x === expected[i].data[j]));
  console.log(JSON.stringify({ isFused: compilesFused(graph), isEqual }));
`;

test("products of integers are those of the interpreter", () => {
  const flags = hasRelaxedMadd() ? [] : ["--experimental-wasm-relaxed-simd"];
  const root = fileURLToPath(new URL("../..", import.meta.url));
  const given = [...flags, "--input-type=module", "--eval", script];
  const output = execFileSync(process.execPath, given, { cwd: root, encoding: "utf8" });
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
