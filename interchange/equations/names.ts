/**
 * @file Names of .cell files. The same name can be written in several ways, such as `h_{t-1}` and `hₜ₋₁`, or `W_z`,
 * `W_{z}` and `Wz`; Greek letters are their names. A subscript t is the time, any other one is part of the name.
 */

export interface Name {
  /** As it is written. */
  readonly text: string;
  /** The name without the time: the same for all ways to write it. */
  readonly key: string;
  readonly stem: string;
  readonly scope?: string;
  /** Set by a subscript t or t−1. */
  readonly time?: "now" | "before";
  /** Whether it has a prime: the next value of a state. */
  readonly isNext: boolean;
}

const greek: Readonly<Record<string, string>> = Object.fromEntries(
  [
    ..."α alpha β beta γ gamma δ delta ε epsilon ζ zeta η eta θ theta ι iota κ kappa λ lambda μ mu ν nu ξ xi".split(
      " ",
    ),
    ..."π pi ρ rho σ sigma ς sigma τ tau υ upsilon φ phi ϕ phi χ chi ψ psi ω omega ϵ epsilon ϑ theta".split(" "),
    ..."Γ Gamma Δ Delta Θ Theta Λ Lambda Ξ Xi Π Pi Σ Sigma Φ Phi Ψ Psi Ω Omega".split(" "),
  ].flatMap((one, i, all) => (i % 2 === 0 ? [[one, all[i + 1] ?? one]] : [])),
);

const below: Readonly<Record<string, string>> = Object.fromEntries(
  [..."₀0₁1₂2₃3₄4₅5₆6₇7₈8₉9₋-ₐaₑeₒoₓxₕhₖkₗlₘmₙnₚpₛsₜtᵢiᵣrᵤuᵥvⱼjᵦβᵧγᵨρᵩφᵪχ"].flatMap((one, i, all) =>
    i % 2 === 0 ? [[one, all[i + 1] ?? one]] : [],
  ),
);

const spelled = (text: string) => [...text].map((letter) => greek[letter] ?? letter).join("");

/** Reads a name as the grammar finds it. */
export function nameOf(text: string): Name {
  const isNext = text.endsWith("'");
  const plain = isNext ? text.slice(0, -1) : text;
  const split = /[_\u2080-\u2089\u208b\u2090-\u209c\u1d62-\u1d6a\u2c7c]/.exec(plain)?.index ?? plain.length;
  const letters = plain.slice(0, split);
  const subscript = [...plain.slice(split).replace(/[_{}]/g, "")]
    .map((letter) => below[letter] ?? letter)
    .join("")
    .replaceAll("\u2212", "-")
    .trim();
  if (subscript === "t") return { text, key: spelled(letters), stem: spelled(letters), time: "now", isNext };
  if (/^t *- *1$/.test(subscript))
    return { text, key: spelled(letters), stem: spelled(letters), time: "before", isNext };
  // Wz and bz are W_z and b_z.
  const [first = "", second, ...more] = letters;
  const isShort = subscript === "" && /^[WURVb]$/.test(first) && second !== undefined && more.length === 0;
  const [stem, scope] = isShort ? [first, spelled(second)] : [spelled(letters), spelled(subscript.replace(/ +/g, "-"))];
  return { text, key: scope === "" ? stem : `${stem}_${scope}`, stem, ...(scope !== "" && { scope }), isNext };
}

/** Whether a weight of this name is a matrix: its first letter is a capital one. */
export function isMatrix({ stem }: Name): boolean {
  const first = stem[0] ?? "";
  return first !== first.toLowerCase();
}

/** The path of a weight in its cell: `W_forget` is `forget/kernel`, `b_forget` is `forget/bias`, and `u` is `u`. */
export function pathOf({ stem, scope }: Name): string {
  if (scope === undefined) return stem;
  return `${scope}/${stem === "W" ? "kernel" : stem === "b" ? "bias" : stem}`;
}
