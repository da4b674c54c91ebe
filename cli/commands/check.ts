/** @file `cellgrad check`: checks the gradients of a user's cell on random sizes and values. */

import { shortPath } from "../../disk/user-code.ts";
import { checkGradients } from "../../testing/gradients/check-gradients.ts";
import { reportLines } from "../../testing/gradients/report.ts";
import { ExitCode } from "../errors.ts";
import { commandLine, fileWord } from "../invocation.ts";
import { cellByName } from "../named-cell.ts";
import { jsonLine, line, type Streams } from "../streams.ts";

export interface CheckCommandOptions {
  readonly cases: number;
  readonly order: 1 | 2;
  readonly seed?: number;
  readonly units?: number;
  readonly features?: number;
  readonly surrogates?: boolean;
  readonly json?: boolean;
}

export async function check(module: string, options: CheckCommandOptions, { stdout }: Streams): Promise<number> {
  const definition = await cellByName(module);
  const { cases, order, units, features } = options;
  const report = checkGradients(definition, {
    cases,
    order,
    ...(options.seed !== undefined && { seed: options.seed }),
    ...(units && { units }),
    ...(features && { features }),
    ...(options.surrogates && { surrogates: true }),
  });
  const { seed, failure, right } = report;
  if (options.json) {
    const { name: cell, failure: _, ...rest } = report;
    const numbers = failure?.arguments.map(({ name, value: { shape, data } }) => ({ name, shape, values: [...data] }));
    jsonLine(stdout, { cell, ...rest, ...(failure && { failure: { ...failure, arguments: numbers } }) });
  } else {
    const shownOptions = { cases, seed, ...(order === 2 && { order }), units, features };
    const given = Object.entries(shownOptions).filter(([, value]) => value !== undefined);
    const flags = given.flatMap(([name, value]) => [`--${name}`, String(value)]);
    if (options.surrogates) flags.push("--surrogates");
    const again = commandLine("check", fileWord(module), ...flags);
    // Without columns, which refer to the source after its types were stripped.
    const lines = (sites: readonly string[]) => [...new Set(sites.map((site) => shortPath(site.replace(/:\d+$/, ""))))];
    const shown = {
      ...{ ...report, surrogates: lines(report.surrogates) },
      ...(failure && {
        failure: { ...failure, stops: lines(failure.stops), customGradients: lines(failure.customGradients) },
      }),
    };
    for (const text of reportLines(shown, again)) line(stdout, text);
  }
  return right ? ExitCode.ok : ExitCode.wrong;
}
