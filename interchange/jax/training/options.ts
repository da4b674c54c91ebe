/** @file What the parts of train.py depend on. */

/** What a model's train.py must be able to do. */
export interface TrainScriptOptions {
  /** What the entries of a recording are. */
  readonly reads: "characters" | "bytes" | "tokens" | "table";
  /** Whether the loss uses random numbers, such as for dropout. */
  readonly isRandom: boolean;
  /** The unit of the loss. */
  readonly unit: string;
}
