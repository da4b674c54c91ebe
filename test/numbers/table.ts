/** @file The figures of docs/trust.md, and a measurement held to them. */
import { expect, test } from "vitest";
import { page } from "../docs/pages.ts";
import { hostNames } from "../fuzz/protocol.ts";
import type { Measured } from "./protocol.ts";

const rows = [
  ...page("docs/trust.md").matchAll(/^\| `(\w+)` \| [^|]+ \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \|$/gm),
];

/** Where functions are measured: WebGPU in each host, and the CPU, of which WebAssembly makes the same everywhere. */
const places = [...hostNames, "cpu"] as const;
type Place = (typeof places)[number];

/** Of each function the largest error in each place, in ulp. */
export const table = new Map(rows.map(([, name = "", ...figures]) => [name, figures.map(Number)]));

/** The tests of one place; `found` is known when they run. */
export function holdToTable(place: Place, found: () => Measured): void {
  test("computes exactly what is exact", () => {
    expect(found().inexact).toEqual([]);
  });

  test.each([...table])("%s is as good as the table says, and the table no looser", (name, figures) => {
    const { ulp, x, y, got, exact } = found().measured.worst[name] ?? Object.create(null);
    const figure = figures[places.indexOf(place)] ?? Number.NaN;
    expect(ulp, `${got} for ${exact} at ${x}, ${y}`).toBeLessThanOrEqual(figure);
    expect(figure).toBeLessThanOrEqual(2 * ulp + 0.5);
  });
}
