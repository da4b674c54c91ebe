/**
 * @file The embedded Reber grammar: strings of a small automaton (Reber 1967, "Implicit learning of artificial
 * grammars") between two equal symbols, T or P. The second of the pair can only be told from the first, across a stretch
 * that says nothing of it: Smith & Zipser 1989; Fahlman 1991, "The recurrent cascade-correlation architecture", fig. 2;
 * Hochreiter & Schmidhuber 1997, experiment 1.
 *
 * Strings follow each other without a break, as in Gers, Schmidhuber & Cummins 2000, section 4.1, so that it is text like
 * any other.
 */
import { at } from "../../compiler/graph/errors.ts";
import { textBatches, vocabularyFrom } from "../data/text.ts";
import { type RandomStream, randomStream } from "../random.ts";
import { parameterValues, type Task } from "./task.ts";

/** From each state of the automaton, two ways that are equally likely: a symbol, and the state that it leads to. */
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
export const embeddedReber: Task = {
  name: "embedded-reber",
  about: "Say which symbols may follow; the last T or P of a string is its second symbol again.",
  source: "Fahlman 1991; Hochreiter & Schmidhuber 1997, experiment 1",
  kind: "text",
  parameters,
  batches: (seed, { batch, time, parameters: given }) => {
    const { length } = parameterValues(embeddedReber.name, parameters, given);
    const { text, choices } = reberText(length, randomStream(seed, embeddedReber.name));
    const vocabulary = vocabularyFrom(symbols);
    return {
      ...textBatches(vocabulary.encode(text), { batch, time }),
      vocabulary,
      baseline: Math.log(symbols.length),
      // A fair choice costs ln 2, and nothing else is left to chance.
      best: (choices * Math.LN2) / text.length,
    };
  },
};

/** So many symbols, and in how many places the grammar had a choice. */
export function reberText(length: number, random: RandomStream): { readonly text: string; readonly choices: number } {
  const strings: string[] = [];
  let [written, choices] = [0, 0];
  while (written < length) {
    const { text, choices: made } = embeddedString(random);
    strings.push(text);
    written += text.length;
    choices += made;
  }
  return { text: strings.join("").slice(0, length), choices: (choices * length) / written };
}

function embeddedString(random: RandomStream): { readonly text: string; readonly choices: number } {
  const outer = random.uniform() < 0.5 ? "T" : "P";
  let [inner, state, choices] = ["", 0, 1];
  while (state !== last) {
    const [symbol = "", next] = at(at(automaton, state), random.uniform() < 0.5 ? 0 : 1);
    inner += symbol;
    state = Number(next);
    choices += 1;
  }
  return { text: `B${outer}B${inner}E${outer}E`, choices };
}
