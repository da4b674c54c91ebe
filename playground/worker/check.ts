/** @file The gradient check of the edited cell, in portions, so that the worker goes on listening. */
import { drawArguments } from "../../testing/gradients/case.ts";
import { type CheckReport, checkCell } from "../../testing/gradients/check-gradients.ts";
import { stopSites, tracePrograms } from "../../testing/gradients/programs.ts";
import type { CellDefinition } from "../../compiler/dsl/cell.ts";
import { cellFromTrace } from "../../compiler/dsl/traced-cell.ts";
import { UserError } from "../../compiler/graph/errors.ts";
import { decodeCell } from "../../train/traced-cell-json.ts";
import type { CheckResult } from "../shared/protocol.ts";
import { lineOf } from "./fault.ts";
import { nextTask } from "./training-loop.ts";

const portion = 3;
const most = 1000;

/** Compares the gradient of a traced cell with forward mode and difference quotients, at the sizes it was traced at. */
export async function checkGradient(text: string, cases: number, seed: number): Promise<CheckResult> {
  if (!Number.isInteger(cases) || cases < 1 || cases > most)
    throw new UserError(`cases is ${cases}; expected a whole number from 1 to ${most}`);
  const traced = decodeCell(text);
  const definition = cellFromTrace(traced);
  const sizes = traced.traces.map(({ units, features }) => ({ units, features }));
  const total = { cases: 0, comparisons: 0, kinks: 0, worst: { forward: 0, difference: 0 } };
  for (let done = 0; done < cases; done += portion) {
    const report = checkCell(definition, { cases: Math.min(portion, cases - done), seed: seed + done, sizes });
    total.cases += report.cases;
    total.comparisons += report.comparisons;
    total.kinks += report.kinks;
    total.worst.forward = Math.max(total.worst.forward, report.worst.forward);
    total.worst.difference = Math.max(total.worst.difference, report.worst.difference);
    const failure = failureOf(definition, report);
    if (failure !== undefined) return { cell: traced.name, right: false, ...total, failure };
    await nextTask();
  }
  return { cell: traced.name, right: true, ...total };
}

function failureOf(definition: CellDefinition, { failure }: CheckReport): CheckResult["failure"] {
  if (failure === undefined) return undefined;
  const { units, features, batch, time, carried } = failure.case;
  const { argument, reason } = failure.fault;
  const programs = tracePrograms(definition, units, features);
  const numbers = drawArguments(programs, failure.case);
  return {
    message: argument === undefined ? reason : `the derivative with respect to ${argument}: ${reason}`,
    ...{ units, features, batch, time, carried },
    arguments: programs.arguments.map(({ name }, i) => ({
      name,
      shape: numbers[i]?.shape ?? [],
      values: [...(numbers[i]?.data ?? [])],
    })),
    notes: [...new Set(stopSites(programs.value))].map((site) => {
      const line = lineOf(site);
      const message = "stopGradient: no derivative passes through it";
      return line === undefined ? { message } : { message, line };
    }),
  };
}
