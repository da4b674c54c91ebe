/** @file Values of options: each parser takes the text of one option and gives its value, or says what it must be. */
import { UserError } from "../compiler/graph/errors.ts";

type Parser<T> = (text: string) => T;

const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

function numberOf(text: string): number {
  return NUMBER.test(text) ? Number(text) : Number.NaN;
}

/** A whole number from `low` to `high`. */
export function whole(option: string, low: number, high = 1_000_000_000): Parser<number> {
  return (text) => {
    const value = numberOf(text);
    if (Number.isInteger(value) && value >= low && value <= high) return value;
    throw new UserError(`${option} must be a whole number from ${low} to ${high}, got ${JSON.stringify(text)}`);
  };
}

/** A number above `low` (or from it on, where `inclusive`) that a float32 can hold. */
export function real(option: string, low: number, inclusive = false): Parser<number> {
  return (text) => {
    const value = numberOf(text);
    const fits = Number.isFinite(Math.fround(value)) && (inclusive ? value >= low : value > low);
    if (fits) return value;
    if (Number.isFinite(value) && !Number.isFinite(Math.fround(value))) {
      throw new UserError(
        `${option} must be a number that a float32 can hold (below 3.4e38), got ${JSON.stringify(text)}`,
      );
    }
    const range = inclusive ? `of at least ${low}` : `above ${low}`;
    throw new UserError(`${option} must be a number ${range}, got ${JSON.stringify(text)}`);
  };
}

const DEVICES = ["auto", "gpu", "software", "cpu"] as const;
export type DeviceName = (typeof DEVICES)[number];

export function deviceName(text: string): DeviceName {
  const found = DEVICES.find((name) => name === text);
  if (found === undefined)
    throw new UserError(`--device must be one of ${DEVICES.join(", ")}, got ${JSON.stringify(text)}`);
  return found;
}

/** Rules of update by the names of the command line. */
export const OPTIMIZER_NAMES = ["adam", "adamw", "sgd", "momentum", "nesterov", "rmsprop", "adagrad", "lion"] as const;
export type OptimizerName = (typeof OPTIMIZER_NAMES)[number];

/** Ways of the learning rate by the names of the command line. */
export const SCHEDULE_NAMES = ["constant", "linear", "cosine", "step", "plateau"] as const;
export type ScheduleName = (typeof SCHEDULE_NAMES)[number];

/** Texts with commas between them. */
export function listed(text: string): string[] {
  return text.split(",").map((part) => part.trim());
}

/** Numbers by name, of an option that may be given several times: NAME=VALUE. */
export function numbered(option: string) {
  return (text: string, before: Readonly<Record<string, number>>): Readonly<Record<string, number>> => {
    const [, name = "", value = ""] = /^([^=]+)=(.*)$/.exec(text) ?? [];
    if (name !== "" && Number.isFinite(numberOf(value))) return { ...before, [name]: Number(value) };
    throw new UserError(`${option} must be a name and a number, such as length=20, got ${JSON.stringify(text)}`);
  };
}
