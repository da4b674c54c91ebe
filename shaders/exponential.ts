/**
 * @file exp and log in WGSL, and what is made of them. The language promises exp to 3 + 2|x| units in the last place and log
 * near 1 to no digit at all, and drivers use that; so both are polynomials here, which every driver evaluates alike.
 *
 * Coefficients are interpolations at Chebyshev nodes of the functions named beside them, rounded to f32: their errors are
 * below 4e-9 of the value, a fifteenth of an f32's rounding. What is not a number stays so: exp and log tell it by its bits.
 */
import type { Helper } from "./helper.ts";

export const exponentialHelpers: readonly Helper[] = [
  {
    name: "cg_exp_near",
    // e^r - 1 with r = x - k ln 2, up to ln(2) / 2 of either sign. ln 2 comes in two parts, the first of so few bits that its
    // product with k is exact: Cody & Waite 1980, chapter 6.
    wgsl: `fn cg_exp_near(x: f32, k: f32) -> f32 {
  let r = (x - k * 0.69311523) - k * 0.000031946183;
  return r + r * r * (0.5 + r * (0.16666667 + r * (0.041666463 + r * (0.0083333105 + r * (0.0013933674 + r * 0.00019891017)))));
}`,
  },
  {
    name: "cg_exp_end",
    needs: ["cg_is_nan", "cg_opaque"],
    // 2^k y, but infinity past the largest x. 2^k is two factors, since it may be no number of its own at either end.
    wgsl: `fn cg_exp_end(x: f32, y: f32, k: f32) -> f32 {
  let n = i32(k);
  let first = bitcast<f32>(u32((n >> 1u) + 127) << 23u);
  let second = bitcast<f32>(u32(n - (n >> 1u) + 127) << 23u);
  return select(select(y * first * second, bitcast<f32>(cg_opaque(0x7f800000u)), x > 88.72284), x, cg_is_nan(x));
}`,
  },
  {
    name: "cg_exp",
    needs: ["cg_exp_near", "cg_exp_end"],
    wgsl: `fn cg_exp(x: f32) -> f32 {
  let a = clamp(x, -104.0, 89.0);
  let k = round(a * 1.442695);
  return cg_exp_end(x, 1.0 + cg_exp_near(a, k), k);
}`,
  },
  {
    name: "cg_exp_below",
    needs: ["cg_exp_near"],
    // Of x up to 0, where it takes less: 2^k is one factor, which is 0 where the result is subnormal. NaN is lost.
    wgsl: `fn cg_exp_below(x: f32) -> f32 {
  let a = max(x, -88.0);
  let k = round(a * 1.442695);
  return (1.0 + cg_exp_near(a, k)) * bitcast<f32>(u32(i32(k) + 127) << 23u);
}`,
  },
  {
    name: "cg_expm1",
    needs: ["cg_exp_near", "cg_exp_end"],
    // 2^k (1 + t) - 1 is 2^k (t + (1 - 2^-k)): t itself where k is 0, so nothing cancels. Below -20 it is -1.
    wgsl: `fn cg_expm1(x: f32) -> f32 {
  let a = clamp(x, -20.0, 89.0);
  let k = round(a * 1.442695);
  let rest = 1.0 - bitcast<f32>(u32(max(127 - i32(k), 0)) << 23u);
  return cg_exp_end(x, cg_exp_near(a, k) + rest, k);
}`,
  },
  {
    name: "cg_log_near",
    // k ln 2 + log(1 + f), with 1 + f from sqrt(1/2) to sqrt(2). With s = f / (2 + f), log(1 + f) is 2 atanh s = 2 s + s R,
    // and 2 s is f - h + s h for h = f^2 / 2: what is divided is small beside f, so a loose division costs no digit.
    wgsl: `fn cg_log_near(f: f32, k: f32) -> f32 {
  let s = f / (2.0 + f);
  let z = s * s;
  let rest = z * (0.6666667 + z * (0.40000123 + z * (0.28550804 + z * 0.23330964)));
  let h = 0.5 * f * f;
  return k * 0.69311523 - ((h - (s * (h + rest) + k * 0.000031946183)) - f);
}`,
  },
  {
    name: "cg_log",
    needs: ["cg_opaque", "cg_log_near"],
    // The exponent and the fraction by their bits, so that a subnormal number is none that a driver may take for 0.
    wgsl: `fn cg_log(x: f32) -> f32 {
  let bits = bitcast<u32>(x);
  let tiny = bits < 0x800000u;
  let scaled = select(bits, bitcast<u32>(f32(bits)), tiny);
  let k = i32(scaled - 0x3f3504f3u) >> 23u;
  let y = cg_log_near(bitcast<f32>(scaled - (u32(k) << 23u)) - 1.0, f32(k - select(0, 149, tiny)));
  let zero = (bits & 0x7fffffffu) == 0u;
  let special = bitcast<f32>(cg_opaque(select(select(0x7fc00000u, bits, bits == 0x7f800000u), 0xff800000u, zero)));
  return select(y, special, zero | (bits >= 0x7f800000u));
}`,
  },
  {
    name: "cg_log1p",
    needs: ["cg_log", "cg_log_near"],
    wgsl: `fn cg_log1p(x: f32) -> f32 {
  return select(cg_log(1.0 + x), cg_log_near(x, 0.0), (x > -0.29) & (x < 0.41));
}`,
  },
  {
    name: "cg_tanh",
    needs: ["cg_is_nan", "cg_exp_below"],
    // tanh x = sign(x) (1 - q) / (1 + q) with q = exp(-2|x|), which is never above 1. Below 1/4 a polynomial in x^2 is taken
    // instead, since 1 - q loses digits there.
    wgsl: `fn cg_tanh(x: f32) -> f32 {
  let a = abs(x);
  let q = cg_exp_below(-2.0 * a);
  let far = (1.0 - q) / (1.0 + q);
  let s = a * a;
  let near = a + a * (s * (-0.33333334 + s * (0.13333282 + s * (-0.053926885 + s * 0.020799048))));
  let magnitude = select(far, near, a < 0.25);
  return select(select(magnitude, -magnitude, x < 0.0), x, cg_is_nan(x));
}`,
  },
  {
    name: "cg_sigmoid",
    needs: ["cg_is_nan", "cg_exp_below"],
    wgsl: `fn cg_sigmoid(x: f32) -> f32 {
  let q = cg_exp_below(-abs(x));
  return select(select(q, 1.0, x >= 0.0) / (1.0 + q), x, cg_is_nan(x));
}`,
  },
  {
    name: "cg_softplus",
    needs: ["cg_is_nan", "cg_exp_below", "cg_log_near"],
    // 1 + e^-|x| is at most 2.
    wgsl: `fn cg_softplus(x: f32) -> f32 {
  let q = cg_exp_below(-abs(x));
  let isNear = q < 0.41;
  let rest = cg_log_near(select(0.5 * q - 0.5, q, isNear), select(1.0, 0.0, isNear));
  return select(max(x, 0.0) + rest, x, cg_is_nan(x));
}`,
  },
];
