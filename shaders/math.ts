/**
 * @file Functions in WGSL for what the language lacks or leaves loose. A kernel gets those that its text names. What is not
 * a number stays so: the functions of a driver may lose it, and with it the sign that training has gone wrong.
 */
import { exponentialHelpers } from "./exponential.ts";
import type { Helper } from "./helper.ts";
import { trigonometricHelpers } from "./trigonometric.ts";

const helpers: readonly Helper[] = [
  ...exponentialHelpers,
  ...trigonometricHelpers,
  {
    name: "cg_opaque",
    // Keeps a bit pattern out of constant evaluation, which rejects NaN and infinity.
    wgsl: `fn cg_opaque(bits: u32) -> u32 {
  var kept = bits;
  return kept;
}`,
  },
  {
    name: "cg_is_nan",
    // By its bits: drivers may take it that there is no NaN, and drop a comparison of a number with itself.
    wgsl: `fn cg_is_nan(x: f32) -> bool {
  return (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u;
}`,
  },
  {
    name: "cg_max",
    needs: ["cg_is_nan"],
    wgsl: `fn cg_max(a: f32, b: f32) -> f32 {
  return select(select(max(a, b), b, cg_is_nan(b)), a, cg_is_nan(a));
}`,
  },
  {
    name: "cg_min",
    needs: ["cg_is_nan"],
    wgsl: `fn cg_min(a: f32, b: f32) -> f32 {
  return select(select(min(a, b), b, cg_is_nan(b)), a, cg_is_nan(a));
}`,
  },
  {
    name: "cg_div_i32",
    // By 1 where there is no quotient, which gives a. As a function: a kernel that divides by a number which is plainly 0 is
    // refused.
    wgsl: `fn cg_div_i32(a: i32, b: i32) -> i32 {
  return a / select(b, 1, (b == 0) | ((b == -1) & (a < -2147483647)));
}`,
  },
  {
    name: "cg_div_u32",
    wgsl: `fn cg_div_u32(a: u32, b: u32) -> u32 {
  return a / max(b, 1u);
}`,
  },
  {
    name: "cg_to_i32",
    needs: ["cg_is_nan"],
    // WGSL has let the conversion of what does not fit be anything. 2147483520 is the largest f32 number below 2^31.
    wgsl: `fn cg_to_i32(x: f32) -> i32 {
  let inside = i32(clamp(select(x, 0.0, cg_is_nan(x)), -2147483648.0, 2147483520.0));
  return select(inside, 2147483647, x >= 2147483648.0);
}`,
  },
  {
    name: "cg_to_u32",
    needs: ["cg_is_nan"],
    wgsl: `fn cg_to_u32(x: f32) -> u32 {
  let inside = u32(clamp(select(x, 0.0, cg_is_nan(x)), 0.0, 4294967040.0));
  return select(inside, 4294967295u, x >= 4294967296.0);
}`,
  },
  {
    name: "cg_from_u32",
    // WGSL leaves open to which side it rounds, and a driver may round twice. Both parts are exact here, and their sum is
    // rounded once.
    wgsl: `fn cg_from_u32(x: u32) -> f32 {
  return f32(x >> 8u) * 256.0 + f32(x & 255u);
}`,
  },
  {
    name: "cg_from_i32",
    wgsl: `fn cg_from_i32(x: i32) -> f32 {
  return f32(x >> 8u) * 256.0 + f32(x & 255);
}`,
  },
  {
    name: "cg_threefry",
    wgsl: `fn cg_threefry(k0: u32, k1: u32, c0: u32, c1: u32) -> u32 {
  let keys = vec3<u32>(k0, k1, 0x1bd11bdau ^ k0 ^ k1);
  var x = vec2<u32>(c0 + k0, c1 + k1);
${[0, 1, 2, 3, 4].map(threefryGroup).join("\n")}
  return x.x;
}`,
  },
];

function threefryGroup(group: number): string {
  const rotations = group % 2 === 0 ? [13, 15, 26, 6] : [17, 29, 16, 24];
  const rounds = rotations.map((r) => `  x.x += x.y; x.y = ((x.y << ${r}u) | (x.y >> ${32 - r}u)) ^ x.x;`);
  const key = `  x += vec2<u32>(keys[${(group + 1) % 3}], keys[${(group + 2) % 3}] + ${group + 1}u);`;
  return [...rounds, key].join("\n");
}

/** The helper functions that a shader's text calls, with what those call, in order. */
export function helpersFor(text: string): string {
  const wanted = new Set<string>();
  const want = (name: string): void => {
    if (wanted.has(name)) return;
    wanted.add(name);
    for (const need of helpers.find((helper) => helper.name === name)?.needs ?? []) want(need);
  };
  for (const [name] of text.matchAll(/\bcg_[a-z0-9_]+\b/g)) want(name);
  return helpers
    .filter(({ name }) => wanted.has(name))
    .map(({ wgsl }) => wgsl)
    .join("\n\n");
}
