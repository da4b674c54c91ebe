/** @file The report of a gradient check as lines of text: the outcome, or the smallest failing case. */
import type { NdArray } from "../../index.ts";
import type { Case } from "./case.ts";
import type { GradientFailure, GradientReport } from "./check-gradients.ts";
import { LIMITS } from "./compare.ts";

/** The lines of a report; for a failure, they include how to repeat it. */
export function reportLines(report: GradientReport, again = `seed ${report.seed}`): string[] {
  const { name, cases, seed } = report;
  const heading = `${name}: reverse-mode gradient, ${cases} random case${cases === 1 ? "" : "s"} (seed ${seed})`;
  return [
    heading,
    ...(report.failure === undefined
      ? outcome(report)
      : complaint(report.failure, again, report.surrogates.length > 0)),
  ];
}

function outcome(report: GradientReport): string[] {
  const { comparisons, kinks, undetermined, uncompared, worst, surrogates, right } = report;
  const onKinks = kinks === 0 ? "" : `, ${kinks} more on a kink were left out`;
  const hidden =
    undetermined === 0 ? "" : `, ${undetermined} more have no reliable quotient (rounding or strong curvature)`;
  return [
    `  ${comparisons} derivatives compared${onKinks}${hidden}`,
    `  against forward mode         worst error ${worst.forward.toExponential(1)} (limit ${LIMITS.forward})`,
    surrogates.length === 0
      ? `  against central differences  worst error ${worst.difference.toExponential(1)} (limit ${LIMITS.difference})`
      : `  against central differences  not compared: the vjp of customGradient at ${surrogates.join(", ")} was taken as the derivative`,
    right ? "right" : `not compared in any case: ${uncompared.join(", ")}; all others agree`,
  ];
}

function complaint(
  { case: failing, isFunction, fault, arguments: numbers, stops, customGradients: own }: GradientFailure,
  again: string,
  isSurrogate: boolean,
): string[] {
  const { argument, reason } = fault;
  return [
    `wrong: ${argument === undefined ? reason : `the derivative with respect to ${argument}: ${reason}`}`,
    `  smallest failing case: ${sizesOf(failing, isFunction)}`,
    // Exact, since weights and inputs have three decimals.
    ...numbers.map(({ name, value }) => `    ${name} = ${format(value)}`),
    ...(stops.length === 0 ? [] : [`    note: stopGradient at ${stops.join(", ")}: no derivative passes through it`]),
    ...(own.length === 0 ? [] : [`    note: customGradient at ${own.join(", ")}: ${aboutOwn(isSurrogate)}`]),
    `  again: ${again}`,
  ];
}

const aboutOwn = (isSurrogate: boolean) =>
  isSurrogate
    ? "its vjp was taken as the derivative; it must be linear in the cotangent"
    : "reverse mode uses its vjp, not the derivative of its function; if the two differ on purpose, check with { surrogates: true } (--surrogates)";

/** The sizes of a case in words; for a function only B and T. */
export function sizesOf({ units, features, batch, time, carried }: Case, isFunction: boolean): string {
  if (isFunction) return `B ${batch}, T ${time}`;
  return `units ${units}, features ${features}, batch ${batch}, time ${time}, starting ${carried ? "in a carried state" : "at zero"}`;
}

function format({ data, shape }: NdArray): string {
  const shown = [...data].slice(0, 12).map((x) => String(Number(x.toPrecision(6))));
  const more = data.length > shown.length ? ", …" : "";
  return `[${shown.join(", ")}${more}]  (shape [${shape.join(", ")}])`;
}
