/**
 * @file The entry "cellgrad/testing": tests custom cells and functions: gradient checks, devices against the interpreter,
 * random cells, matchers.
 */
export {
  checkHosts,
  type FunctionHostOptions,
  type HostFailure,
  type HostOptions,
  type HostReport,
  hostReportLines,
} from "../testing/check-hosts.ts";
export { deviceExecutor, type Executor, interpreter } from "../testing/executor.ts";
export type { Case } from "../testing/gradients/case.ts";
export {
  checkGradients,
  type FunctionOptions,
  type GradientFailure,
  type GradientOptions,
  type GradientReport,
} from "../testing/gradients/check-gradients.ts";
export type { DifferentiableFunction } from "../testing/gradients/programs.ts";
export { reportLines } from "../testing/gradients/report.ts";
export { type CellMatchers, matchers } from "../testing/matchers.ts";
export { arbitraryCell } from "../testing/random-cells/arbitrary-cell.ts";
export {
  type CheckOptions,
  type CheckOutcome,
  checkLoss,
  type LossOutcome,
  type LossPoint,
} from "../testing/random-cells/check-loss.ts";
export { checkRandomCell, type RandomCellOutcome } from "../testing/random-cells/check-random-cell.ts";
export type { RandomCell } from "../testing/random-cells/random-cell.ts";
export { differenceTolerance, exactTolerance, f32Tolerance } from "../testing/tolerance.ts";
