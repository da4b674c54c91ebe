/** @file `cellgrad check`: the gradient of a user's cell, on random sizes and numbers. */
import type { CellDefinition, NdArray } from "../../index.ts";
import { type Case, drawArguments } from "../../testing/gradients/case.ts";
import { type CheckReport, checkCell } from "../../testing/gradients/check-gradients.ts";
import { LIMITS } from "../../testing/gradients/compare.ts";
import { stopSites, tracePrograms } from "../../testing/gradients/programs.ts";
import { ExitCode, shortPath } from "../errors.ts";
import { jsonLine, line, type Streams } from "../streams.ts";
import { cellByName } from "../user-module.ts";

export interface CheckCommandOptions {
  readonly cases: number;
  readonly seed?: number;
  readonly units?: number;
  readonly features?: number;
  readonly json?: boolean;
}

export async function check(module: string, options: CheckCommandOptions, { stdout }: Streams): Promise<number> {
  const definition = await cellByName(module);
  const { cases, units, features } = options;
  const seed = options.seed ?? Math.floor(Math.random() * 2 ** 31);
  const report = checkCell(definition, { cases, seed, ...(units && { units }), ...(features && { features }) });
  const right = report.failure === undefined;
  if (options.json) jsonLine(stdout, { cell: definition.cellName, right, seed, ...report });
  else {
    const heading = `${definition.cellName}: reverse-mode gradient, ${report.cases} random case${report.cases === 1 ? "" : "s"} (seed ${seed})`;
    const numbers = drawnNumbers(definition, report.failure?.case);
    const again = `cellgrad check ${module} --seed ${seed}${units ? ` --units ${units}` : ""}${features ? ` --features ${features}` : ""}`;
    for (const text of [heading, ...(right ? verdict(report) : complaint(report, numbers, again))]) line(stdout, text);
  }
  return right ? ExitCode.ok : ExitCode.wrong;
}

function verdict({ comparisons, kinks, worst }: CheckReport): string[] {
  const skipped = kinks === 0 ? "" : `, ${kinks} more lay on a kink and were left out`;
  return [
    `  ${comparisons} derivatives compared${skipped}`,
    `  against forward mode         worst error ${worst.forward.toExponential(1)} (limit ${LIMITS.forward})`,
    `  against central differences  worst error ${worst.difference.toExponential(1)} (limit ${LIMITS.difference})`,
    "right",
  ];
}

function complaint({ failure }: CheckReport, numbers: readonly string[], again: string): string[] {
  if (failure === undefined) return [];
  const { units, features, batch, time, carried } = failure.case;
  const { argument, reason } = failure.fault;
  return [
    `wrong: ${argument === undefined ? reason : `the derivative with respect to ${argument}: ${reason}`}`,
    `  smallest failing case: units ${units}, features ${features}, batch ${batch}, time ${time}, starting ${carried ? "in a carried state" : "at zero"}`,
    ...numbers.map((text) => `    ${text}`),
    `  again: ${again}`,
  ];
}

/** The arguments of a case, a line each: exact, since the weights and inputs have three decimals. */
function drawnNumbers(definition: CellDefinition, failing: Case | undefined): string[] {
  if (failing === undefined) return [];
  const programs = tracePrograms(definition, failing.units, failing.features);
  const args = drawArguments(programs, failing);
  const stops = [...new Set(stopSites(programs.value))].map((site) => shortPath(site.replace(/:\d+$/, "")));
  return [
    ...programs.arguments.map(({ name }, i) => `${name} = ${format(args[i])}`),
    ...(stops.length === 0 ? [] : [`note: stopGradient at ${stops.join(", ")}: no derivative passes through it`]),
  ];
}

function format(value: NdArray | undefined): string {
  const shown = [...(value?.data ?? [])].slice(0, 12).map((x) => String(Number(x.toPrecision(6))));
  const more = (value?.data.length ?? 0) > shown.length ? ", …" : "";
  return `[${shown.join(", ")}${more}]  (shape [${value?.shape.join(", ")}])`;
}
