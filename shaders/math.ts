/**
 * @file Functions in WGSL for what the language lacks or leaves loose. A kernel gets those that its text names.
 *
 * `exp` may overflow to infinity and `tanh` to NaN on some drivers, so both are kept away from large arguments; `sin`
 * and `cos` are only promised to 2^-11, so the range is reduced here and a polynomial used. What is not a number stays so:
 * the functions of a driver may lose it, and with it the sign that training has gone wrong.
 */

interface Helper {
  readonly name: string;
  readonly needs?: readonly string[];
  readonly wgsl: string;
}

const helpers: readonly Helper[] = [
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
    name: "cg_exp",
    needs: ["cg_is_nan"],
    wgsl: `fn cg_exp(x: f32) -> f32 {
  return select(exp(x), x, cg_is_nan(x));
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
    name: "cg_log",
    needs: ["cg_opaque"],
    // Some drivers give a finite number for what has no logarithm, which would hide that training has gone wrong.
    wgsl: `fn cg_log(x: f32) -> f32 {
  let none = bitcast<f32>(cg_opaque(select(0x7fc00000u, 0xff800000u, x == 0.0)));
  return select(none, log(x), x > 0.0);
}`,
  },
  {
    name: "cg_tanh",
    needs: ["cg_is_nan"],
    // tanh x = sign(x) (1 - q) / (1 + q) with q = exp(-2|x|), which is never above 1. Below 1/4 the odd series is
    // taken instead, since 1 - q loses digits there: its next term is under 1e-8 of the value.
    wgsl: `fn cg_tanh(x: f32) -> f32 {
  let a = abs(x);
  let q = exp(-2.0 * min(a, 20.0));
  let far = (1.0 - q) / (1.0 + q);
  let s = x * x;
  let near = a * (1.0 + s * (-0.33333334 + s * (0.13333334 + s * (-0.053968254 + s * (0.021869488 - s * 0.008863236)))));
  let magnitude = select(far, near, a < 0.25);
  return select(select(magnitude, -magnitude, x < 0.0), x, cg_is_nan(x));
}`,
  },
  {
    name: "cg_sigmoid",
    needs: ["cg_is_nan"],
    wgsl: `fn cg_sigmoid(x: f32) -> f32 {
  let q = exp(-min(abs(x), 80.0));
  return select(select(q, 1.0, x >= 0.0) / (1.0 + q), x, cg_is_nan(x));
}`,
  },
  {
    name: "cg_softplus",
    needs: ["cg_is_nan"],
    // log(1 + q) by its series where q is so small that 1 + q would drop it.
    wgsl: `fn cg_softplus(x: f32) -> f32 {
  let q = exp(-min(abs(x), 80.0));
  let y = max(x, 0.0) + select(log(1.0 + q), q * (1.0 - q * (0.5 - q * 0.33333334)), q < 0.01);
  return select(y, x, cg_is_nan(x));
}`,
  },
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
    // Cody-Waite reduction by pi/2 in three parts, then Taylor polynomials on [-pi/4, pi/4], good to an f32's rounding.
    wgsl: `fn cg_sin_quadrant(x: f32, shift: i32) -> f32 {
  let turns = round(x * 0.63661977);
  let r = ((x - turns * 1.5703125) - turns * 0.00048351288) - turns * 3.1385569e-7;
  let s = r * r;
  let sine = r * (1.0 + s * (-0.16666667 + s * (0.008333334 + s * (-0.00019841270 + s * 2.7557319e-6))));
  let cosine = 1.0 + s * (-0.5 + s * (0.041666668 + s * (-0.0013888889 + s * (2.4801587e-5 - s * 2.7557319e-7))));
  let quadrant = (i32(turns) + shift) & 3;
  let magnitude = select(sine, cosine, (quadrant & 1) == 1);
  return select(magnitude, -magnitude, quadrant >= 2);
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
  for (const [name] of text.matchAll(/\bcg_[a-z_]+\b/g)) want(name);
  return helpers
    .filter(({ name }) => wanted.has(name))
    .map(({ wgsl }) => wgsl)
    .join("\n\n");
}
