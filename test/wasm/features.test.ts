/** @file Feature detection, and the results of instructions that only some engines have. */
import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { encodeModule } from "../../wasm/encode.ts";
import { compilesSimd, hasRelaxedMadd } from "../../wasm/features.ts";
import { exported, instruction, onePage } from "./modules.ts";
import { constantOf } from "./samples.ts";

test("detected features are those that the engine accepts in a module", async () => {
  const vector = constantOf("v128");
  const accepts = (op: string, count: number) => {
    const body = [instruction("drop", [instruction(op, new Array(count).fill(vector))])];
    return WebAssembly.validate(encodeModule({ functions: [exported("f", body)] }, onePage));
  };
  expect(await compilesSimd()).toBe(accepts("f32x4.add", 2));
  expect(hasRelaxedMadd()).toBe(accepts("f32x4.relaxed_madd", 3));
  expect(await compilesSimd()).toBe(true);
});

test("relaxed_madd and relaxed_nmadd add the product to, or subtract it from, their last operand", () => {
  const root = fileURLToPath(new URL("../..", import.meta.url));
  const script = `
    import { createJiti } from "jiti";
    const jiti = createJiti(process.cwd() + "/");
    const { hasRelaxedMadd } = await jiti.import("./wasm/features.ts");
    const { exported, instruction, run } = await jiti.import("./test/wasm/modules.ts");
    const splat = (value) => instruction("f32x4.splat", [instruction("f32.const", [], { value })]);
    const of = (op) => {
      const value = instruction(op, [splat(2), splat(3), splat(10)]);
      return exported(op, [instruction("f32x4.extract_lane", [value], { lane: 3 })], { result: "f32" });
    };
    const call = run([of("f32x4.relaxed_madd"), of("f32x4.relaxed_nmadd")]);
    console.log(JSON.stringify([hasRelaxedMadd(), call("f32x4.relaxed_madd"), call("f32x4.relaxed_nmadd")]));
  `;
  const flags = hasRelaxedMadd() ? [] : ["--experimental-wasm-relaxed-simd"];
  const options = ["--input-type=module", "--eval", script];
  const output = execFileSync(process.execPath, [...flags, ...options], { cwd: root, encoding: "utf8" });
  expect(JSON.parse(output)).toEqual([true, 16, 4]);
});
