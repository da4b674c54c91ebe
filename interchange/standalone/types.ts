/** @file The text of a loader's types: shapes and names of one model. */
import type { Facts, Use } from "./facts.ts";

/** The text of the .d.ts file. `about` is the comment at its top. */
export function typesText(use: Use, facts: Facts, about: string): string {
  const { reads } = use;
  const { batch, shapes } = facts.about;
  const { x, output, states } = shapes;
  const members = [
    `/** Rows that go side by side. */\nreadonly batch: ${batch};`,
    `readonly shapes: {\n  readonly x: ${tuple(x)};\n  readonly output: ${tuple(output)};\n  readonly states: {${Object.entries(
      states,
    )
      .map(([name, shape]) => `\n    readonly ${JSON.stringify(name)}: ${tuple(shape)};`)
      .join("")}\n  };\n};`,
    `/**
 * One time step, from the state that the step before has left (zeros at first): x is [${x.join(", ")}], row by row, ${
   reads !== "rows" ? `tokens from 0 to ${(facts.symbols ?? 0) - 1}` : "numbers as the network reads them"
 };
 * what comes is [${output.join(", ")}]. Throws a RangeError where x has other numbers.
 */
step(x: ${stepType(use, facts)}, state?: Float32Array): Float32Array;`,
    `/** What each step of a sequence gives, from a state of zeros of its own. */\nrun(sequence: Iterable<${stepType(use, facts)}>): Float32Array[];`,
    "/** The next step starts at zeros again. */\nreset(): void;",
    "/** A state for `step`, which makes it the next one; without one the model has its own. */\nzeros(): Float32Array;",
    ...membersOf(use, facts),
  ];
  return `// ${about}
// Written by cellgrad compile.

export interface Model {
${members.map((member) => member.replace(/^/gm, "  ")).join("\n")}
}

/** Reads the model: a file's name or address, or its bytes; by default the file beside this one. */
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

/** What a model has besides its steps. */
function membersOf({ reads, task }: Use, facts: Facts): readonly string[] {
  const { normalisation, columns = [], targets = [] } = facts.about;
  const units = normalisation === undefined ? "" : ", in their own units";
  const reading = {
    characters: () => ["/** The character of each token. */\nreadonly vocabulary: readonly string[];", ...coding],
    bytes: () => coding,
    tokens: () => [],
    rows: () => rowMembers(columns, normalisation !== undefined),
  }[reads]();
  const doing = {
    write: () => [sample],
    forecast: () => [
      `/** The rows that follow those of the past, as many as the horizon, a number for each column${units}. */\nforecast(past: Iterable<${row}>, horizon: number): number[][];`,
    ],
    find: () => findMembers(reads, targets, units),
    step: () => [],
  }[task]();
  return [...reading, ...doing];
}

const row = "ArrayLike<number>";

const coding: readonly string[] = [
  "/** The tokens of a text. Throws a RangeError that names a character which has none. */\nencode(text: string): number[];",
  "decode(tokens: ArrayLike<number>): string;",
];

const sample = `/**
 * Writes on from a prompt: yields what each token adds. Logits are divided by the temperature (0.8 by default; 0 takes
 * the likeliest), and one seed (1 by default, a whole number below 2^32) gives one text: \`cellgrad sample\` has the same
 * defaults. Throws a RangeError where these are others. The state is its own.
 */
sample(options: { prompt?: string; length: number; temperature?: number; seed?: number }): Generator<string, void, void>;`;

function rowMembers(columns: readonly string[], isNormalised: boolean): readonly string[] {
  const numbers = "readonly number[]";
  return [
    `readonly columns: ${list(columns)};`,
    ...(isNormalised
      ? [
          `/** What \`step\` reads and gives is (value - mean) / deviation. */\nreadonly normalisation: { readonly mean: ${numbers}; readonly deviation: ${numbers} };`,
        ]
      : []),
  ];
}

function findMembers(reads: Use["reads"], targets: readonly string[], units: string): readonly string[] {
  const [given, sequence] = {
    characters: ["A text", "text: string"],
    bytes: ["A text", "text: string"],
    tokens: ["Tokens", "tokens: Iterable<number>"],
    rows: [`Rows of a number for each column${units},`, `rows: Iterable<${row}>`],
  }[reads];
  return [
    `readonly targets: ${list(targets)};`,
    `/** ${given} from a state of zeros: what the network says at the end, by name. Of a classifier these are logits. */\npredict(${sequence}): { readonly [Target in ${union(targets)}]: number };`,
    ...(targets.length === 1
      ? []
      : [
          `/** The name whose number is the largest: of a classifier, the class. */\nclassify(${sequence}): ${union(targets)};`,
        ]),
  ];
}
