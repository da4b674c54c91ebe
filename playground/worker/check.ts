/** @file The gradient check of the edited cell, in portions, so that the worker goes on listening. */

import { cellFromTrace } from "../../compiler/dsl/traced-cell.ts";
import { UserError } from "../../compiler/graph/errors.ts";
import { checkGradients, type GradientReport } from "../../testing/gradients/check-gradients.ts";
import { nextMacrotask } from "../../train/abort.ts";
import { decodeCell } from "../../train/files/traced-cell-json.ts";
import type { CheckResult } from "../shared/protocol.ts";
import { lineOf } from "./fault.ts";

const portion = 3;
const most = 1000;

/** Compares the gradient of a traced cell with forward mode and difference quotients, at the sizes it was traced at. */
export async function checkGradient(text: string, cases: number, seed: number): Promise<CheckResult> {
  if (!Number.isInteger(cases) || cases < 1 || cases > most)
    throw new UserError(`cases is ${cases}; expected a whole number from 1 to ${most}`);
  const traced = decodeCell(text);
  const definition = cellFromTrace(traced);
  const sizes = traced.traces.map(({ units, features }) => ({ units, features }));
  let uncompared: readonly string[] | undefined;
  const total = { cases: 0, comparisons: 0, kinks: 0, worst: { forward: 0, difference: 0 } };
  for (let done = 0; done < cases; done += portion) {
    const report = checkGradients(definition, { cases: Math.min(portion, cases - done), seed: seed + done, sizes });
    total.cases += report.cases;
    total.comparisons += report.comparisons;
    total.kinks += report.kinks;
    total.worst.forward = Math.max(total.worst.forward, report.worst.forward);
    total.worst.difference = Math.max(total.worst.difference, report.worst.difference);
    const failure = failureOf(report);
    if (failure !== undefined) return { cell: traced.name, right: false, ...total, uncompared: [], failure };
    // What one portion leaves out another may compare.
    uncompared = uncompared?.filter((name) => report.uncompared.includes(name)) ?? report.uncompared;
    await nextMacrotask();
  }
  return { cell: traced.name, right: uncompared?.length === 0, ...total, uncompared: uncompared ?? [] };
}

function failureOf({ failure }: GradientReport): CheckResult["failure"] {
  if (failure === undefined) return undefined;
  const { units, features, batch, time, carried } = failure.case;
  const { argument, reason } = failure.fault;
  return {
    message: argument === undefined ? reason : `the derivative with respect to ${argument}: ${reason}`,
    ...{ units, features, batch, time, carried },
    arguments: failure.arguments.map(({ name, value }) => ({ name, shape: value.shape, values: [...value.data] })),
    notes: failure.stops.map((site) => {
      const line = lineOf(site);
      const message = "stopGradient: no derivative passes through it";
      return line === undefined ? { message } : { message, line };
    }),
  };
}
