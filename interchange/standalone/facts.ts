/**
 * @file What a loader must know of a model beside its code and weights. It stands in the module as a custom section, so that
 * the one file is all of the model.
 */
import type { Normalisation } from "../../train/data/normalisation.ts";

/** The name of the section, whose bytes are JSON in UTF-8. */
export const sectionName = "cellgrad";

/** What a loader can do with a model, which decides its text. */
export interface Use {
  /** Write on from a text, go on with a series, find what the targets name; or steps and no more, where rows go side by side. */
  readonly task: "write" | "forecast" | "find" | "step";
  /** What an entry of x stands for. Tokens are those of a tokenizer, which a loader has not. */
  readonly reads: "characters" | "bytes" | "tokens" | "rows";
}

/** Numbers in the module's memory. */
export interface NumbersAt {
  /** In bytes. */
  readonly address: number;
  readonly length: number;
}

/** Of x, the output, and each state by its name. */
export interface Shapes {
  readonly x: readonly number[];
  readonly output: readonly number[];
  readonly states: Readonly<Record<string, readonly number[]>>;
}

/** The name by which a loader knows models of its own kind. */
export const nameOfUse = ({ task, reads }: Use): string => `${task} ${reads}`;

export interface Facts {
  readonly use: string;
  /** What a step reads: i32 tokens, or f32 numbers. */
  readonly x: NumbersAt;
  readonly output: NumbersAt;
  /** All states, which may have gaps between them. */
  readonly state: NumbersAt;
  /** Of tokens: how many there are. */
  readonly symbols?: number;
  readonly about: About;
}

/** What a program sees of a loaded model. */
export interface About {
  /** Rows side by side. */
  readonly batch: number;
  readonly shapes: Shapes;
  /** Of characters: that of each token. */
  readonly vocabulary?: readonly string[];
  readonly columns?: readonly string[];
  readonly normalisation?: Normalisation;
  readonly targets?: readonly string[];
}
