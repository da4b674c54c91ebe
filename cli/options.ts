/** @file Parsers of option values: each returns the value of an option's text, or throws a UserError that says what it must be. */
import { UserError } from "../compiler/graph/errors.ts";
import type { Precision } from "../devices/device.ts";

type Parser<T> = (text: string) => T;

const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

function numberOf(text: string): number {
  return NUMBER.test(text) ? Number(text) : Number.NaN;
}

/** An integer from `low` to `high`. */
export function whole(option: string, low: number, high = 1_000_000_000): Parser<number> {
  return (text) => {
    const value = numberOf(text);
    if (Number.isInteger(value) && value >= low && value <= high) return value;
    throw new UserError(`${option} must be a whole number from ${low} to ${high}, got ${JSON.stringify(text)}`);
  };
}

/** A number above 0 (still above 0 in the devices' float32) and up to `most`; also 0 if `mayBeZero`. */
export function real(option: string, most: number, { mayBeZero = false } = {}): Parser<number> {
  const range = mayBeZero ? `from 0 to ${most}` : `above 0, up to ${most}`;
  return (text) => {
    const value = numberOf(text);
    if (value <= most && (mayBeZero ? value >= 0 : Math.fround(value) > 0)) return value;
    throw new UserError(`${option} must be a number ${range}, got ${JSON.stringify(text)}`);
  };
}

/** The ends of a range, such as 1e-4..1e-1. */
export interface RateRange {
  readonly from: number;
  readonly to: number;
}

/** A number as `real` reads it, or two of them with ".." between. */
export function realOrRange(option: string, most: number): Parser<number | RateRange> {
  const number = real(option, most);
  return (text) => {
    const [from = "", to, ...rest] = text.split("..");
    if (to === undefined) return number(text);
    const range = { from: number(from), to: number(to) };
    if (rest.length === 0 && range.from < range.to) return range;
    throw new UserError(`${option} must be a range such as 1e-4..1e-1, lower end first, got ${JSON.stringify(text)}`);
  };
}

const UNITS: Readonly<Record<string, number>> = {
  ...{ b: 1, kb: 1e3, mb: 1e6, gb: 1e9 },
  ...{ kib: 2 ** 10, mib: 2 ** 20, gib: 2 ** 30 },
};

/** Bytes with a unit, such as 256MiB, or "auto". */
export function memorySize(option: string): Parser<number | "auto"> {
  return (text) => {
    if (text === "auto") return text;
    const [, number = "", unit = ""] = /^([\d.]+)\s*([a-z]+)$/i.exec(text.trim()) ?? [];
    const bytes = numberOf(number) * (UNITS[unit.toLowerCase()] ?? Number.NaN);
    if (bytes > 0) return bytes;
    throw new UserError(`${option} must be a size such as 256MiB, or auto, got ${JSON.stringify(text)}`);
  };
}

/** Default number of batches of a held-out loss: enough for two digits of it, however long the file. */
export const EVAL_BATCHES = 100;

const DEVICES = ["auto", "gpu", "cpu", "software", "interpreter"] as const;
export type DeviceName = (typeof DEVICES)[number];

export function deviceName(text: string): DeviceName {
  const found = DEVICES.find((name) => name === text);
  if (found === undefined)
    throw new UserError(`--device must be one of ${DEVICES.join(", ")}, got ${JSON.stringify(text)}`);
  return found;
}

/** Rejects --threads for a device without threads. */
export function checkThreads({ device, threads }: { readonly device?: DeviceName; readonly threads?: number }): void {
  if (threads !== undefined && device !== "cpu" && device !== "auto")
    throw new UserError(`--threads is for --device cpu or auto: ${device} has no threads`);
}

/** Optimizers by their names on the command line. */
export const OPTIMIZER_NAMES = ["adam", "adamw", "sgd", "momentum", "nesterov", "rmsprop", "adagrad", "lion"] as const;
export type OptimizerName = (typeof OPTIMIZER_NAMES)[number];

/** Precisions by their names on the command line. */
export const PRECISION_NAMES = ["f32", "mixed"] as const satisfies readonly Precision[];

/** Learning-rate schedules by their names on the command line. */
export const RATE_SCHEDULE_NAMES = ["constant", "linear", "cosine", "step", "plateau"] as const;
export type RateScheduleName = (typeof RATE_SCHEDULE_NAMES)[number];

/** Distinct names, separated by commas. */
export function names(option: string): Parser<string[]> {
  return (text) => {
    const list = text.split(",").map((name) => name.trim());
    if (!list.includes("") && new Set(list).size === list.length) return list;
    throw new UserError(`${option} must be different names, such as a,b, got ${JSON.stringify(text)}`);
  };
}

/** Numbers, separated by commas. */
export function numbers(option: string): Parser<number[]> {
  return (text) => {
    const list = text.split(",").map((part) => numberOf(part.trim()));
    if (list.every((value) => Number.isFinite(Math.fround(value)))) return list;
    throw new UserError(`${option} must be numbers, such as 0.5,2, got ${JSON.stringify(text)}`);
  };
}

/** NAME=VALUE of an option that can be repeated, collected into a record. */
export function assignments(option: string) {
  return (text: string, before: Readonly<Record<string, number>>): Readonly<Record<string, number>> => {
    const [, name = "", value = ""] = /^([^=]+)=(.*)$/.exec(text) ?? [];
    if (name !== "" && Number.isFinite(Math.fround(numberOf(value)))) return { ...before, [name]: Number(value) };
    throw new UserError(`${option} must be a name and a number, such as length=20, got ${JSON.stringify(text)}`);
  };
}
