/**
 * @file Checks options that callers pass by name. JavaScript callers can pass anything, and an option that nothing
 * reads is a silent error: so every function with options lists those it knows, and a type keeps the list equal to its
 * interface.
 */
import { inWords, UserError } from "./errors.ts";
import type { Aval } from "./graph.ts";

/** What an option must be; for a choice, the choices. "any" is checked where it is used. */
type Kind =
  | ("number" | "string" | "boolean" | "function" | "list" | "object" | "tensor" | "signal" | "any")
  | Readonly<Record<string, unknown>>;

type KindOf<T> =
  | "any"
  | ([T] extends [number]
      ? "number"
      : [T] extends [boolean]
        ? "boolean"
        : [T] extends [string]
          ? string extends T
            ? "string"
            : Readonly<Record<T, unknown>>
          : [T] extends [(...args: never) => unknown]
            ? "function"
            : [T] extends [readonly unknown[]]
              ? "list"
              : [T] extends [Aval]
                ? "tensor"
                : [T] extends [{ readonly throwIfAborted: unknown }]
                  ? "signal"
                  : [T] extends [object]
                    ? "object"
                    : never);

/** The kind of every option; leaving one out is a type error. */
export type Kinds<O> = { readonly [K in keyof O]-?: KindOf<Exclude<O[K], undefined>> };

/**
 * Returns the options; throws a UserError for an unknown option or one of the wrong kind. `where` names the function
 * that takes them.
 */
export function checkedOptions<O extends object>(where: string, options: O, kinds: Kinds<O>): O {
  const fault = optionsFault(options, kinds);
  if (fault !== undefined) throw new UserError(`${where}: ${fault}`);
  return options;
}

/** What is wrong with options, in one line, or undefined. */
export function optionsFault<O extends object>(options: O, kinds: Kinds<O>): string | undefined {
  const names = Object.keys(kinds);
  if (typeof options !== "object" || options === null || Array.isArray(options))
    return `the options are ${inWords(options)}; expected an object: ${taken(names)}`;
  for (const [name, value] of Object.entries(options as Readonly<Record<string, unknown>>)) {
    if (!Object.hasOwn(kinds, name)) return unknownOption(name, names);
    const kind = (kinds as Readonly<Record<string, Kind>>)[name] ?? "any";
    if (value !== undefined && !fits(value, kind)) return `${name} is ${inWords(value)}; expected ${kindInWords(kind)}`;
  }
  return undefined;
}

const taken = (names: readonly string[]) => `it takes ${names.join(", ") || "none"}`;

/** The message about an unknown option. */
export function unknownOption(name: string, names: readonly string[]): string {
  const near = nearest(name, names);
  if (near !== undefined) return `there is no option ${name}; did you mean ${near}?`;
  const isRate = synonyms[plain(name)] === rate || name === rate;
  return `there is no option ${name}; ${taken(names)}${isRate ? ` (${rate} is an option of createTrainer)` : ""}`;
}

function fits(value: unknown, kind: Kind): boolean {
  if (kind === "any") return true;
  if (typeof kind === "object") return typeof value === "string" && Object.hasOwn(kind, value);
  if (kind === "list") return Array.isArray(value);
  if (kind === "tensor") return typeof value === "object" && value !== null && "shape" in value;
  // Not of a class: a signal can come from another frame of the page.
  if (kind === "signal") return typeof value === "object" && value !== null && "throwIfAborted" in value;
  return typeof value === kind && value !== null && !Array.isArray(value);
}

function kindInWords(kind: Kind): string {
  if (typeof kind === "object")
    return Object.keys(kind)
      .map((choice) => JSON.stringify(choice))
      .join(" or ");
  return kind === "boolean"
    ? "true or false"
    : kind === "object"
      ? "a record"
      : kind === "string"
        ? "a text"
        : kind === "signal"
          ? "an AbortSignal, such as that of an AbortController"
          : `a ${kind}`;
}

const rate = "learningRate";

/** Names of options in other libraries, in lower case, and their names here. */
const synonyms: Readonly<Record<string, string>> = {
  lr: rate,
  hidden: "units",
  hiddensize: "units",
  inputsize: "features",
  inputdim: "features",
  steps: "time",
  seqlen: "time",
  bptt: "time",
  alpha: "decay",
  rho: "decay",
  gamma: "factor",
  maxnorm: "clipNorm",
  scheduler: "rateSchedule",
  keepdims: "keepAxes",
  ddof: "correction",
  ord: "order",
  gobackwards: "reverse",
  validationsplit: "heldOut",
};

/** The most similar name, if one is similar enough. */
export function nearest(given: string, names: readonly string[]): string | undefined {
  const wanted = plain(given);
  const known = Object.hasOwn(synonyms, wanted) ? synonyms[wanted] : undefined;
  if (known !== undefined && names.includes(known)) return known;
  const distances = names.map((name) => {
    const other = plain(name);
    const [short, long] = other.length < wanted.length ? [other, wanted] : [wanted, other];
    const isPart = short.length > 2 && (long.includes(short) || long.startsWith(short.slice(0, 5)));
    return [isPart ? 0.5 : distance(wanted, other), name] as const;
  });
  const farthest: readonly [number, string | undefined] = [wanted.length / 2.4, undefined];
  return distances.reduce((a, b) => (b[0] < a[0] ? b : a), farthest)[1];
}

const plain = (name: string) => name.toLowerCase().replace(/[^a-z0-9]/g, "");

/** The edit distance: the least number of letters to insert, delete, replace, or swap with the next one. */
function distance(a: string, b: string): number {
  let before: number[] = [];
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (const [i, letter] of [...a].entries()) {
    const next = [i + 1];
    for (const [j, other] of [...b].entries()) {
      const isSwap = i > 0 && j > 0 && letter === b[j - 1] && other === a[i - 1];
      const swapped = isSwap ? (before[j - 1] ?? 0) + 1 : Number.POSITIVE_INFINITY;
      const changed = (row[j] ?? 0) + (letter === other ? 0 : 1);
      next.push(Math.min(changed, swapped, (row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1));
    }
    [before, row] = [row, next];
  }
  return row[b.length] ?? 0;
}
