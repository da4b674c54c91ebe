/** @file Random expressions have the same values in the engine and in JavaScript. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { encodeModule } from "../../wasm/encode.ts";
import type { Instruction, Plain } from "../../wasm/instruction.ts";
import { opcodes } from "../../wasm/opcodes.ts";
import { moduleText } from "../../wasm/text.ts";
import { checkModule } from "../../wasm/validate.ts";
import { type Rule, rules, type Type, type Value } from "./meanings.ts";
import { constant, exported, instruction, local, locals, onePage, run } from "./modules.ts";
import { readText, withoutNames } from "./wabt.ts";

/** An instruction, and its value. */
interface Tree {
  readonly code: Plain;
  readonly value: Value;
}

const given = { a: -1234567, b: Math.fround(-2.7) };

function ofRule({ op, meaning }: Rule, operands: readonly Tree[]): Tree {
  return {
    code: instruction(
      op,
      operands.map(({ code }) => code),
    ),
    value: meaning(operands.map(({ value }) => value)),
  };
}

const wordsOf = (floats: readonly number[]) => [...new Uint32Array(new Float32Array(floats).buffer)];
const vector = (words: readonly number[]) => instruction("v128.const", [], { words });
const float = (value: number) => instruction("f32.const", [], { value });

const wholes = fc.oneof(fc.integer(), fc.integer({ min: -70, max: 70 }), fc.constantFrom(-(2 ** 31), 2 ** 31 - 1));
const reals = fc.oneof(
  fc.float(),
  fc.integer({ min: -9, max: 9 }).map((halves) => halves / 2),
);
const four = (each: fc.Arbitrary<number>) => fc.array(each, { minLength: 4, maxLength: 4 });

const leaves: Readonly<Record<Type, fc.Arbitrary<Tree>>> = {
  i32: fc.oneof(
    wholes.map((value) => ({ code: constant(value), value })),
    fc.constant({ code: local("a"), value: given.a }),
  ),
  f32: fc.oneof(
    reals.map((value) => ({ code: float(value), value })),
    fc.constant({ code: local("b"), value: given.b }),
  ),
  i32x4: four(wholes).map((value) => ({ code: vector(value.map((word) => word >>> 0)), value })),
  f32x4: four(reals).map((value) => ({ code: vector(wordsOf(value)), value })),
};

const trees = fc.letrec<Readonly<Record<Type, Tree>>>((tie) => {
  const of = (type: Type) =>
    fc.oneof(
      { depthIdentifier: "tree", depthSize: "large", maxDepth: 8, withCrossShrink: true },
      leaves[type],
      ...rules
        .filter(({ result }) => result === type)
        .map((rule) => fc.tuple(...rule.operands.map((type) => tie(type))).map((operands) => ofRule(rule, operands))),
    );
  return { i32: of("i32"), f32: of("f32"), i32x4: of("i32x4"), f32x4: of("f32x4") };
});

/** A function that stores an expression's value at an address. */
function stored(name: string, type: Type, code: Instruction) {
  const op = type === "i32" || type === "f32" ? `${type}.store` : "v128.store";
  const parameters = [...locals("i32", "address", "a"), ...locals("f32", "b")];
  return exported(name, [instruction(op, [local("address"), code], { offset: 16 })], { parameters });
}

const address = 64;

/** The value of each expression in the engine. */
function computed(expressions: readonly (readonly [type: Type, tree: Tree])[]): Value[] {
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 1 });
  const functions = expressions.map(([type, { code }], i) => stored(`f${i}`, type, code));
  checkModule({ functions });
  const call = run(functions, memory);
  return expressions.map(([type], i) => {
    call(`f${i}`, address, given.a, given.b);
    const array = type.startsWith("i32") ? Int32Array : Float32Array;
    const lanes = [...new array(memory.buffer, address + 16, 4)];
    return type.endsWith("x4") ? lanes : (lanes[0] ?? 0);
  });
}

test("every rule, for edge-case numbers", () => {
  const edges: Readonly<Record<Type, readonly Tree[]>> = {
    i32: [0, 1, -1, 33, 2 ** 31 - 1, -(2 ** 31)].map((value) => ({ code: constant(value), value })),
    f32: [-0, 0.5, 2.5, -1.5, Number.NaN, -Infinity, 3e9].map((value) => ({ code: float(value), value })),
    i32x4: [
      [0, 1, -1, 2 ** 31 - 1],
      [5, 5, 0, -(2 ** 31)],
      [-1, -1, -1, 7],
    ].map((value) => ({
      ...{ code: vector(value.map((word) => word >>> 0)), value },
    })),
    f32x4: [
      [-0, 0.5, Number.NaN, 3e9],
      [0, -1.5, 1, -Infinity],
      [2.5, -0.5, 3, -3e9],
    ].map((value) => ({
      ...{ code: vector(wordsOf(value)), value },
    })),
  };
  for (const rule of rules) {
    const [first = [], ...rest] = rule.operands.map((type) => edges[type]);
    let tuples: Tree[][] = first.map((tree) => [tree]);
    for (const next of rest) tuples = tuples.flatMap((tuple) => next.map((tree) => [...tuple, tree]));
    const expressions = tuples.map((operands) => [rule.result, ofRule(rule, operands)] as const);
    expect([rule.op, computed(expressions)]).toEqual([rule.op, expressions.map(([, { value }]) => value)]);
  }
});

