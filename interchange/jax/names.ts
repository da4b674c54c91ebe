/** @file Python identifiers from the names of cells, states, parameters and a user's variables. */

/** Keywords, builtins that the printed code could hide, and letters that linters take for digits. */
const reserved: ReadonlySet<string> = new Set(
  (
    "False None True and as assert async await break class continue def del elif else except finally for from global " +
    "if import in is lambda nonlocal not or pass raise return try while with yield match case type " +
    "abs all any bool dict float id input int iter len list map max min next object pow print range round set sorted " +
    "str sum super tuple vars zip l O I jax jnp lax partial Any Array Params dtype main"
  ).split(" "),
);

/** A name as Python writes it: `nextC` is `next_c`, and `layer-norm-lstm` is `layer_norm_lstm`. */
export function snakeCase(name: string): string {
  const words = name
    .replace(/([a-z0-9])([A-Z])/g, "$1_$2")
    .replace(/([A-Z])([A-Z][a-z])/g, "$1_$2")
    .replace(/[^A-Za-z0-9]+/g, "_")
    .replace(/^_+|_+$/g, "");
  // A single capital letter is a matrix or a size, and stays one.
  const lower = /^[A-Z]$/.test(words) ? words : words.toLowerCase();
  return lower === "" ? "value" : /^[0-9]/.test(lower) ? `_${lower}` : lower;
}

/** The names in use in one function, or in a module. */
export class Names {
  readonly #taken: Set<string>;

  constructor(taken: Iterable<string> = []) {
    this.#taken = new Set(taken);
  }

  /** Names for a nested function, which sees those outside. */
  inner(): Names {
    return new Names(this.#taken);
  }

  /** A free name like `wanted`, which is then taken. */
  fresh(wanted: string): string {
    const base = snakeCase(wanted);
    const safe = reserved.has(base) ? `${base}_` : base;
    let name = safe;
    for (let n = 2; this.#taken.has(name); n++) name = `${safe}${/\d$/.test(safe) ? "_" : ""}${n}`;
    this.#taken.add(name);
    return name;
  }

  take(name: string): void {
    this.#taken.add(name);
  }
}
