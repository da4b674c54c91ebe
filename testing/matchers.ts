/**
 * @file Matchers for Vitest and Jest: `expect.extend(matchers)`, then `expect(myCell).toHaveCorrectGradients()` and
 * `await expect(myCell).toAgreeOnDevice(device)`. A failure prints the smallest case that fails.
 */
import type { CellDefinition, Device } from "../index.ts";
import { checkHosts, type HostOptions, hostReportLines } from "./check-hosts.ts";
import { casesByDefault, checkGradients, type GradientOptions } from "./gradients/check-gradients.ts";
import { reportLines } from "./gradients/report.ts";

interface MatcherResult {
  readonly pass: boolean;
  readonly message: () => string;
}

function result(right: boolean, lines: readonly string[]): MatcherResult {
  return { pass: right, message: () => lines.join("\n") };
}

/** The matchers, for `expect.extend`. */
export const matchers = {
  /** Checks that the reverse-mode gradient of a cell equals forward mode and central differences on random cases. */
  toHaveCorrectGradients(cell: CellDefinition, options?: GradientOptions): MatcherResult {
    const report = checkGradients(cell, options);
    const again = `{ seed: ${report.seed}, cases: ${options?.cases ?? casesByDefault}, order: ${options?.order ?? 1}${options?.surrogates ? ", surrogates: true" : ""} }`;
    return result(report.right, reportLines(report, again));
  },
  /** Checks that value and gradient of a cell on a device equal the interpreter's, in every schedule. */
  async toAgreeOnDevice(
    cell: CellDefinition,
    device: Device,
    options?: Omit<HostOptions, "device">,
  ): Promise<MatcherResult> {
    const report = await checkHosts(cell, { ...options, device });
    return result(report.failure === undefined, hostReportLines(report));
  },
};

/** Types of the matchers; declare them for Vitest with `interface Matchers<T> extends CellMatchers<T> {}`. */
export interface CellMatchers<R = unknown> {
  /** Checks that the reverse-mode gradient equals forward mode and central differences on random cases. */
  toHaveCorrectGradients: (options?: GradientOptions) => R;
  /** Checks that value and gradient on a device equal the interpreter's, in every schedule. */
  toAgreeOnDevice: (device: Device, options?: Omit<HostOptions, "device">) => Promise<R>;
}
