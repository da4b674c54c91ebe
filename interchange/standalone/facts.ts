/**
 * @file The data that a loader needs besides code and weights. It is a custom section of the module, so that one file holds
 * the whole model.
 */
import type { Normalisation } from "../../train/data/normalisation.ts";

/** The name of the section; its content is JSON in UTF-8. */
export const sectionName = "cellgrad";

/** The use of a model, which determines the text of its loader. */
export interface Use {
  /** Continue a text, continue a series, predict targets; or only steps, for a batch above 1. */
  readonly task: "write" | "forecast" | "find" | "step";
  /** The entries of x. "tokens" are those of a tokenizer, which the loader does not include. */
  readonly reads: "characters" | "bytes" | "tokens" | "rows";
}

/** An array in the module's memory. */
export interface NumbersAt {
  /** In bytes. */
  readonly address: number;
  readonly length: number;
}

/** Shapes of x, the output, and each state by name. */
export interface Shapes {
  readonly x: readonly number[];
  readonly output: readonly number[];
  readonly states: Readonly<Record<string, readonly number[]>>;
}

/** The name that a loader compares to recognise models of its kind. */
export const nameOfUse = ({ task, reads }: Use): string => `${task} ${reads}`;

export interface Facts {
  readonly use: string;
  /** The input of a step: i32 tokens, or f32 numbers. */
  readonly x: NumbersAt;
  readonly output: NumbersAt;
  /** All states, with padding between them. */
  readonly state: NumbersAt;
  /** Size of the vocabulary, for tokens. */
  readonly symbols?: number;
  readonly about: About;
}

/** The public properties of a loaded model. */
export interface About {
  /** Rows side by side. */
  readonly batch: number;
  readonly shapes: Shapes;
  /** The character of each token, for characters. */
  readonly vocabulary?: readonly string[];
  readonly columns?: readonly string[];
  readonly normalisation?: Normalisation;
  readonly targets?: readonly string[];
}
