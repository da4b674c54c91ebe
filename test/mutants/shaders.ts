/** @file Mutants of the text around and under kernels: functions in WGSL, and the frame. */
import { changed, type Mutant } from "./mutant.ts";

const onDevice = "test/gpu/ops.test.ts";

export const shaderMutants: readonly Mutant[] = [
  ...changed(
    "shaders/math.ts",
    [onDevice],
    [
      ["tanh far from zero", "let far = (1.0 - q) / (1.0 + q);", "let far = (1.0 - q) / (1.01 + q);"],
      ["tanh near zero", "a * (1.0 + s * (-0.33333334", "a * (1.0 + s * (-0.3"],
      ["tanh of large arguments", "exp(-2.0 * min(a, 20.0))", "exp(2.0 * a)"],
      ["tanh is odd", "return select(select(magnitude, -magnitude, x < 0.0), x", "return select(magnitude, x"],
      ["tanh has digits near zero", "a < 0.25", "a < 0.0"],
      ["tanh's series ends where it is good", "a < 0.25", "a < 1.25"],
      ["sigmoid", "select(q, 1.0, x >= 0.0) / (1.0 + q)", "select(q, 1.0, x >= 0.0) / (1.001 + q)"],
      ["sigmoid of what is below zero", "select(q, 1.0, x >= 0.0) /", "select(1.0, 1.0, x >= 0.0) /"],
      ["softplus", "let y = max(x, 0.0) + select(", "let y = max(x, 0.01) + select("],
      ["softplus where it is small", "q * (1.0 - q * (0.5 - q * 0.33333334))", "q * 0.99"],
      ["the logarithm of zero", "select(0x7fc00000u, 0xff800000u, x == 0.0)", "0x7fc00000u"],
      ["the logarithm of what is below zero", "select(0x7fc00000u, 0xff800000u, x == 0.0)", "0xff800000u"],
      ["sine", "return cg_sin_quadrant(x, 0);", "return cg_sin_quadrant(x, 1);"],
      ["cosine", "return cg_sin_quadrant(x, 1);", "return cg_sin_quadrant(x, 0);"],
      ["range of the sine", "turns * 0.00048351288", "turns * 0.000483"],
      ["the last digits of the range", "turns * 3.1385569e-7", "turns * 0.0"],
      ["quadrants of the sine", "(quadrant & 1) == 1", "(quadrant & 1) == 0"],
      ["sign of the sine", "quadrant >= 2", "quadrant >= 3"],
      ["the sine's series", "s * (0.008333334 + s", "s * (0.0083 + s"],
      ["the cosine's series", "(2.4801587e-5 - s * 2.7557319e-7)", "(0.0)"],
      ["random bits", "0x1bd11bdau", "0x1bd11bdbu"],
      ["rotations of random bits", "[17, 29, 16, 24]", "[13, 15, 26, 6]"],
      ["keys of random bits", "keys[${(group + 1) % 3}]", "keys[${group % 3}]"],
      ["the counter in the keys", "+ ${group + 1}u);", "+ ${group}u);"],
    ],
  ),
  ...changed(
    "shaders/math.ts",
    ["test/gpu/non-finite.test.ts"],
    [
      ["what is no number is one", "> 0x7f800000u", "> 0x7fffffffu"],
      ["infinity is no number", "> 0x7f800000u", ">= 0x7f800000u"],
      ["exp makes a number of what is none", "select(exp(x), x, cg_is_nan(x))", "exp(x)"],
      [
        "max loses what is no number on its left",
        "select(select(max(a, b), b, cg_is_nan(b)), a, cg_is_nan(a))",
        "max(a, b)",
      ],
      [
        "min loses what is no number on its left",
        "select(select(min(a, b), b, cg_is_nan(b)), a, cg_is_nan(a))",
        "min(a, b)",
      ],
      [
        "tanh makes a number of what is none",
        "select(select(magnitude, -magnitude, x < 0.0), x, cg_is_nan(x))",
        "select(magnitude, -magnitude, x < 0.0)",
      ],
      ["softplus makes a number of what is none", "return select(y, x, cg_is_nan(x));", "return y;"],
      ["sigmoid makes a number of what is none", "/ (1.0 + q), x, cg_is_nan(x))", "/ (1.0 + q), x, false)"],
    ],
  ),
  ...changed(
    "compiler/ops/contractions.ts",
    ["test/gpu/non-finite.test.ts"],
    [
      ["the least of all numbers is finite", "bitcast<f32>(cg_opaque(0xff800000u))", "-3.4028234663852886e38f"],
      ["a maximum loses what is no number", "`cg_max(${a}, ${b})`", "`max(${a}, ${b})`"],
    ],
  ),
  ...changed(
    "shaders/kernel.ts",
    ["test/gpu/lowering.test.ts", "test/gpu/loops.test.ts"],
    [
      [
        "workgroups beyond the first 65535 are those again",
        "workgroup_id.x + workgroup_id.y * workgroups.x",
        "workgroup_id.x",
      ],
      ["inner loops count first", "`  count${nesting}: u32,`", "`  count${loops - 1 - nesting}: u32,`"],
    ],
  ),
];
