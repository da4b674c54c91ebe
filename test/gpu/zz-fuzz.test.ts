import { afterAll, expect, test } from "vitest";
import { at } from "../../compiler/graph/errors.ts";
import { ndarray } from "../../compiler/graph/ndarray.ts";
import { dot } from "../../compiler/ops/contractions.ts";
import { add, mul } from "../../compiler/ops/elementwise.ts";
import { interpret } from "../../compiler/ops/interpret.ts";
import { traceGraph } from "../../compiler/ops/trace.ts";
import { sigmoid, tanh } from "../../compiler/ops/transcendental.ts";
import { reshape } from "../../compiler/ops/views.ts";
import { evaluateProgram } from "../../compiler/plan/evaluate-program.ts";
import { planProgram } from "../../compiler/plan-program.ts";
import type { Tensor } from "../../compiler/trace/tensor.ts";
import { farthest, named } from "../kernels/inputs.ts";
import { ProgramRunner } from "../support/programs.ts";

const runner = await ProgramRunner.open();
afterAll(() => runner.destroy());
let seed = Number(process.env.SEED ?? 1);
const random = () => {
  seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
  return seed / 2 ** 32;
};
const pick = <T,>(list: readonly T[]): T => at(list, Math.floor(random() * list.length));
const count = Number(process.env.COUNT ?? 20);
const device = process.env.WHERE ?? "both";

test("fuzz", async () => {
  let blocks = 0, worst = 0, splits = 0, chosen = 0;
  for (let i = 0; i < count; i++) {
    const values = [1, 3, 8, 16, 17, 32, 33, 64, 65, 130];
    const symbolic = pick(["none", "m", "k", "k", "m"] as const);
    const [B, T] = [pick([1, 3, 5, 17]), pick([1, 7, 16, 31])];
    const dims = { m: pick(values), k: pick(values), n: pick(values.slice(2)) } as { m: number; k: number; n: number };
    const extent = (name: "m" | "k" | "n") => (name === symbolic ? ["T", "B"] : [dims[name]]);
    const flat = (x: Tensor<"f32">, name: "m" | "k", axis: number) => {
      if (name !== symbolic) return x;
      const shape = [...x.shape];
      shape.splice(axis, 2, "B*T");
      return reshape(x, shape);
    };
    const [ta, tb] = [pick([true, false]), pick([true, false])];
    const gates = pick([1, 1, 2, 3]);
    const style = pick(["plain", "plain", "prologue", "sum", "together"] as const);
    const aShape = ta ? [...extent("k"), ...extent("m")] : [...extent("m"), ...extent("k")];
    const bShape = tb ? [...extent("n"), ...extent("k")] : [...extent("k"), ...extent("n")];
    const avals = [
      ...Array.from({ length: gates }, (_, g) => ({ name: `a${g}`, dtype: "f32" as const, shape: aShape })),
      ...Array.from({ length: gates }, (_, g) => ({ name: `b${g}`, dtype: "f32" as const, shape: bShape })),
    ];
    const graph = traceGraph("fuzz", avals, (xs) => {
      const products = Array.from({ length: gates }, (_, g) => {
        let a = flat(xs[style === "together" ? 0 : g] as Tensor<"f32">, ta ? (symbolic === "m" ? "m" : "k") : symbolic === "m" ? "m" : "k", symbolic === "none" ? 0 : (symbolic === "k") === ta ? 0 : 1);
        let b = xs[gates + g] as Tensor<"f32">;
        if (symbolic === "k") b = flat(b, "k", tb ? 1 : 0);
        if (style === "prologue") { a = tanh(a); b = mul(b, 0.5); }
        return dot(a, b, { transposeA: ta, transposeB: tb });
      });
      if (style === "sum") return [products.reduce((x, y) => add(x, y))];
      if (style === "together") return [products.reduce((x, y) => mul(sigmoid(x), y)), at(products, 0)];
      return products;
    });
    const numbers = avals.map(({ shape }, s) => {
      const extents = shape.map((d) => (d === "B" ? B : d === "T" ? T : Number(d)));
      return ndarray(extents, Array.from({ length: extents.reduce((a, b) => a * b, 1) }, (_, j) => Math.fround(Math.sin(1 + j * 1.7 + s))));
    });
    const what = JSON.stringify({ i, symbolic, B, T, ...dims, ta, tb, gates, style });
    const expected = interpret(graph, numbers);
    for (const registers of [undefined, { total: 1e6, most: 256, reserved: 64 }]) {
      const options = { target: "gpu", ...(registers ? { registers } : {}) } as const;
      const program = planProgram(graph, options);
      if (program.kernels.some(({ code }) => code.shared.length > 0)) blocks++;
      if (program.kernels.length > 1) splits++;
      if (program.steps.some(({ kind }) => kind === "choose")) chosen++;
      if (device !== "device") {
        const e = farthest(evaluateProgram(program, named(graph, numbers)), expected);
        worst = Math.max(worst, e);
        expect(e, what).toBeLessThan(1e-5);
      }
      if (device !== "evaluator") {
        const e = await runner.error(graph, numbers, options);
        worst = Math.max(worst, e);
        expect(e, what).toBeLessThan(1e-5);
      }
    }
  }
  console.log({ count, blocks, splits, chosen, worst });
}, 600000);
