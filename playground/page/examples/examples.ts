/**
 * @file Examples to open: cells, what they learn from, and settings with which the point shows within a minute or two on
 * a CPU. Cells are those of the zoo and of the folder examples/, so there is one copy of each.
 */
import minimalGatedUnit from "../../../examples/minimal-gated-unit.ts?raw";
import orthogonalRnn from "../../../examples/orthogonal-rnn.ts?raw";
import { presets } from "../presets.ts";
import { firstSettings, type NamedSource, type Work } from "../session/workspace.ts";
import { asVisitorSource } from "../visitor-source.ts";

export interface Example {
  readonly title: string;
  /** A sentence: what it shows. */
  readonly about: string;
  readonly work: Work;
}

interface Given extends Partial<Work> {
  readonly title: string;
  readonly about: string;
  readonly change?: Partial<Work["settings"]>;
  readonly cells: readonly NamedSource[];
}

const task = (name: string, parameters: Readonly<Record<string, number>> = {}) =>
  ({ kind: "task", name, parameters }) as const;
/** Of the zoo, by their names. */
const zoo = (...names: readonly string[]): NamedSource[] =>
  names
    .flatMap((name) => presets.filter((preset) => preset.name === name))
    .map(({ name, source }) => ({ name, source }));
const own = (name: string, source: string): NamedSource => ({ name, source: asVisitorSource(source) });

const given: readonly Given[] = [
  {
    title: "A single gate writes",
    about:
      "The minimal gated unit has one gate where an LSTM has three. It learns to spell from this project’s documentation.",
    cells: [own("minimal-gated-unit", minimalGatedUnit)],
  },
  {
    title: "Add two numbers",
    about:
      "Two of 40 numbers are marked, and their sum is asked for at the end. An LSTM beside a simple network, and beside your own cell once you put it in.",
    cells: zoo("lstm", "rnn"),
    data: task("adding"),
    change: { units: 32, batch: 32, time: 40, learningRate: 0.01 },
  },
  {
    title: "Say it again later",
    about:
      "Five symbols are shown, then blanks, then they are to be said again. A network whose matrix starts orthogonal forgets nothing on the way.",
    cells: [own("orthogonal-rnn", orthogonalRnn)],
    data: task("copy", { length: 5, symbols: 4 }),
    change: { units: 64, batch: 32, time: 20, learningRate: 0.002 },
  },
  {
    title: "Which of four classes",
    about:
      "A sequence belongs to one of four classes, by the order of two symbols in it: sequence classification with a GRU.",
    cells: zoo("gru"),
    data: task("temporal-order"),
    change: { units: 32, batch: 32, time: 30, learningRate: 0.01 },
  },
  {
    title: "A gradient that vanishes",
    about:
      "A simple network and an LSTM learn the same text. Open “Gradient flow” to see how far back each of them learns from.",
    cells: zoo("rnn", "lstm"),
    change: { units: 48, time: 64, batch: 8 },
  },
  {
    title: "Chaos, one step ahead",
    about:
      "A linear recurrence predicts the Mackey-Glass series. “Write” then goes on with the series from its own predictions.",
    cells: zoo("lru"),
    data: task("mackey-glass"),
    change: { units: 32, batch: 16, time: 50, learningRate: 0.005 },
  },
  {
    title: "Neurons that spike",
    about:
      "Leaky integrate-and-fire neurons send ones and zeros. A step has no gradient, so a smooth one stands in for it going back.",
    cells: zoo("lif"),
    data: task("noisy-sine"),
    change: { units: 48, batch: 16, time: 40, learningRate: 0.005 },
  },
];

export const examples: readonly Example[] = given.map(({ title, about, cells, data, change }) => ({
  ...{ title, about },
  work: { cells, active: 0, settings: { ...firstSettings, ...change }, data: data ?? { kind: "documentation" } },
}));
