/** @file Each instruction of the table, read by the engine and by an independent assembler (wabt). */
import { expect, test } from "vitest";
import { encodeModule } from "../../wasm/encode.ts";
import { hasRelaxedMadd } from "../../wasm/features.ts";
import { moduleText } from "../../wasm/text.ts";
import { checkModule } from "../../wasm/validate.ts";
import { onePage } from "./modules.ts";
import { callee, constantOf, constants, sampleFunction, sampleInstruction, samples } from "./samples.ts";
import { readText, withoutNames } from "./wabt.ts";

const isRelaxed = (op: string) => op.includes(".relaxed_");

test("the engine accepts every instruction, except optional ones that it lacks", () => {
  const accepted = samples.filter((sample) =>
    WebAssembly.validate(encodeModule({ functions: [sample.function, callee], constants }, onePage)),
  );
  const expected = samples.filter(({ op }) => hasRelaxedMadd() || !isRelaxed(op));
  expect(accepted.map(({ op }) => op)).toEqual(expected.map(({ op }) => op));
});

test("an independent assembler produces the same bytes from the text of all instructions", async () => {
  for (const memory of [onePage, { initialPages: 2, maximumPages: 300, isShared: true }]) {
    const module = { functions: [...samples.map((sample) => sample.function), callee], constants };
    const binary = await readText(moduleText(module, memory));
    expect(Buffer.from(binary).equals(withoutNames(encodeModule(module, memory)))).toBe(true);
  }
});

test("the type check accepts and rejects operands as the engine does", () => {
  const types = ["i32", "f32", "v128"] as const;
  for (const { op, opcode, operands, function: right } of samples) {
    expect(() => checkModule({ functions: [right, callee], constants })).not.toThrow();
    const cases = operands.flatMap((_, i) => types.map((type) => operands.with(i, constantOf(type))));
    for (const changed of cases) {
      const functions = [sampleFunction(op, sampleInstruction(op, opcode, changed), opcode), callee];
      const isAccepted = WebAssembly.validate(encodeModule({ functions, constants }, onePage));
      if (isRelaxed(op) && !hasRelaxedMadd()) continue;
      const check = () => checkModule({ functions, constants });
      if (isAccepted) expect(check).not.toThrow();
      else expect(check).toThrow(`${op}`);
    }
  }
});
