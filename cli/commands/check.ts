/** @file `cellgrad check`: the gradient of a user's cell, on random sizes and numbers. */
import { checkGradients } from "../../testing/gradients/check-gradients.ts";
import { reportLines } from "../../testing/gradients/report.ts";
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
  const report = checkGradients(definition, {
    cases,
    ...(options.seed !== undefined && { seed: options.seed }),
    ...(units && { units }),
    ...(features && { features }),
  });
  const { seed, failure } = report;
  const right = failure === undefined;
  if (options.json) {
    const { name: cell, failure: _, ...rest } = report;
    const numbers = failure?.arguments.map(({ name, value: { shape, data } }) => ({ name, shape, values: [...data] }));
    jsonLine(stdout, { cell, right, ...rest, ...(failure && { failure: { ...failure, arguments: numbers } }) });
  } else {
    const again = `cellgrad check ${module} --seed ${seed}${units ? ` --units ${units}` : ""}${features ? ` --features ${features}` : ""}`;
    // Lines without columns: those are of the text after its types were taken off.
    const stops = failure?.stops.map((site) => shortPath(site.replace(/:\d+$/, ""))) ?? [];
    const shown = failure === undefined ? report : { ...report, failure: { ...failure, stops } };
    for (const text of reportLines(shown, again)) line(stdout, text);
  }
  return right ? ExitCode.ok : ExitCode.wrong;
}
