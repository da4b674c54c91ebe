/** @file Mutants of the text around and under kernels: functions in WGSL, and the frame. */
import { changed, type Mutant } from "./mutant.ts";

const onDevice = "test/gpu/ops.test.ts";
const numbers = "test/numbers/numbers.test.ts";

export const shaderMutants: readonly Mutant[] = [
  ...changed(
    "shaders/exponential.ts",
    [onDevice],
    [
      ["tanh far from zero", "let far = (1.0 - q) / (1.0 + q);", "let far = (1.0 - q) / (1.01 + q);"],
      ["tanh near zero", "a * (s * (-0.33333334", "a * (s * (-0.3"],
      ["tanh of large arguments", "cg_exp_below(-2.0 * a)", "cg_exp_below(2.0 * a)"],
      ["tanh is odd", "select(magnitude, -magnitude, x < 0.0)", "magnitude"],
      ["tanh's series ends where it is good", "a < 0.25", "a < 1.25"],
      ["sigmoid", "select(q, 1.0, x >= 0.0) / (1.0 + q)", "select(q, 1.0, x >= 0.0) / (1.001 + q)"],
      ["sigmoid of what is below zero", "select(q, 1.0, x >= 0.0) /", "select(1.0, 1.0, x >= 0.0) /"],
      ["softplus", "max(x, 0.0) + rest", "max(x, 0.01) + rest"],
      ["the logarithm of zero", "0xff800000u, zero)", "0x7fc00000u, zero)"],
      ["the logarithm of what is below zero", "select(0x7fc00000u, bits, bits", "select(0xff800000u, bits, bits"],
    ],
  ),
  ...changed(
    "shaders/exponential.ts",
    [onDevice, numbers],
    [
      ["tanh has digits near zero", "a < 0.25", "a < 0.0"],
      ["the last digits of ln 2 in exp", "- k * 0.000031946183;", "- k * 0.000031;"],
      ["the series of exp", "(0.0083333105 + r", "(0.0083 + r"],
      ["powers below 0 that are subnormal", "max(x, -88.0)", "max(x, -80.0)"],
      ["softplus near 0", "q < 0.41", "q < 1.41"],
      ["powers below the smallest number", "clamp(x, -104.0, 89.0)", "clamp(x, -80.0, 89.0)"],
      ["2^k as one factor", "y * first * second", "y * bitcast<f32>(u32(n + 127) << 23u)"],
      ["e^x - 1 where it loses digits", "cg_exp_near(a, k) + rest", "(1.0 + cg_exp_near(a, k)) - 1.0"],
      ["e^x - 1 far below 0", "clamp(x, -20.0, 89.0)", "clamp(x, -5.0, 89.0)"],
      ["the last digits of ln 2 in log", "+ k * 0.000031946183))", "))"],
      ["the series of log", "(0.40000123 + z", "(0.4 + z * 0.1 + z"],
      ["subnormal numbers have a logarithm", "select(0, 149, tiny)", "select(0, 148, tiny)"],
      ["log(1 + x) where it loses digits", "(x > -0.29) & (x < 0.41)", "(x > 0.29) & (x < 0.41)"],
    ],
  ),
  ...changed(
    "shaders/trigonometric.ts",
    [onDevice],
    [
      ["sine", "return cg_sin_quadrant(x, 0);", "return cg_sin_quadrant(x, 1);"],
      ["cosine", "return cg_sin_quadrant(x, 1);", "return cg_sin_quadrant(x, 0);"],
      ["range of the sine", "turns * 0.000026063062", "turns * 0.000026"],
      ["quadrants of the sine", "((quadrant + shift) & 1) == 1", "((quadrant + shift) & 1) == 0"],
      ["sign of the sine", "((quadrant + shift) & 2) == 2", "(quadrant & 2) == 2"],
    ],
  ),
  ...changed(
    "shaders/trigonometric.ts",
    ["test/gpu/non-finite.test.ts"],
    [["the sine of infinity", "magnitude >= 0x7f800000u)", "magnitude > 0x7f800000u)"]],
  ),
  ...changed(
    "shaders/trigonometric.ts",
    [onDevice, numbers],
    [
      ["the last digits of a near angle", "turns * 6.0771006e-11", "turns * 0.0"],
      ["the sine's series", "s * (0.008333332 + s", "s * (0.0083 + s"],
      ["the cosine's series", "(0.00002480056 - s * 2.7295832e-7)", "(0.0)"],
      ["far angles are taken for near ones", "magnitude >= 0x43c80000u", "magnitude >= 0x4f000000u"],
      ["the sign of a far angle", "select(far.x, -far.x, x < 0.0)", "far.x"],
      ["the quadrant of a far angle", "select(i32(far.y), -i32(far.y), x < 0.0)", "i32(far.y)"],
      ["digits of 2/pi", "0xfc2757d1u", "0xfc2757d0u"],
      ["where the digits of 2/pi begin", "254u) - 120u", "254u) - 119u"],
      ["the carry of a far angle", "select(0u, 1u, small < carried)", "0u"],
      ["the low word of a far angle near a quarter turn", "((small >> 1u) >> (31u - zeros))", "0u"],
      ["the high word of a product", "(a >> 16u) + (b >> 16u)", "(a >> 16u)"],
    ],
  ),
  ...changed(
    "shaders/math.ts",
    [onDevice],
    [
      [
        "casts of what is no number to i32",
        "let inside = i32(clamp(select(x, 0.0, cg_is_nan(x)),",
        "let inside = i32(clamp(select(x, 1.0, cg_is_nan(x)),",
      ],
      [
        "casts of what is no number to u32",
        "let inside = u32(clamp(select(x, 0.0, cg_is_nan(x)),",
        "let inside = u32(clamp(select(x, 1.0, cg_is_nan(x)),",
      ],
      ["the largest i32", "select(inside, 2147483647, x", "select(inside, 2147483520, x"],
      ["the largest u32", "select(inside, 4294967295u, x", "select(inside, 4294967040u, x"],
      ["i32 divided by 0", "select(b, 1, (b == 0)", "select(b, 2, (b == 0)"],
      ["u32 divided by 0", "a / max(b, 1u)", "a / max(b, 2u)"],
      ["i32 divided by -1", "((b == -1) & (a < -2147483647))", "(b == -1)"],
      ["the low bits of an i32 as f32", "f32(x & 255)", "0.0"],
      ["random bits", "0x1bd11bdau", "0x1bd11bdbu"],
      ["rotations of random bits", "[17, 29, 16, 24]", "[13, 15, 26, 6]"],
      ["keys of random bits", "keys[${(group + 1) % 3}]", "keys[${group % 3}]"],
      ["the counter in the keys", "+ ${group + 1}u);", "+ ${group}u);"],
    ],
  ),
  ...changed(
    "shaders/math.ts",
    [onDevice, numbers],
    [["u32 is rounded to f32 as the driver does", "return f32(x >> 8u) * 256.0 + f32(x & 255u);", "return f32(x);"]],
  ),
  ...changed(
    "shaders/math.ts",
    ["test/gpu/non-finite.test.ts"],
    [
      ["what is no number is one", "> 0x7f800000u", "> 0x7fffffffu"],
      ["infinity is no number", "> 0x7f800000u", ">= 0x7f800000u"],
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
    ],
  ),
  ...changed(
    "shaders/exponential.ts",
    ["test/gpu/non-finite.test.ts"],
    [
      [
        "tanh makes a number of what is none",
        "-magnitude, x < 0.0), x, cg_is_nan(x))",
        "-magnitude, x < 0.0), x, false)",
      ],
      ["sigmoid makes a number of what is none", "/ (1.0 + q), x, cg_is_nan(x))", "/ (1.0 + q), x, false)"],
      ["softplus makes a number of what is none", "+ rest, x, cg_is_nan(x))", "+ rest, x, false)"],
      ["exp makes a number of what is none", "x > 88.72284), x, cg_is_nan(x))", "x > 88.72284), x, false)"],
      [
        "exp of the largest numbers is finite",
        "y * first * second, bitcast<f32>(cg_opaque(0x7f800000u))",
        "y * first * second, 3e38",
      ],
      [
        "log makes a number of what is none",
        "zero | (bits >= 0x7f800000u)",
        "zero | ((bits >= 0x7f800000u) & (bits != 0x7fc00000u))",
      ],
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
