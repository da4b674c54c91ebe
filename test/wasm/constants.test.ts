/** @file Vector constants as globals: each once, of the same values, and as an independent assembler reads them. */
import { expect, test } from "vitest";
import { withSharedConstants } from "../../wasm/constants.ts";
import { encodeModule } from "../../wasm/encode.ts";
import type { Instruction } from "../../wasm/instruction.ts";
import { moduleText } from "../../wasm/text.ts";
import { checkModule } from "../../wasm/validate.ts";
import { choice, constant, exported, instruction, locals, onePage } from "./modules.ts";
import { readText, withoutNames } from "./wabt.ts";

const float = (value: number) => instruction("f32x4.splat", [instruction("f32.const", [], { value })]);
const integer = (value: number) => instruction("i32x4.splat", [constant(value)]);
const words = (...values: readonly number[]) => instruction("v128.const", [], { words: values });
const lane = (vector: Instruction, index: number) => instruction("i32x4.extract_lane", [vector], { lane: index });

const vectors = [float(1.5), words(1, 2, 3, 4), integer(-2), float(1.5), integer(0x3fc00000), float(0), integer(-1)];
const expected = [0x3fc00000, 4, -2, 0x3fc00000, 0x3fc00000, 0, -1];
const store = (value: Instruction, offset: number) => instruction("i32.store", [constant(0), value], { offset });

const functions = [
  ...vectors.map((vector, i) => exported(`f${i}`, [lane(vector, 3)], { result: "i32" })),
  // Inside of blocks, loops, branches and conditions.
  exported(
    "nested",
    [
      { kind: "block", label: "end", body: [store(lane(float(1.5), 0), 0)] },
      { kind: "loop", label: "next", body: [store(lane(float(2.5), 1), 4)] },
      choice(lane(float(4.5), 2), [store(lane(float(2.5), 0), 8)], [store(lane(float(3.5), 0), 8)]),
    ],
    { parameters: locals("i32", "x") },
  ),
];

test("each constant is one global, and keeps its words; zeros and ones stay", () => {
  const module = withSharedConstants({ functions });
  expect(module.constants?.map((each) => each.words)).toEqual([
    new Array(4).fill(0x3fc00000),
    [1, 2, 3, 4],
    new Array(4).fill(0xfffffffe),
    new Array(4).fill(0x40200000),
    new Array(4).fill(0x40900000),
    new Array(4).fill(0x40600000),
  ]);
  checkModule(module);
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 1 });
  const compiled = new WebAssembly.Module(encodeModule(module, onePage));
  const { exports } = new WebAssembly.Instance(compiled, { env: { memory } });
  const call = (name: string) => (exports[name] as () => number)();
  expect(vectors.map((_, i) => call(`f${i}`))).toEqual(expected);
  call("nested");
  expect([...new Float32Array(memory.buffer, 0, 3)]).toEqual([1.5, 2.5, 2.5]);
});

test("an independent assembler reads them", async () => {
  const module = withSharedConstants({ functions });
  const binary = await readText(moduleText(module, onePage));
  expect(withoutNames(encodeModule(module, onePage))).toEqual(withoutNames(binary));
});

test("an unknown constant is named", () => {
  const body = [lane(instruction("global.get", [], { name: "none" }), 0)];
  const module = { functions: [exported("f", body, { result: "i32" })] };
  expect(() => encodeModule(module, onePage)).toThrow("global.get in function f reads the constant none");
  expect(() => checkModule(module)).toThrow("global.get none in function f reads an unknown constant: none");
});
