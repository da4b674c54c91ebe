/**
 * @file The cells to start from. Their sources are the library's own files, read as the page is built, so there is one
 * copy of each; only the way they import the library is written as a visitor would write it.
 */
import gru from "../../cells/gru.ts?raw";
import lstm from "../../cells/lstm.ts?raw";
import lstm1997 from "../../cells/lstm1997.ts?raw";
import rnn from "../../cells/rnn.ts?raw";
import minimal from "../../examples/minimal-gated-unit.ts?raw";
import { asVisitorSource } from "./visitor-source.ts";

export interface Preset {
  readonly name: string;
  readonly about: string;
  readonly source: string;
}

export const presets: readonly Preset[] = [
  { name: "RNN", about: "Elman 1990: one tanh, no gates", source: asVisitorSource(rnn) },
  {
    name: "LSTM 1997",
    about: "Hochreiter & Schmidhuber: the constant error carousel",
    source: asVisitorSource(lstm1997),
  },
  { name: "LSTM", about: "Gers et al. 2000: with a forget gate", source: asVisitorSource(lstm) },
  { name: "GRU", about: "Cho et al. 2014: two gates, one state", source: asVisitorSource(gru) },
  { name: "Minimal gated unit", about: "Zhou et al. 2016: a single gate", source: asVisitorSource(minimal) },
];

export const firstPreset = "LSTM";
