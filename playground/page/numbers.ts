/** @file Numbers as people read them. */
import { pageLanguage } from "../shared/language.ts";

/** Such as 12,345. */
export function grouped(value: number): string {
  return Math.round(value).toLocaleString(pageLanguage);
}

/** Such as 12,300 or 1.2 M: three digits say how fast. */
export function rate(value: number): string {
  if (value >= 1e6) return `${(value / 1e6).toPrecision(3)} M`;
  return grouped(Number(value.toPrecision(3)));
}

/** Losses: four significant digits. */
export function short(value: number): string {
  if (!Number.isFinite(value)) return String(value);
  return Math.abs(value) >= 1e4 || (value !== 0 && Math.abs(value) < 1e-3)
    ? value.toExponential(2)
    : value.toPrecision(4);
}

/** Numbers along an axis: four digits, or as many as tell one from the next. */
export function ticksInWords(ticks: readonly (number | null)[]): string[] {
  const numbers = ticks.filter((tick) => tick !== null);
  const steps = numbers.slice(1).map((tick, i) => Math.abs(tick - (numbers[i] ?? 0)));
  const exponent = (value: number) => Math.floor(Math.log10(value || 1));
  const largest = Math.max(...numbers.map(Math.abs));
  const digits = exponent(largest) - exponent(Math.min(...steps, largest)) + 2;
  const text = (tick: number) => String(Number(tick.toPrecision(Math.min(17, Math.max(4, digits)))));
  return ticks.map((tick) => (tick === null ? "" : text(tick)));
}

/** Such as 60.8 kB. */
export function byteSize(bytes: number): string {
  return bytes < 1e6 ? `${(bytes / 1e3).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}
