/** @file Expressions of the kernel IR: equal ones are one object, recorded facts are true, and folding keeps values. */
import { describe, expect, test } from "vitest";
import { at } from "../../compiler/graph/errors.ts";
import { globalArray } from "../../compiler/kernel/builder.ts";
import { Expressions } from "../../compiler/kernel/expressions.ts";
import { kernelFunction } from "../../compiler/kernel/function.ts";
import type { Expr, LocalArray } from "../../compiler/kernel/ir.ts";
import { printExpression as print } from "../../compiler/kernel/print.ts";
import { operandsOf } from "../../compiler/kernel/walk.ts";

const [inputs, others] = [1, 2].map((buffer) => globalArray(buffer, { name: `b${buffer}`, element: "f32" }));
const registers: LocalArray = { space: "registers", name: "sums", element: "f32", length: 4, slots: 1 };
const shared: LocalArray = { space: "shared", name: "tile", element: "f32", length: 4, slots: 1 };
const twice = kernelFunction("twice", ["f32"], "f32", (f, x) => f.add(x, x));
const square = kernelFunction("square", ["f32"], "f32", (f, x) => f.mul(x, x));

function setting() {
  const e = new Expressions();
  const lane = e.variable("lane", "u32", 0);
  const group = e.variable("group", "u32", 0, true);
  const inner = e.variable("k", "u32", 2, true);
  const x = e.variable("x", "f32", 1);
  if (inputs === undefined || others === undefined) throw new Error("two buffers");
  return { e, lane, group, inner, x, inputs, others };
}

test("equal expressions are one object, different ones are not", () => {
  const { e, lane, group, x, inputs, others } = setting();
  const makers: readonly (() => Expr)[] = [
    () => e.f32(1),
    () => e.f32(2),
    () => e.f32(0),
    () => e.f32(-0),
    () => e.f32(Number.NaN),
    () => e.i32(1),
    () => e.u32(1),
    () => e.bool(true),
    () => e.size("B"),
    () => e.size("2*B"),
    () => e.uniform(["B", 3]),
    () => e.uniform([3, "B"]),
    () => e.add(lane, group),
    () => e.add(group, lane),
    () => e.sub(lane, group),
    () => e.load(inputs, lane),
    () => e.load(inputs, group),
    () => e.load(others, lane),
    () => e.load(registers, lane),
    () => e.load(shared, lane),
    () => e.call(twice, [x]),
    () => e.call(square, [x]),
    () => e.convert(lane, "i32"),
    () => e.convert(lane, "f32"),
    () => e.bitcast(lane, "f32"),
    () => e.fromLane(x, 0),
    () => e.fromLane(x, 1),
    () => e.fromQuad(x, 1),
    () => e.component(e.vector([x]), 0),
    () => e.select(e.less(lane, group), x, e.f32(0)),
    () => e.select(e.less(lane, group), e.f32(0), x),
  ];
  const first = makers.map((make) => make());
  for (const [i, make] of makers.entries()) expect(make(), print(make())).toBe(at(first, i));
  expect(new Set(first).size).toBe(makers.length);
  expect(new Set(first.map(({ id }) => id)).size).toBe(makers.length);
  expect(first.every(Object.isFrozen)).toBe(true);
});

test("each call makes a new variable, whatever its name", () => {
  const { e } = setting();
  const [a, b] = [e.variable("v", "f32", 0), e.variable("v", "f32", 0)];
  expect(a).not.toBe(b);
  expect(e.neg(a)).not.toBe(e.neg(b));
});

test("many expressions of one op are as many objects, and each is made once", () => {
  const { e } = setting();
  const variables = Array.from({ length: 70 }, (_, i) => e.variable(`v${i}`, "f32", 0));
  const sums = () => variables.flatMap((a) => variables.map((b) => e.add(a, b)));
  const first = sums();
  expect(new Set(first).size).toBe(70 * 70);
  expect(sums().every((sum, i) => sum === first[i])).toBe(true);
});

test("literals are rounded to their type", () => {
  const { e } = setting();
  expect(e.f32(0.1).value).toBe(Math.fround(0.1));
  expect(e.f32(0.1)).toBe(e.f32(Math.fround(0.1)));
  expect(e.f32(1e39).value).toBe(Number.POSITIVE_INFINITY);
  expect([e.i32(2 ** 31).value, e.u32(-1).value]).toEqual([-(2 ** 31), 2 ** 32 - 1]);
  expect(e.size(12)).toBe(e.u32(12));
});

