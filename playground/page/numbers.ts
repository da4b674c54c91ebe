/** @file Numbers as people read them. */

/** Such as 12,345. */
export function grouped(value: number): string {
  return Math.round(value).toLocaleString("en");
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

/** Such as 60.8 kB. */
export function byteSize(bytes: number): string {
  return bytes < 1e6 ? `${(bytes / 1e3).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}
