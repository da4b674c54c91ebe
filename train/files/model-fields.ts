/** @file Reads and validates the metadata fields of a model file. */
import { UserError } from "../../compiler/graph/errors.ts";
import type { Normalisation } from "../data/normalisation.ts";
import { repeatedKey } from "./repeated-key.ts";

/** Facts about a training run: numbers and short texts by name, such as steps, loss, valLoss and seed. */
export type TrainingRecord = Readonly<Record<string, number | string>>;

/** Texts by key, most of them JSON. */
export class Fields {
  readonly #metadata: Readonly<Record<string, string>>;

  constructor(metadata: Readonly<Record<string, string>>) {
    this.#metadata = metadata;
  }

  text(key: string): string | undefined {
    return Object.hasOwn(this.#metadata, key) ? this.#metadata[key] : undefined;
  }

  read<T>(key: string, expected: string, is: (value: unknown) => value is T): T {
    const text = this.text(key) ?? "";
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch {
      return damaged(key, expected);
    }
    return is(value) && repeatedKey(text) === undefined ? value : damaged(key, expected);
  }

  optional<T>(key: string, expected: string, is: (value: unknown) => value is T): T | undefined {
    return this.text(key) === undefined ? undefined : this.read(key, expected, is);
  }
}

/** Throws a UserError about an invalid field. */
export function damaged(key: string, expected: string): never {
  throw new UserError(`its ${key} is missing or damaged; expected ${expected}`);
}

/** The sizes of a network. */
export interface Sizes {
  readonly units: number;
  readonly layers: number;
  readonly embed?: number;
}

export const isTexts = (value: unknown): value is readonly string[] =>
  Array.isArray(value) && value.length > 0 && value.every((item) => typeof item === "string");

export const isNames = (value: unknown): value is readonly string[] =>
  isTexts(value) && new Set(value).size === value.length;

const unprintable = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;
const longestName = 200;

/** A name without unprintable characters, shortened: cells can have any name, but a file stores only printable ones. */
export const printableName = (name: string): string =>
  [...name.replace(unprintable, "?")].slice(0, longestName).join("") || "?";

/** Whether a name from a file is safe to print in a message. */
export const isPrintableName = (name: string): boolean => printableName(name) === name;

export const isVocabulary = (value: unknown): value is readonly string[] =>
  isNames(value) && value.every((character) => [...character].length === 1);

const isNumbers = (value: unknown): value is readonly number[] => Array.isArray(value) && value.every(Number.isFinite);

export const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) > 0;

export const isSizes = (value: unknown): value is Sizes =>
  isRecord(value) &&
  isCount(value.units) &&
  isCount(value.layers) &&
  (value.embed === undefined || isCount(value.embed)) &&
  Object.keys(value).every((key) => ["units", "layers", "embed"].includes(key));

export const isNormalisation = (value: unknown): value is Normalisation =>
  isRecord(value) &&
  isNumbers(value.mean) &&
  isNumbers(value.deviation) &&
  value.mean.length === value.deviation.length &&
  value.deviation.every((deviation) => deviation > 0);

export const isTrainingRecord = (value: unknown): value is TrainingRecord =>
  isRecord(value) && Object.values(value).every((item) => typeof item === "string" || Number.isFinite(item));