describe("an expression records", () => {
  test("the depth of the innermost variable that it reads", () => {
    const { e, lane, inner, x, inputs } = setting();
    const deep = e.add(lane, inner);
    expect([e.f32(1), lane, x, deep].map(({ depth }) => depth)).toEqual([0, 0, 1, 2]);
    expect([e.load(inputs, deep), e.call(twice, [x]), e.size("B")].map(({ depth }) => depth)).toEqual([2, 1, 0]);
    expect(e.select(e.less(lane, inner), x, e.f32(0)).depth).toBe(2);
  });

  test("whether all invocations of a workgroup get the same value", () => {
    const { e, lane, group, inner, inputs } = setting();
    const same = [e.size("B"), e.uniform(["B", 1]), e.add(group, inner), e.load(inputs, group), e.load(shared, inner)];
    expect(same.map(({ isUniform }) => isUniform)).toEqual(same.map(() => true));
    const different = [
      e.add(group, lane),
      e.load(inputs, lane),
      // Registers are each invocation's own.
      e.load(registers, group),
      e.call(twice, [e.convert(lane, "f32")]),
    ];
    expect(different.map(({ isUniform }) => isUniform)).toEqual(different.map(() => false));
  });

  test("whether it reads workgroup memory", () => {
    const { e, lane, x, inputs } = setting();
    const read = e.load(shared, lane);
    const indices = e.load(inputs, e.convert(read, "u32"));
    const reading = [
      read,
      e.neg(read),
      e.add(x, e.neg(read)),
      e.call(twice, [read]),
      indices,
      e.load(registers, lane, read),
    ];
    expect(reading.map(({ readsShared }) => readsShared)).toEqual(reading.map(() => true));
    const others = [lane, e.f32(1), e.size("B"), e.uniform(["B", 1]), x, e.load(inputs, lane), e.load(registers, lane)];
    expect(others.map(({ readsShared }) => readsShared)).toEqual(others.map(() => false));
  });

  test("whether it is made of literals only", () => {
    const { e, lane } = setting();
    expect([e.f32(1), e.mul(e.f32(2), e.neg(e.f32(3)))].map(({ isConstant }) => isConstant)).toEqual([true, true]);
    expect([lane, e.add(lane, e.u32(5)), e.size("B")].map(({ isConstant }) => isConstant)).toEqual([
      false,
      false,
      false,
    ]);
  });
});

describe("arithmetic of sizes", () => {
  const operations = {
    add: (a: number, b: number) => a + b,
    sub: (a: number, b: number) => a - b,
    mul: (a: number, b: number) => Math.imul(a, b),
    div: (a: number, b: number) => Math.floor(a / b),
    rem: (a: number, b: number) => a % b,
    bitAnd: (a: number, b: number) => a & b,
    min: Math.min,
    max: Math.max,
  };
  type Operation = keyof typeof operations;

  /** The value of u32 arithmetic for these values of its variables. */
  function numberOf(expr: Expr, values: ReadonlyMap<Expr, number>): number {
    if (expr.kind === "literal") return expr.value;
    if (expr.kind !== "apply") return values.get(expr) ?? Number.NaN;
    const [a = Number.NaN, b = Number.NaN] = operandsOf(expr).map((operand) => numberOf(operand, values));
    return operations[expr.op as Operation](a, b) >>> 0;
  }

  const few = [0, 1, 2, 3, 7, 64, 65536, 2 ** 32 - 1];

  test.each(Object.keys(operations) as Operation[])("folds to the device's result: %s", (op) => {
    const { e, lane, group } = setting();
    const leaves: readonly Expr[] = [lane, group, ...few.map(e.u32)];
    const values = new Map<Expr, number>([
      [lane, 13],
      [group, 2 ** 31],
    ]);
    for (const a of leaves)
      for (const b of leaves) {
        const [x, y] = [numberOf(a, values), numberOf(b, values)];
        // Division by 0 is undefined.
        if ((op === "div" || op === "rem") && y === 0) continue;
        const expr = e[op](a, b);
        expect(numberOf(expr, values), `${op} of ${print(a)} and ${print(b)}: ${print(expr)}`).toBe(
          operations[op](x, y) >>> 0,
        );
      }
  });

  test("drops neutral elements", () => {
    const { e, lane } = setting();
    const [zero, one] = [e.u32(0), e.u32(1)];
    const same = [e.add(lane, zero), e.add(zero, lane), e.sub(lane, zero)];
    for (const expr of [...same, e.mul(lane, one), e.mul(one, lane), e.div(lane, one)]) expect(expr).toBe(lane);
    expect(e.mul(e.u32(6), e.u32(7))).toBe(e.u32(42));
  });

  test("does not fold operations that wrap or are undefined", () => {
    const { e } = setting();
    const kinds = [
      e.sub(e.u32(1), e.u32(2)),
      e.mul(e.u32(65536), e.u32(65536)),
      e.div(e.u32(1), e.u32(0)),
      e.rem(e.u32(1), e.u32(0)),
    ];
    expect(kinds.map(({ kind }) => kind)).toEqual(kinds.map(() => "apply"));
  });
});

test("f32 and i32 are not folded: the device rounds, and adding 0 changes -0", () => {
  const { e, x } = setting();
  for (const expr of [e.add(x, e.f32(0)), e.mul(x, e.f32(1)), e.add(e.f32(1), e.f32(2)), e.add(e.i32(1), e.i32(0))])
    expect(expr.kind, print(expr)).toBe("apply");
});

test("operands of two types are rejected, except f32 with f32x4", () => {
  const { e, lane, x } = setting();
  expect(() => e.add(lane, x)).toThrow("add of u32 and f32");
  expect(() => e.less(lane, e.i32(1))).toThrow("less of u32 and i32");
  expect(() => e.select(lane, x, x)).toThrow("the condition of select is u32, not bool");
  expect(() => e.select(e.bool(true), x, lane)).toThrow("select of f32 and u32");
  expect(e.mul(x, e.vector([x])).type).toBe("f32x4");
});

test("a value that has the type already is not converted", () => {
  const { e, lane, x } = setting();
  expect(e.convert(lane, "u32")).toBe(lane);
  expect(e.bitcast(x, "f32")).toBe(x);
  expect(print(e.bitcast(x, "u32"))).toBe("bitcast u32(x)");
});
