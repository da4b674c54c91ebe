/**
 * @file The embedded Reber grammar: strings of a small automaton (Reber 1967, "Implicit learning of artificial
 * grammars") between two equal symbols, T or P. The second of the pair can only be predicted from the first, across a
 * stretch that does not depend on it: Smith & Zipser 1989; Fahlman 1991, "The recurrent cascade-correlation architecture",
 * fig. 2; Hochreiter & Schmidhuber 1997, experiment 1.
 *
 * Strings follow each other without a break, as in Gers, Schmidhuber & Cummins 2000, section 4.1, so that it is ordinary
 * text.
 */
import { at } from "../../compiler/graph/errors.ts";
import type { NdArray } from "../../compiler/graph/ndarray.ts";
import { textBatches, vocabularyFrom } from "../data/text.ts";
import { type RandomStream, randomStream } from "../random.ts";
import { sequencesOfScore } from "./scores.ts";
import { type Predict, parameterValues, type Task } from "./task.ts";

/** For each state of the automaton, two equally likely transitions: a symbol, and the next state. */
const automaton = [
  ["T1", "P2"],
  ["S1", "X3"],
  ["T2", "V4"],
  ["X2", "S5"],
  ["P3", "V5"],
] as const;
const last = automaton.length;

const symbols = ["B", "E", "P", "S", "T", "V", "X"];

const parameters = [
  {
    name: "length",
    about: "symbols in all, a tenth of them held out",
    initial: 20_000,
    least: 100,
    most: 2_000_000,
    whole: true,
  },
] as const;

/** The embedded Reber grammar: Smith & Zipser 1989; Hochreiter & Schmidhuber 1997, experiment 1. */
export const embeddedReber: Task = grammarTask(
  {
    name: "embedded-reber",
    about: "Say which symbols may follow; the last T or P of a string is its second symbol again.",
    source: "Fahlman 1991; Hochreiter & Schmidhuber 1997, experiment 1",
  },
  embeddedReberString,
);

/** The plain Reber grammar, which needs no long memory: Reber 1967; Cleeremans, Servan-Schreiber & McClelland 1989. */
export const reber: Task = grammarTask(
  {
    name: "reber",
    about: "Say which symbols may follow in strings of a small automaton.",
    source: "Reber 1967; Cleeremans, Servan-Schreiber & McClelland 1989",
  },
  reberString,
);

function grammarTask(
  described: Pick<Task, "name" | "about" | "source">,
  stringOf: (random: RandomStream) => GrammarString,
): Task {
  const { name } = described;
  return {
    ...described,
    kind: "text",
    parameters,
    batches: (seed, sizes) => {
      const { length } = parameterValues(name, parameters, sizes);
      const { batch, time } = sizes;
      const { text, choices } = textOf(stringOf, length, randomStream(seed, name));
      const vocabulary = vocabularyFrom(symbols);
      return {
        ...textBatches(vocabulary.encode(text), { batch, time }),
        vocabulary,
        baseline: Math.log(symbols.length),
        // A fair choice costs ln 2, and everything else is predictable.
        best: (choices * Math.LN2) / text.length,
      };
    },
    score: (seed, _sizes, predict) => legality(stringOf, randomStream(seed, `${name}/score`), predict),
  };
}

/**
 * Number of scored strings in a row. Another string before them is read but not scored: the model must first find where
 * strings begin.
 */
const stringsOfRow = 20;

/**
 * Counts the strings, of a thousand new ones, with an illegal prediction: as the most likely symbol; or, as in Hochreiter &
 * Schmidhuber 1997 (section 5.1), an illegal symbol that is more likely than a legal one.
 */
async function legality(
  stringOf: (random: RandomStream) => GrammarString,
  random: RandomStream,
  predict: Predict,
): Promise<Readonly<Record<string, number>>> {
  const rows = Array.from({ length: sequencesOfScore / stringsOfRow }, () =>
    Array.from({ length: 1 + stringsOfRow }, () => stringOf(random)),
  );
  const texts = rows.map((row) => row.map(({ text }) => text).join(""));
  const steps = Math.max(...texts.map((text) => text.length));
  const tokens = Float64Array.from({ length: steps * rows.length }, (_, i) =>
    Math.max(0, symbols.indexOf(texts[i % rows.length]?.[Math.floor(i / rows.length)] ?? "")),
  );
  const x: NdArray = { dtype: "i32", shape: [steps, rows.length], data: tokens };
  const { data } = (await predict({ x })).output;
  const counts = { "strings with a symbol that is illegal": 0, "strings with one above a legal one": 0 };
  for (const [row, [first, ...counted]] of rows.entries()) {
    let place = first?.text.length ?? 0;
    for (const { following } of counted) {
      let [isIllegal, isAbove] = [false, false];
      for (const legal of following) {
        // The output of a step predicts the next one.
        const predictions = symbols.map((symbol, i) => ({
          isLegal: legal.includes(symbol),
          logit: data[((place - 1) * rows.length + row) * symbols.length + i] ?? Number.NaN,
        }));
        const of = (isLegal: boolean) =>
          predictions.filter((each) => each.isLegal === isLegal).map(({ logit }) => logit);
        const illegal = Math.max(...of(false));
        isIllegal ||= !(Math.max(...of(true)) > illegal);
        isAbove ||= !(Math.min(...of(true)) > illegal);
        place += 1;
      }
      counts["strings with a symbol that is illegal"] += Number(isIllegal);
      counts["strings with one above a legal one"] += Number(isAbove);
    }
  }
  return counts;
}

/** A text of `length` symbols, and the number of positions at which the grammar had a choice. */
function textOf(stringOf: (random: RandomStream) => GrammarString, length: number, random: RandomStream) {
  const strings: string[] = [];
  let [written, choices] = [0, 0];
  while (written < length) {
    const { text, following } = stringOf(random);
    strings.push(text);
    written += text.length;
    choices += following.filter((legal) => legal.length > 1).length;
  }
  return { text: strings.join("").slice(0, length), choices: (choices * length) / written };
}

/** A string of a grammar, and the legal symbols at each of its positions. */
export interface GrammarString {
  /** Its symbols. */
  readonly text: string;
  /** The legal symbols at each position, one or two. */
  readonly following: readonly string[];
}

/** A string of the Reber grammar, such as BTXSE. */
export function reberString(random: RandomStream): GrammarString {
  let [text, state] = ["B", 0];
  const following = ["B"];
  while (state !== last) {
    const ways = at(automaton, state);
    const [symbol = "", next] = at(ways, random.uniform() < 0.5 ? 0 : 1);
    following.push(ways.map(([legal]) => legal).join(""));
    text += symbol;
    state = Number(next);
  }
  return { text: `${text}E`, following: [...following, "E"] };
}

/** A string of the embedded Reber grammar, such as BTBTXSETE. */
export function embeddedReberString(random: RandomStream): GrammarString {
  const outer = random.uniform() < 0.5 ? "T" : "P";
  const { text, following } = reberString(random);
  return { text: `B${outer}${text}${outer}E`, following: ["B", "TP", ...following, outer, "E"] };
}
