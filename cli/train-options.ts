/** @file The options of `cellgrad train`, as the command line or a model that is resumed gives them. */
import type { Decimal } from "../train/data/field.ts";
import type { DeviceOptions } from "./device.ts";
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
  readonly seed: number;
  readonly out?: string;
  /** Look for the op that made a number which is not finite. */
  readonly debugNan?: boolean;
  readonly json?: boolean;
  /** Search for a tuning first. */
  readonly tune?: boolean;
  /** The model whose tuning to train with. */
  readonly tuning?: string;
  /** Of text: characters, bytes, or the path of a tokenizer.json. */
  readonly tokens: string;
  /** The text of that tokenizer.json, where it is known already. */
  readonly tokenizer?: string;
  /** Of a table: the columns to read. */
  readonly columns?: readonly string[];
  /** Of a table: how it is read where its text does not tell. */
  readonly separator?: string;
  readonly decimal?: Decimal;
  readonly missing?: "last";
  /** Steps from one measurement of the held-out loss to the next. */
  readonly evalEvery?: number;
  /** Batches of a measurement, at the most; 0 for all. */
  readonly evalBatches: number;
  /** Measurements without improvement that end the run. */
  readonly patience?: number;
  /** The model of the run to go on with. */
  readonly resume?: string;
  /** Seconds from one save on the way to the next. */
  readonly saveEvery: number;
  /** The file for the log. */
  readonly log?: string;
  /** Names of the options that were written. */
  readonly given: ReadonlySet<string>;
}
