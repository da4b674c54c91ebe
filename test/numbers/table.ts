/** @file The figures of docs/trust.md, and a measurement held to them. */
import { expect, test } from "vitest";
import { page } from "../docs/pages.ts";
import { type HostName, hostNames } from "../fuzz/protocol.ts";
import type { Measured } from "./protocol.ts";

const rows = [...page("docs/trust.md").matchAll(/^\| `(\w+)` \| [^|]+ \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \|$/gm)];

/** Of each function the largest error in Node, Deno and Chromium, in ulp. */
export const table = new Map(rows.map(([, name = "", ...figures]) => [name, figures.map(Number)]));

/** The tests of one host; `found` is known when they run. */
export function holdToTable(host: HostName, found: () => Measured): void {
  test("computes exactly what is exact", () => {
    expect(found().inexact).toEqual([]);
  });

  test.each([...table])("%s is as good as the table says, and the table no looser", (name, figures) => {
    const { ulp, x, y, got, exact } = found().measured.worst[name] ?? Object.create(null);
    const figure = figures[hostNames.indexOf(host)] ?? Number.NaN;
    expect(ulp, `${got} for ${exact} at ${x}, ${y}`).toBeLessThanOrEqual(figure);
    expect(figure).toBeLessThanOrEqual(2 * ulp + 0.5);
  });
}
