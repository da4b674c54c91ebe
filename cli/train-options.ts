/** @file The options of `cellgrad train`, from the command line or from a resumed model. */
import type { Decimal } from "../train/data/field.ts";
import type { DeviceOptions } from "./device.ts";
import type { RateRange } from "./options.ts";
import type { UpdateCommandOptions } from "./update-options.ts";

export interface TrainCommandOptions extends UpdateCommandOptions, DeviceOptions {
  readonly cell: string;
  readonly units: number;
  readonly layers: number;
  readonly embed: number;
  readonly batch: number;
  readonly time: number;
  readonly steps: number;
  readonly lr: number;
  /** The rates of a population, instead of `lr`. */
  readonly lrRange?: RateRange;
  /** How many models to train at once. */
  readonly population?: number;
  /** Whether the worse half of a population ends after each round. */
  readonly halving?: boolean;
  readonly seed: number;
  /** Most bytes of a training step. */
  readonly memory?: number | "auto";
  readonly out?: string;
  /** Find the op that produced a non-finite number. */
  readonly debugNan?: boolean;
  readonly json?: boolean;
  /** Search for a tuning before training. */
  readonly tune?: boolean;
  /** The model whose tuning to train with. */
  readonly tuning?: string;
  /** Of text: characters, bytes, or the path of a tokenizer.json. */
  readonly tokens: string;
  /** The text of that tokenizer.json, if it has been read already. */
  readonly tokenizer?: string;
  /** Of a table: the columns to read. */
  readonly columns?: readonly string[];
  /** Of a table: its format, if it cannot be detected. */
  readonly separator?: string;
  readonly decimal?: Decimal;
  readonly missing?: "last";
  /** Steps from one measurement of the held-out loss to the next. */
  readonly evalEvery?: number;
  /** Most batches of one measurement; 0 for all. */
  readonly evalBatches: number;
  /** The run ends after this many measurements without an improvement. */
  readonly patience?: number;
  /** The model whose run to continue. */
  readonly resume?: string;
  /** Seconds between saves during the run. */
  readonly saveEvery: number;
  /** The log file. */
  readonly log?: string;
  /** Names of the options given on the command line. */
  readonly given: ReadonlySet<string>;
}
