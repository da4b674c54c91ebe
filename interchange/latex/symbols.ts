/** @file Names of a cell's source as LaTeX: letters in italics, words upright, weights with their scope as subscript. */

const greek: ReadonlySet<string> = new Set(
  "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau upsilon phi chi psi omega".split(
    " ",
  ),
);

/** LaTeX of a name: `h`, `\theta`, `\mathrm{forget}`, `\text{forget\_bias}`. */
export function symbolOf(name: string): string {
  if (/^[A-Za-z]$/.test(name)) return name;
  if (greek.has(name)) return `\\${name}`;
  // A letter with a number, such as W2.
  const numbered = /^([A-Za-z])(\d+)$/.exec(name);
  if (numbered !== null) return `${numbered[1]}_{${numbered[2]}}`;
  return /^[A-Za-z]+$/.test(name) ? `\\mathrm{${name}}` : `\\text{${asText(name)}}`;
}

/** Adds a subscript, after an existing one. */
export function withSubscript(symbol: string, below: string): string {
  const before = /^(.*)_\{([^{}]*)\}$/.exec(symbol);
  if (before !== null) return `${before[1]}_{${before[2]},${below}}`;
  return `${symbol}_${below.length === 1 ? below : `{${below}}`}`;
}

/** LaTeX of a parameter's path within its cell: `forget/kernel` is `W_{\mathrm{forget}}`, and `forget/bias` is `b_{…}`. */
export function parameterSymbol(path: string, kernel = "W"): string {
  const parts = path.split("/");
  const own = parts.at(-1) ?? path;
  const scope = parts.slice(0, -1).join("/");
  if (scope === "") return own === "bias" ? "b" : symbolOf(own);
  const letter = own === "kernel" ? kernel : own === "bias" ? "b" : symbolOf(own);
  return withSubscript(letter, symbolOf(scope));
}

const escapes: Readonly<Record<string, string>> = {
  "\\": "\\textbackslash{}",
  "^": "\\textasciicircum{}",
  "~": "\\textasciitilde{}",
};

/** Escapes special characters. */
function asText(text: string): string {
  return text.replace(/[\\^~]|[{}$&#_%]/g, (character) => escapes[character] ?? `\\${character}`);
}

/** LaTeX of a number: 0.1, or a power of ten if it is very large or small. */
export function numberTex(value: number): string {
  if (Number.isNaN(value)) return "\\mathrm{NaN}";
  if (!Number.isFinite(value)) return value < 0 ? "-\\infty" : "\\infty";
  const [mantissa = "", exponent] = String(Number(value.toPrecision(6))).split("e");
  const plain = Math.abs(value) < 1e-4 && value !== 0 && exponent === undefined ? value.toExponential() : undefined;
  const [digits = "", power = ""] = plain === undefined ? [mantissa, exponent] : plain.split("e");
  if (power === "") return digits;
  const ten = `10^{${Number(power)}}`;
  return digits === "1" ? ten : `${digits} \\cdot ${ten}`;
}
