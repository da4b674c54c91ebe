/** @file `npm run bench:isa`: what AMD's compiler makes of the kernels of a training step, with no GPU. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Program } from "../../compiler/plan/program.ts";
import { UsageError } from "../options.ts";
import type { IsaCell } from "./cells.ts";
import { criticalPaths } from "./critical-path.ts";
import { dispatchesOf } from "./dispatches.ts";
import { type Driver, findDriver, NotRun, underDriver } from "./driver.ts";
import { type KernelRow, rowOf } from "./kernel-row.ts";
import { listingsOf, listingsOfAll } from "./listing.ts";
import { type IsaOptions, parseIsaOptions, usage } from "./options.ts";
import { rdna2 } from "./rdna2.ts";
import { lineOf, readRows, save, tables } from "./report.ts";

/** This file runs as bench/dist/isa/main.mjs. */
const dist = fileURLToPath(new URL(".", import.meta.url));
const bench = join(dist, "../..");
const say = (words: string) => console.error(`bench:isa: ${words}`);

async function main(args: readonly string[]): Promise<void> {
  const today = new Date().toISOString().slice(0, 10);
  const options = parseIsaOptions(args, today);
  if (options === undefined) {
    console.log(usage);
    return;
  }
  // Before minutes of compiling, not after them.
  const before = options.against === undefined ? undefined : readRows(options.against);
  const driver = findDriver(join(bench, "isa", "compile-only-layer.c"));
  const rows: KernelRow[] = [];
  let driverName = "";
  for (const cell of options.cells)
    for (const units of options.units) {
      say(`${cell}, ${units} units`);
      if (options.schedules !== undefined) {
        const found = [];
        for (const schedule of options.schedules)
          found.push([schedule, (await rowsOf(driver, cell, units, options, schedule)).rows] as const);
        console.log(criticalPaths(found, options));
        continue;
      }
      const { rows: found, name } = await rowsOf(driver, cell, units, options, "auto");
      driverName = name;
      for (const { kernel, batch, fault } of found)
        if (fault !== undefined) say(`${cell}, ${units} units, batch ${batch}, ${kernel}: not counted: ${fault}`);
      if (options.json) for (const row of found) console.log(lineOf(row));
      rows.push(...found);
    }
  if (!options.json && options.schedules === undefined) console.log(tables(rows, before));
  if (options.save !== undefined) {
    const command = ["npm run bench:isa", ...(args.length > 0 ? ["--", ...args] : [])].join(" ");
    const files = save(join(bench, "results"), options.save, {
      date: today,
      command,
      driver: driverName,
      rows,
      before,
    });
    say(`written: ${files.map((file) => `bench/results/${file}`).join(" and ")}`);
  }
}

/** One program serves all batch sizes: no pipeline depends on them. */
async function rowsOf(
  driver: Driver,
  cell: IsaCell,
  units: number,
  { batches, precision, time }: IsaOptions,
  schedule: string,
) {
  const folder = mkdtempSync(join(tmpdir(), "cellgrad-isa-"));
  try {
    const file = join(folder, "program.json");
    const printed = await underDriver(
      driver,
      join(dist, "compile.mjs"),
      [cell, String(units), file, precision, schedule],
      join(folder, "printed"),
    );
    const { program, driver: name } = JSON.parse(readFileSync(file, "utf8")) as { program: Program; driver: string };
    const listings = listingsOfAll(listingsOf(printed), program.kernels);
    const rows = batches.flatMap((batch) => {
      const sizes = { B: batch, T: time };
      return dispatchesOf(program, sizes)
        .filter(({ dispatch }) => dispatch.phase !== "update")
        .map((placed) => {
          const listing = listings.get(placed.kernel.name);
          if (listing === undefined) throw new Error(`the driver printed no code of ${placed.kernel.name}`);
          return rowOf({ cell, units, batch }, program, placed, listing, sizes, rdna2);
        });
    });
    return { rows, name };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

main(process.argv.slice(2)).catch((error: unknown) => {
  if (error instanceof NotRun) {
    console.log(`not run: ${error.message}`);
    return;
  }
  const isUsage = error instanceof UsageError;
  console.error(`bench:isa: ${isUsage ? error.message : error instanceof Error ? error.stack : String(error)}`);
  process.exitCode = isUsage ? 2 : 1;
});
