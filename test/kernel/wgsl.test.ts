/**
 * @file Expressions as WGSL: literals that read back as the same number, and constants hidden from WGSL's constant
 * evaluation.
 */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Expressions } from "../../compiler/kernel/expressions.ts";
import type { Expr, Scalar } from "../../compiler/kernel/ir.ts";
import { expressionText } from "../../shaders/expression.ts";

const e = new Expressions();
const x = e.variable("x", "f32", 0);
const n = e.variable("n", "u32", 0);
const text = (expr: Expr) =>
  expressionText(expr, {
    element: ({ name }, index) => `${name}[${index}]`,
    barriers: [],
    opaque: (bits: string) => `cg_opaque(${bits})`,
    uniform: (sum) => `sizes.${sum.join("_")}`,
    builtin: () => undefined,
  });
const literal = (value: number, type: Scalar) => text(e.literal(value, type));

describe("literals", () => {
  test.each([
    [0, "0.0f"],
    [1, "1.0f"],
    [-2.5, "(-2.5f)"],
    [0.1, "0.1f"],
    [1 / 3, "0.33333334f"],
    [16777216, "16777216.0f"],
    [1e21, "1e+21f"],
    [-1e-7, "(-1e-7f)"],
    [2 ** -149, "1e-45f"],
    // Shorter literals round to it, but WGSL rejects literals above the largest f32.
    [3.4028234663852886e38, "3.4028234663852886e+38f"],
    [-3.4028234663852886e38, "(-3.4028234663852886e+38f)"],
    [-0, "bitcast<f32>(cg_opaque(0x80000000u))"],
    [Number.NaN, "bitcast<f32>(cg_opaque(0x7fc00000u))"],
    [Number.POSITIVE_INFINITY, "bitcast<f32>(cg_opaque(0x7f800000u))"],
    [-1e39, "bitcast<f32>(cg_opaque(0xff800000u))"],
  ])("%d", (value, expected) => expect(literal(value, "f32")).toBe(expected));

  test("of other types", () => {
    expect([7, -7, 2147483647, -2147483648].map((value) => literal(value, "i32"))).toEqual([
      ...["7i", "(-7i)", "2147483647i", "(-2147483647i - 1i)"],
    ]);
    expect([7, 2 ** 20 - 1, 2 ** 20, 2 ** 32 - 1].map((value) => literal(value, "u32"))).toEqual([
      ...["7u", "1048575u", "0x100000u", "0xffffffffu"],
    ]);
    expect([0, 1].map((value) => literal(value, "bool"))).toEqual(["false", "true"]);
  });

  test("every f32 number reads back as itself, and no shorter text does", () => {
    fc.assert(
      fc.property(fc.float({ noNaN: true, noDefaultInfinity: true }), (value) => {
        fc.pre(!Object.is(value, -0));
        const decimal = literal(value, "f32").replace(/[()f]/g, "");
        expect(Math.fround(Number(decimal))).toBe(value);
        const digits = decimal
          .replace(/e.*/, "")
          .replace(/\D/g, "")
          .replace(/^0+|0+$/g, "").length;
        const shorter = Number(value.toPrecision(Math.max(1, digits - 1)));
        const isTooLarge = Math.abs(shorter) > 3.4028234663852886e38;
        if (digits > 1) expect(Math.fround(shorter) !== value || isTooLarge, decimal).toBe(true);
      }),
    );
  });
});

describe("a constant that WGSL would evaluate at compile time", () => {
  test("is hidden if it may be invalid", () => {
    expect(text(e.mul(e.f32(3e38), e.f32(10)))).toBe("(bitcast<f32>(cg_opaque(bitcast<u32>(3e+38f))) * 10.0f)");
    expect(text(e.add(e.i32(1), e.i32(2)))).toBe("(bitcast<i32>(cg_opaque(bitcast<u32>(1i))) + 2i)");
    expect(text(e.sub(e.u32(1), e.u32(2)))).toBe("(cg_opaque(1u) - 2u)");
    expect(text(e.sqrt(e.f32(-1)))).toBe("sqrt(bitcast<f32>(cg_opaque(bitcast<u32>((-1.0f)))))");
    expect(text(e.convert(e.f32(3e38), "i32"))).toBe("i32(bitcast<f32>(cg_opaque(bitcast<u32>(3e+38f))))");
    expect(text(e.bitcast(e.u32(0x7f800000), "f32"))).toBe("bitcast<f32>(cg_opaque(0x7f800000u))");
  });

  test("stays if one operand hides the rest, or any bits are valid", () => {
    expect(text(e.mul(x, e.f32(10)))).toBe("(x * 10.0f)");
    expect(text(e.neg(e.mul(e.f32(2), e.f32(3))))).toBe("(-(bitcast<f32>(cg_opaque(bitcast<u32>(2.0f))) * 3.0f))");
    expect(text(e.bitcast(e.f32(1), "u32"))).toBe("bitcast<u32>(1.0f)");
    expect(text(e.and(e.bool(true), e.bool(false)))).toBe("(true & false)");
    expect(text(e.vector([e.f32(0)]))).toBe("vec4<f32>(0.0f)");
  });
});

test("operations with another syntax in WGSL", () => {
  const condition = e.less(n, e.u32(3));
  expect(text(e.select(condition, x, e.f32(0)))).toBe("select(0.0f, x, (n < 3u))");
  expect(text(e.not(e.and(condition, e.notEqual(n, e.u32(1)))))).toBe("(!((n < 3u) & (n != 1u)))");
  expect(text(e.shiftLeft(e.bitNot(n), e.u32(2)))).toBe("((~n) << 2u)");
  expect(text(e.component(e.vector([x, x, e.f32(0), e.f32(1)]), 2))).toBe("vec4<f32>(x, x, 0.0f, 1.0f).z");
  expect(text(e.fromLane(x, 3))).toBe("subgroupBroadcast(x, 3u)");
  expect(text(e.fromQuad(x, 3))).toBe("quadBroadcast(x, 3u)");
  expect([1, 2, 3, 4, 8].map((mask) => text(e.fromLaneXor(x, mask)))).toEqual([
    "quadSwapX(x)",
    "quadSwapY(x)",
    "quadSwapDiagonal(x)",
    "subgroupShuffleXor(x, 4u)",
    "subgroupShuffleXor(x, 8u)",
  ]);
  expect(text(e.convert(n, "f32"))).toBe("f32(n)");
  expect(text(e.min(n, e.size("4*B")))).toBe("min(n, (4u * sizes.B))");
  expect(text(e.add(n, e.uniform(["B", 3])))).toBe("(n + sizes.B_3)");
});
