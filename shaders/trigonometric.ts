/**
 * @file sin and cos in WGSL, which promises them to 2^-11 on [-pi, pi] and nothing beyond. Here the angle is reduced to
 * [-pi/4, pi/4] with all its digits, whatever f32 number it is, and a polynomial is taken there.
 *
 * Coefficients as in `exponential.ts`.
 */
import type { Helper } from "./helper.ts";

export const trigonometricHelpers: readonly Helper[] = [
  {
    name: "cg_sin",
    needs: ["cg_sin_quadrant"],
    wgsl: `fn cg_sin(x: f32) -> f32 {
  return cg_sin_quadrant(x, 0);
}`,
  },
  {
    name: "cg_cos",
    needs: ["cg_sin_quadrant"],
    wgsl: `fn cg_cos(x: f32) -> f32 {
  return cg_sin_quadrant(x, 1);
}`,
  },
  {
    name: "cg_sin_quadrant",
    needs: ["cg_opaque", "cg_far_angle"],
    // Cody-Waite reduction by pi/2 in three parts below 400: the products of the first two with the number of quarter turns
    // are exact there. Beyond, `cg_far_angle`. Infinity has no sine, and is recognised by its bits, as NaN is.
    wgsl: `fn cg_sin_quadrant(x: f32, shift: i32) -> f32 {
  let magnitude = bitcast<u32>(x) & 0x7fffffffu;
  let turns = round(x * 0.63661975);
  var r = ((x - turns * 1.5707703) - turns * 0.000026063062) - turns * 6.0771006e-11;
  var quadrant = i32(turns);
  if (magnitude >= 0x43c80000u) {
    let far = cg_far_angle(magnitude);
    r = select(far.x, -far.x, x < 0.0);
    quadrant = select(i32(far.y), -i32(far.y), x < 0.0);
  }
  let s = r * r;
  let sine = r + r * (s * (-0.16666667 + s * (0.008333332 + s * (-0.00019840039 + s * 0.0000027243782))));
  let cosine = 1.0 + s * (-0.5 + s * (0.041666668 + s * (-0.0013888888 + s * (0.00002480056 - s * 2.7295832e-7))));
  let isCosine = ((quadrant + shift) & 1) == 1;
  let value = select(sine, cosine, isCosine);
  let turned = select(value, -value, ((quadrant + shift) & 2) == 2);
  return select(turned, bitcast<f32>(cg_opaque(0x7fc00000u)), magnitude >= 0x7f800000u);
}`,
  },
  {
    name: "cg_far_angle",
    needs: ["cg_high_product", "cg_from_u32"],
    // Payne & Hanek 1983, "Radian reduction for trigonometric functions". The number is an integer m of 24 bits times a
    // power of two, so of the quarter turns x · 2/pi, those that count (modulo 4) come from the 96 bits of 2/pi that start
    // at the bit which m turns into halves of a circle. `turns` holds 2/pi after 32 zeros. The product has 94 bits behind
    // the point, of which the lowest are not needed: no f32 number is nearer to a quarter turn than 2^-33 of one.
    wgsl: `fn cg_far_angle(bits: u32) -> vec2<f32> {
  var turns = array<u32, 8>(0u, 0xa2f9836eu, 0x4e441529u, 0xfc2757d1u, 0xf534ddc0u, 0xdb629599u, 0x3c439041u, 0xfe5163abu);
  let start = min(bits >> 23u, 254u) - 120u;
  let i = start >> 5u;
  let left = start & 31u;
  let right = 31u - left;
  let m = (bits & 0x7fffffu) | 0x800000u;
  let high = (turns[i] << left) | ((turns[i + 1u] >> 1u) >> right);
  let middle = (turns[i + 1u] << left) | ((turns[i + 2u] >> 1u) >> right);
  let low = (turns[i + 2u] << left) | ((turns[i + 3u] >> 1u) >> right);
  let carried = cg_high_product(m, low);
  var small = m * middle + carried;
  var large = m * high + cg_high_product(m, middle) + select(0u, 1u, small < carried);
  let quadrant = (large + 0x20000000u) >> 30u;
  large -= quadrant << 30u;
  let below = large >= 0x80000000u;
  if (below) {
    small = 0u - small;
    large = ~large + select(0u, 1u, small == 0u);
  }
  var scale = 0.00000000093132257;
  if (large == 0u) {
    large = small;
    small = 0u;
    scale *= 0.00000000023283064;
  }
  let zeros = countLeadingZeros(large | 1u);
  let top = (large << zeros) | ((small >> 1u) >> (31u - zeros));
  scale *= bitcast<f32>((127u - zeros) << 23u);
  let part = cg_from_u32(top) * scale;
  let r = part * 1.5707964 - part * 0.000000043711388;
  return vec2<f32>(select(r, -r, below), f32(quadrant));
}`,
  },
  {
    name: "cg_high_product",
    // The high word of a product of 24 and 32 bits, from products of halves.
    wgsl: `fn cg_high_product(m: u32, w: u32) -> u32 {
  let a = (m >> 16u) * (w & 0xffffu) + (((m & 0xffffu) * (w & 0xffffu)) >> 16u);
  let b = (m & 0xffffu) * (w >> 16u) + (a & 0xffffu);
  return (m >> 16u) * (w >> 16u) + (a >> 16u) + (b >> 16u);
}`,
  },
];
