/** @file Generates the type declarations of a loader, with the shapes and names of one model. */
import type { Facts, Use } from "./facts.ts";

/** The text of the .d.ts file. `about` is the comment at its top. */
export function typesText(use: Use, facts: Facts, about: string): string {
  const { reads } = use;
  const { batch, shapes } = facts.about;
  const { x, output, states } = shapes;
  const members = [
    `/** Sequences side by side. */\nreadonly batch: ${batch};`,
    `readonly shapes: {\n  readonly x: ${tuple(x)};\n  readonly output: ${tuple(output)};\n  readonly states: {${Object.entries(
      states,
    )
      .map(([name, shape]) => `\n    readonly ${JSON.stringify(name)}: ${tuple(shape)};`)
      .join("")}\n  };\n};`,
    `/**
 * Runs one time step from the state after the previous step (zeros at first): x is [${x.join(", ")}], row by row, ${
   reads !== "rows" ? `tokens from 0 to ${(facts.symbols ?? 0) - 1}` : "numbers as the network reads them"
 };
 * returns [${output.join(", ")}]. Throws a RangeError if x is invalid.
 */
step(x: ${stepType(use, facts)}, state?: Float32Array): Float32Array;`,
    `/** Returns the output of each step of a sequence, from a separate zero state. */\nrun(sequence: Iterable<${stepType(use, facts)}>): Float32Array[];`,
    "/** Resets the model's state to zeros. */\nreset(): void;",
    "/** Returns a state for `step`, which updates it in place; without one, `step` uses the model's state. */\nzeros(): Float32Array;",
    ...membersOf(use, facts),
  ];
  return `// ${about}
// Written by cellgrad compile.

export interface Model {
${members.map((member) => member.replace(/^/gm, "  ")).join("\n")}
}

/** Loads the model from a file name, a URL or bytes; by default from the file next to this one. */
export declare function load(source?: string | { readonly href: string } | ArrayBuffer | ArrayBufferView): Promise<Model>;
`;
}

const tuple = (shape: readonly number[]) => `readonly [${shape.join(", ")}]`;
const union = (names: readonly string[]) => names.map((name) => JSON.stringify(name)).join(" | ");
const list = (names: readonly string[]) => `readonly [${names.map((name) => JSON.stringify(name)).join(", ")}]`;

function stepType({ reads }: Use, { about: { shapes } }: Facts): string {
  const isOne = shapes.x.reduce((a, b) => a * b, 1) === 1;
  const numbers =
    reads !== "rows" ? "readonly number[] | Int32Array" : "readonly number[] | Float32Array | Float64Array";
  return isOne ? `number | ${numbers}` : numbers;
}

/** The members of a model besides its steps. */
function membersOf({ reads, task }: Use, facts: Facts): readonly string[] {
  const { normalisation, columns = [], targets = [] } = facts.about;
  const units = normalisation === undefined ? "" : ", in the original units";
  const reading = {
    characters: () => ["/** The character of each token. */\nreadonly vocabulary: readonly string[];", ...coding],
    bytes: () => coding,
    tokens: () => [],
    rows: () => rowMembers(columns, normalisation !== undefined),
  }[reads]();
  const doing = {
    write: () => [sample],
    forecast: () => [
      `/** Returns \`horizon\` rows that continue the past, one number per column${units}. */\nforecast(past: Iterable<${row}>, horizon: number): number[][];`,
    ],
    find: () => findMembers(reads, targets, units),
    step: () => [],
  }[task]();
  return [...reading, ...doing];
}

const row = "ArrayLike<number>";

const coding: readonly string[] = [
  "/** Returns the tokens of a text. Throws a RangeError for a character that is not in the vocabulary. */\nencode(text: string): number[];",
  "decode(tokens: ArrayLike<number>): string;",
];

const sample = `/**
 * Continues a prompt and yields the text of each token. Logits are divided by the temperature (0.8 by default; 0 picks the
 * most likely token). The same seed (1 by default, an integer below 2^32) gives the same text; \`cellgrad sample\` has the
 * same defaults. Throws a RangeError if an option is invalid. Uses a separate state.
 */
sample(options: { prompt?: string; length: number; temperature?: number; seed?: number }): Generator<string, void, void>;`;

function rowMembers(columns: readonly string[], isNormalised: boolean): readonly string[] {
  const numbers = "readonly number[]";
  return [
    `readonly columns: ${list(columns)};`,
    ...(isNormalised
      ? [
          `/** \`step\` reads and returns normalised values, (value - mean) / deviation. */\nreadonly normalisation: { readonly mean: ${numbers}; readonly deviation: ${numbers} };`,
        ]
      : []),
  ];
}

function findMembers(reads: Use["reads"], targets: readonly string[], units: string): readonly string[] {
  const [given, sequence] = {
    characters: ["A text", "text: string"],
    bytes: ["A text", "text: string"],
    tokens: ["Tokens", "tokens: Iterable<number>"],
    rows: [`Rows of one number per column${units},`, `rows: Iterable<${row}>`],
  }[reads];
  return [
    `readonly targets: ${list(targets)};`,
    `/** ${given} from a zero state: returns the network's last output by name; for a classifier, the logits. */\npredict(${sequence}): { readonly [Target in ${union(targets)}]: number };`,
    ...(targets.length === 1
      ? []
      : [
          `/** Returns the name with the largest number: for a classifier, the class. */\nclassify(${sequence}): ${union(targets)};`,
        ]),
  ];
}
