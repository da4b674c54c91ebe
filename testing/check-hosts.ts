/**
 * @file The device check: value and gradient of a cell or a function on a device, in each schedule, against the float64
 * interpreter that defines them. The tolerance is what rounding alone may do at these sizes (tolerance.ts).
 */
import { UserError } from "../compiler/graph/errors.ts";
import { type CellDefinition, type Device, interpret, type NdArray, type Shape } from "../index.ts";
import { deviceExecutor } from "./executor.ts";
import { type Case, drawArguments } from "./gradients/case.ts";
import { type DifferentiableFunction, type Programs, traceFunction, tracePrograms } from "./gradients/programs.ts";
import { jittered, norm, relativeError } from "./numbers/compare.ts";
import { generator } from "./numbers/random-data.ts";
import { depthOf, f32Tolerance } from "./tolerance.ts";

/** Options of `checkHosts` on a cell. */
export interface HostOptions {
  /** What is compared with the interpreter. */
  readonly device: Device;
  /** How loops run on the device; by default both ways that there are. "auto" runs persistently where that is possible. */
  readonly schedules?: readonly ("auto" | "persistent" | "stepwise")[];
  /** Random cases; 5 by default, since each compiles kernels. */
  readonly cases?: number;
  /** Of the cases; by default another one each time. */
  readonly seed?: number;
  /** Units and features of a cell; 5 and 3 by default. */
  readonly units?: number;
  /** Width of a cell's input. */
  readonly features?: number;
}

/** Options of `checkHosts` on a function. */
export interface FunctionHostOptions<Names extends string = string> extends HostOptions {
  /** Shape of each argument; B and T may stand for sizes that vary. */
  readonly arguments: Readonly<Record<Names, Shape>>;
}

/** What a comparison with the interpreter found. */
export interface HostReport {
  /** Of the cell or function. */
  readonly name: string;
  /** Name of the adapter. */
  readonly device: string;
  /** Draws the same cases again. */
  readonly seed: number;
  /** Values and gradients that were compared. */
  readonly comparisons: number;
  /** The largest relative error, as a part of what was allowed. */
  readonly worst: number;
  /** The first case that differs, if one does. */
  readonly failure?: HostFailure;
}

/** A case in which the device computes something else. */
export interface HostFailure {
  /** Its sizes and the seed of its numbers. */
  readonly case: Case;
  /** How the device ran its loops. */
  readonly schedule: string;
  /** Which of the two differs. */
  readonly what: "value" | "gradient";
  /** Relative. */
  readonly error: number;
  /** What rounding excuses. */
  readonly tolerance: number;
}

/**
 * Compares value and gradient on a device with the interpreter, on random cases and in each schedule.
 *
 * @throws UserError where the device is the interpreter itself.
 */
export function checkHosts(definition: CellDefinition, options: HostOptions): Promise<HostReport>;
/** As for a cell, of a function of f32 tensors by name. */
export function checkHosts<Names extends string>(
  compute: DifferentiableFunction<Names>,
  options: FunctionHostOptions<Names>,
): Promise<HostReport>;
export async function checkHosts(
  subject: CellDefinition | DifferentiableFunction,
  options: HostOptions | FunctionHostOptions,
): Promise<HostReport> {
  const { device, cases = 5, seed = Math.floor(Math.random() * 2 ** 31), units = 5, features = 3 } = options;
  if (device.kind === "cpu") throw new UserError(`${device.name} is what devices are compared with; open another one`);
  const isFunction = "arguments" in options;
  const programs = isFunction
    ? traceFunction(subject as DifferentiableFunction, options.arguments)
    : tracePrograms(subject as CellDefinition, units, features);
  const name = isFunction ? subject.name || "function" : (subject as CellDefinition).cellName;
  const total = { comparisons: 0, worst: 0 };
  const depth = depthOf(programs.reverse);
  for (const drawn of drawCases(seed, cases, units, features)) {
    const inputs = drawArguments(programs, drawn);
    const expected = interpret(programs.reverse, inputs);
    const tolerance = f32Tolerance({ time: drawn.time, depth });
    for (const schedule of options.schedules ?? (["auto", "stepwise"] as const)) {
      const executor = deviceExecutor(device.name, device, tolerance, { schedule });
      const actual = await executor.execute(programs.reverse, inputs);
      for (const [what, error] of errorsOf(programs, inputs, expected, actual)) {
        total.comparisons += 1;
        total.worst = Math.max(total.worst, error / tolerance);
        if (!(error <= tolerance)) {
          const failure: HostFailure = { case: drawn, schedule, what, error, tolerance };
          return { name, device: device.name, seed, ...total, failure };
        }
      }
    }
  }
  return { name, device: device.name, seed, ...total };
}

function drawCases(seed: number, cases: number, units: number, features: number): Case[] {
  const random = generator(seed);
  const upTo = (most: number) => 1 + Math.floor(random() * most);
  return Array.from({ length: cases }, () => ({
    ...{ units, features, batch: upTo(5), time: upTo(8), carried: random() < 0.5 },
    seed: Math.floor(random() * 2 ** 31),
  }));
}

/**
 * Errors of value and gradient. A gradient is one vector; its error is taken against its own length, or against how much
 * it changes when the inputs are moved by 1e-6 of themselves, where that is more.
 */
function errorsOf(
  { reverse }: Programs,
  inputs: readonly NdArray[],
  [value, ...gradient]: readonly NdArray[],
  [got, ...gradients]: readonly NdArray[],
): (readonly ["value" | "gradient", number])[] {
  const all = inputs.map(() => true);
  const [, ...moved] = interpret(reverse, jittered(inputs, all, 1));
  const scale = Math.max(norm(gradient), relativeError(moved, gradient, 1));
  const [expected, actual] = [value?.data[0] ?? Number.NaN, got?.data[0] ?? Number.NaN];
  return [
    ["value", Math.abs(actual - expected) / Math.max(1, Math.abs(expected))],
    ["gradient", relativeError(gradients, gradient, scale)],
  ];
}

/** A report as lines for people. */
export function hostReportLines({ name, device, seed, comparisons, worst, failure }: HostReport): string[] {
  const heading = `${name}: value and gradient on ${device} against the interpreter (seed ${seed})`;
  if (failure === undefined) {
    return [
      heading,
      `  ${comparisons} comparisons, the worst error is ${(100 * worst).toFixed(1)} % of what is allowed`,
      "right",
    ];
  }
  const { case: drawn, schedule, what, error, tolerance } = failure;
  const { units, features, batch, time, carried } = drawn;
  return [
    heading,
    `wrong: the ${what}, schedule ${schedule}: relative error ${error.toExponential(1)}, allowed is ${tolerance.toExponential(1)}`,
    `  units ${units}, features ${features}, batch ${batch}, time ${time}, starting ${carried ? "in a carried state" : "at zero"}`,
  ];
}
