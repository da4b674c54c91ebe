/** @file The text of functions: its layout, and that an independent assembler reads it. */
import { expect, test } from "vitest";
import { encodeModule } from "../../wasm/encode.ts";
import type { Instruction } from "../../wasm/instruction.ts";
import { functionText, moduleText } from "../../wasm/text.ts";
import { add, assign, choice, constant, exported, instruction, local, locals, onePage } from "./modules.ts";
import { readText, withoutNames } from "./wabt.ts";

const row = exported(
  "sums",
  [
    {
      kind: "block",
      label: "end",
      body: [
        {
          kind: "loop",
          label: "rows",
          body: [
            instruction("br_if", [instruction("i32.ge_u", [local("row0"), local("end")])], { name: "end" }),
            assign(
              "sum",
              instruction("f32x4.add", [
                instruction("f32x4.mul", [
                  instruction("v128.load", [local("row0")], { offset: 16 }),
                  instruction("v128.const", [], { words: new Array(4).fill(0x3f000000) }),
                ]),
                instruction("f32x4.mul", [local("sum"), instruction("f32x4.splat", [local("scale")])]),
              ]),
            ),
            assign("row0", add(local("row0"), constant(32))),
            instruction("br", [], { name: "rows" }),
          ],
        },
      ],
    },
    choice(local("end"), [instruction("nop")], [assign("row0", constant(-1))]),
    instruction("f32x4.extract_lane", [local("sum")], { lane: 3 }),
  ],
  {
    parameters: [...locals("i32", "row0", "end"), ...locals("f32", "scale")],
    locals: locals("v128", "sum"),
    result: "f32",
  },
);

test("a function is printed as a tree of instructions, within the line width", () => {
  expect(functionText(row)).toBe(
    `
(func $sums (export "sums") (param $row0 i32) (param $end i32) (param $scale f32) (result f32)
  (local $sum v128)
  (block $end
    (loop $rows
      (br_if $end (i32.ge_u (local.get $row0) (local.get $end)))
      (local.set $sum
        (f32x4.add
          (f32x4.mul (v128.load offset=16 (local.get $row0)) (v128.const f32x4 0.5 0.5 0.5 0.5))
          (f32x4.mul (local.get $sum) (f32x4.splat (local.get $scale)))))
      (local.set $row0 (i32.add (local.get $row0) (i32.const 32)))
      (br $rows)))
  (if (local.get $end)
    (then
      (nop))
    (else
      (local.set $row0 (i32.const -1))))
  (f32x4.extract_lane 3 (local.get $sum)))`.trim(),
  );
});

test("many parameters and locals take several lines, and deep expressions are wrapped", () => {
  let deep: Instruction = local("x0");
  for (let i = 0; i < 600; i++) deep = add(deep, local(`x${i % 40}`));
  const names = Array.from({ length: 40 }, (_, i) => `x${i}`);
  const wide = exported("wide", [instruction("drop", [deep])], {
    parameters: locals("f32", ...names.map((name) => `${name}_given`)),
    locals: locals("i32", ...names),
  });
  const lines = functionText(wide).split("\n");
  expect(lines.filter((line) => line.length > 100 && line.includes("(i32.add (")).length).toBe(0);
  expect(lines.filter((line) => line.includes("(param")).length).toBeLessThan(12);
  expect(lines.filter((line) => line.includes("(local ")).length).toBeLessThan(12);
});

test("an independent assembler produces the same bytes: names, constants, nested labels and mixed locals", async () => {
  const floats = [
    0,
    -0,
    0.1,
    1 / 3,
    16777217,
    3.4028234663852886e38,
    2 ** -149,
    -1e-20,
    Infinity,
    -Infinity,
    Number.NaN,
  ];
  const bits = floats.map((value) => new Uint32Array(new Float32Array([value]).buffer)[0] ?? 0);
  const words = [...bits, 1, 0xffff, 0xffffffff, 0x80000000, 0x7fffffff, 0x3f800001, 0x00800000, 0x7f800001];
  const vectors = words.flatMap((word) => [
    [word, word, word, word],
    [word, 0, 0x40000000, 0],
    [1, word, 2, 3],
  ]);
  const drops = [
    ...floats.map((value) => instruction("f32.const", [], { value })),
    ...[0, -1, 2 ** 31, 2 ** 32 - 1, -(2 ** 31)].map(constant),
    ...vectors.map((lanes) => instruction("v128.const", [], { words: lanes })),
  ].map((value) => instruction("drop", [value]));
  const nested: Instruction = {
    kind: "loop",
    label: "same",
    body: [
      { kind: "block", label: "same", body: [choice(constant(1), [instruction("br", [], { name: "same" })], [])] },
    ],
  };
  const odd = ["σ ħ", "a\\b", 'quote"', "lstm.forward/0", "(x)", "tab\t", "\u{1f600}"];
  const mixed = ["f32", "i32", "v128", "i32", "f32"] as const;
  const functions = [
    row,
    exported("constants", drops),
    exported("deep", [nested, assign("σ ħ", constant(1))], {
      locals: [...mixed.map((type, i) => ({ name: `x${i}`, type })), ...locals("i32", ...odd)],
    }),
    ...odd.map((name) => exported(name, [])),
    { ...exported("hidden", [instruction("call", [], { name: "σ ħ" })]), isExported: false },
  ];
  const binary = await readText(moduleText({ functions }, onePage));
  expect(Buffer.from(binary).equals(withoutNames(encodeModule({ functions }, onePage)))).toBe(true);
});

test("an independent assembler produces the same bytes for a module with its own memory and data", async () => {
  const own = { initialPages: 1, maximumPages: 70, isShared: false, isOwn: true };
  const module = {
    functions: [row],
    data: [
      { address: 0, bytes: Uint8Array.from({ length: 256 }, (_, i) => i) },
      { address: 40000, bytes: Uint8Array.of(34, 92, 10) },
    ],
  };
  const binary = await readText(moduleText(module, own));
  expect(Buffer.from(binary).equals(withoutNames(encodeModule(module, own)))).toBe(true);
});

test("words of a vector are printed as integers or floats if they look like them, otherwise as bits", () => {
  const text = (...words: readonly number[]) => {
    const lines = functionText(exported("f", [instruction("drop", [instruction("v128.const", [], { words })])]));
    return lines.match(/v128\.const ([^)]*)/)?.[1];
  };
  expect(text(0, 1, 0xffffffff, 300)).toBe("i32x4 0 1 -1 300");
  expect(text(0x3f800000, 0, 0xbfc00000, 0x3dcccccd)).toBe("f32x4 1 0 -1.5 0.1");
  expect(text(0x3f800000, 0x80000000, 0, 1)).toBe("i32x4 0x3f800000 0x80000000 0x00000000 0x00000001");
  expect(text(0x7f000000, 0x7f000000, 0x7f000000, 0x7f000000)).toBe(`i32x4${" 0x7f000000".repeat(4)}`);
});