test("the rules cover all instructions that compute one value of i32, f32 and their vectors, with named exceptions", () => {
  const isArithmetic = (op: string) =>
    /^(i32|f32|i32x4|f32x4|v128)\./.test(op) && !/load|store|atomic|const|lane|relaxed/.test(op);
  const known = new Set(rules.map(({ op }) => op));
  const missing = [...opcodes.keys()].filter((op) => isArithmetic(op) && !known.has(op));
  // Divisions trap and bits of NaN are not defined: these are tested separately.
  const apart = ["i32.div_s", "i32.div_u", "i32.rem_s", "i32.rem_u", "f32.copysign", "i32.reinterpret_f32"];
  expect(missing.sort()).toEqual([...apart, "f32.reinterpret_i32"].sort());
});

test("random expressions", async () => {
  const types = ["i32", "f32", "i32x4", "f32x4"] as const;
  const any = fc.oneof(...types.map((type) => trees[type].map((tree) => [type, tree] as const)));
  fc.assert(
    fc.property(fc.array(any, { minLength: 1, maxLength: 8 }), (expressions) => {
      expect(computed(expressions)).toEqual(expressions.map(([, { value }]) => value));
    }),
    { numRuns: 60 },
  );
  const [sample = []] = fc.sample(fc.array(any, { minLength: 60, maxLength: 60 }), { numRuns: 1, seed: 1 });
  const functions = sample.map(([type, { code }], i) => stored(`f${i}`, type, code));
  const binary = await readText(moduleText({ functions }, onePage));
  expect(Buffer.from(binary).equals(withoutNames(encodeModule({ functions }, onePage)))).toBe(true);
});

test("divisions, signs and bits", () => {
  const integer = (op: string, a: number, b: number) => instruction(op, [constant(a), constant(b)]);
  const bits = (value: Instruction) => instruction("i32.reinterpret_f32", [value]);
  const cases: readonly (readonly [Instruction, number])[] = [
    [integer("i32.div_s", -7, 2), -3],
    [integer("i32.div_u", -7, 2), 2147483644],
    [integer("i32.rem_s", -7, 2), -1],
    [integer("i32.rem_u", -7, 4), 1],
    [bits(instruction("f32.copysign", [float(2), float(-1)])), 0xc0000000 | 0],
    [bits(instruction("f32.reinterpret_i32", [constant(0x7fc00001)])), 0x7fc00001],
    [bits(float(1)), 0x3f800000],
  ];
  const call = run(cases.map(([code], i) => exported(`f${i}`, [code], { result: "i32" })));
  expect(cases.map((_, i) => call(`f${i}`))).toEqual(cases.map(([, value]) => value));
});

test("lanes are extracted, replaced and shuffled by their numbers", () => {
  const vectors = [vector([10, 11, 12, 13]), vector([20, 21, 22, 23])];
  const lanes = (...words: readonly number[]) => words.flatMap((word) => [0, 1, 2, 3].map((byte) => 4 * word + byte));
  const cases: readonly (readonly [Plain, Value])[] = [
    [instruction("i32x4.replace_lane", [vector([1, 2, 3, 4]), constant(9)], { lane: 2 }), [1, 2, 9, 4]],
    [instruction("f32x4.replace_lane", [vector([1, 2, 3, 4]), float(1)], { lane: 1 }), [1, 0x3f800000, 3, 4]],
    [instruction("i8x16.shuffle", vectors, { lanes: lanes(3, 4, 0, 6) }), [13, 20, 10, 22]],
    [
      instruction("i8x16.swizzle", [vector([10, 11, 12, 13]), vector([0x0f0e0d0c, 0x03020100, 0xffffffff, 4])]),
      [13, 10, 0, 0x0a0a0a0b],
    ],
    [instruction("i8x16.splat", [constant(2)]), new Array(4).fill(0x02020202)],
    [instruction("i16x8.splat", [constant(3)]), new Array(4).fill(0x00030003)],
  ];
  expect(computed(cases.map(([code, value]) => ["i32x4", { code, value }]))).toEqual(cases.map(([, value]) => value));
});
