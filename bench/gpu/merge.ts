/** @file Merges result lines of cellgrad and other libraries into one table: `node merge.mjs FILE… [--out NAME]`. */
import { readFileSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { table } from "../report.ts";
import type { Line } from "./shapes.ts";

/** Relative tolerance of root mean squares: f32 sums over up to 256,000 rows, in different orders. */
const tolerance = 2e-3;

const { values, positionals } = parseArgs({ allowPositionals: true, options: { out: { type: "string" } } });
const lines = positionals
  .flatMap((file) => readFileSync(file, "utf8").split("\n"))
  .filter((text) => text.startsWith("{"))
  .map((text) => JSON.parse(text) as Line & { readonly profile?: boolean })
  .filter(({ profile }) => profile !== true);

const key = ({ cell, units, batch, time, pass }: Line) => `${cell} ${units} ${batch} ${time} ${pass}`;
const people = [...new Set(lines.map(({ who }) => who))].sort((a, b) => rank(a) - rank(b) || a.localeCompare(b));
const groups = new Map<string, Line[]>();
for (const line of lines) groups.set(key(line), [...(groups.get(key(line)) ?? []), line]);

function rank(who: string): number {
  return who === "cellgrad" ? 0 : 1;
}

function timeOf(line: Line | undefined, reference: Line | undefined): string {
  if (line === undefined) return "";
  if (line.medianMs === undefined) return "none";
  const time = line.medianMs.toPrecision(3);
  if (line === reference || reference?.medianMs === undefined) return time;
  return `${time} (${(line.medianMs / reference.medianMs).toFixed(2)}x)`;
}

const disagreements: string[] = [];
const rows = [...groups.values()].map((group) => {
  const of = (who: string) => group.find((line) => line.who === who);
  const reference = of("cellgrad");
  for (const line of group) {
    for (const [name, value] of Object.entries(line.check ?? {})) {
      const expected = reference?.check?.[name];
      if (expected !== undefined && !(Math.abs(value - expected) <= tolerance * Math.abs(expected)))
        disagreements.push(`${key(line)}: ${name} is ${value} in ${line.who} and ${expected} in cellgrad`);
    }
  }
  const { cell, units, batch, time, pass } = group[0] as Line;
  const schedule = [...new Set(reference?.schedules?.map((text) => text.split(":")[0]) ?? [])].join("+");
  return [cell, `${units}`, `${batch}`, `${time}`, pass, schedule, ...people.map((who) => timeOf(of(who), reference))];
});

const devices = [...new Set(lines.map(({ who, device, version }) => `${who} ${version} on ${device}`))];
const text = `${devices.map((one) => `- ${one}`).join("\n")}

Median milliseconds; in brackets, as a multiple of cellgrad's. "none": it did not run.

${table([["cell", "H", "B", "T", "pass", "schedule", ...people]], rows)}

${disagreements.length === 0 ? "All results agree." : `Results differ:\n${disagreements.map((one) => `- ${one}`).join("\n")}`}
`;
console.log(text);
if (values.out !== undefined) writeFileSync(values.out, text);
if (disagreements.length > 0) process.exitCode = 1;
