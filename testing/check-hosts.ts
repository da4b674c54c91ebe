/**
 * @file The device check: compares value and gradient of a cell or a function on a device, in each schedule, with the
 * float64 interpreter. The tolerance is the effect of rounding at these sizes (tolerance.ts).
 */

import { at, UserError } from "../compiler/graph/errors.ts";
import { specialize } from "../compiler/passes/specialize.ts";
import { type ScheduleChoice, scheduleChoices } from "../compiler/plan/scan/names.ts";
import { type CellDefinition, type Device, type Graph, interpret, type NdArray } from "../index.ts";
import { deviceExecutor } from "./executor.ts";
import { type ArgumentSpecs, argumentsOf, holdSubject, isFunctionCheck } from "./gradients/arguments.ts";
import { type Case, drawArguments } from "./gradients/case.ts";
import { type DifferentiableFunction, type Programs, traceFunction, tracePrograms } from "./gradients/programs.ts";
import { sizesOf } from "./gradients/report.ts";
import { difference, isFiniteArray, norm } from "./numbers/compare.ts";
import { generator } from "./numbers/random-data.ts";
import { roundingSpread } from "./numbers/rough-rounding.ts";
import { commonRules, holdOptions, listOf, oneOf, wholeFrom } from "./options.ts";
import { depthOf, f32Tolerance, stepsOf } from "./tolerance.ts";

/** Options of `checkHosts` on a cell. */
export interface HostOptions {
  /** The device to compare with the interpreter. */
  readonly device: Device;
  /** Schedules of loops on the device; by default both. "auto" runs persistently if possible. */
  readonly schedules?: readonly ScheduleChoice[];
  /** Number of random cases; 5 by default, since each compiles kernels. */
  readonly cases?: number;
  /** Random seed of the cases; by default a new one each time. */
  readonly seed?: number;
  /** Units and features of a cell; 5 and 3 by default. */
  readonly units?: number;
  /** Width of a cell's input. */
  readonly features?: number;
}

/** Options of `checkHosts` on a function. */
export interface FunctionHostOptions<Names extends string = string> extends HostOptions {
  /** Shape of each argument, where B and T are variable sizes; or `{ shape, from, to }` with its domain. */
  readonly arguments: ArgumentSpecs<Names>;
}

/** The result of a comparison with the interpreter. */
export interface HostReport {
  /** Name of the cell or function. */
  readonly name: string;
  /** Name of the adapter. */
  readonly device: string;
  /** Seed that repeats the same cases. */
  readonly seed: number;
  /** Number of compared values and gradients. */
  readonly comparisons: number;
  /** How many of them f32 does not determine: their tolerance is the measured effect of rounding. */
  readonly undetermined: number;
  /** The largest error, as a fraction of its tolerance. */
  readonly worst: number;
  /** The first case that differs, if any. */
  readonly failure?: HostFailure;
}

/** A case in which the device differs from the interpreter. */
export interface HostFailure {
  /** Its sizes and the seed of its numbers. */
  readonly case: Case;
  /** The schedule of loops on the device. */
  readonly schedule: string;
  /** Whether the value or the gradient differs. */
  readonly what: "value" | "gradient";
  /** For a gradient, the argument that differs most. */
  readonly argument?: string;
  /** Number of cases to run with the seed so that this one is the last. */
  readonly cases: number;
  /** Whether a function was checked, which has no units, features or state. */
  readonly isFunction: boolean;
  /** Relative error. */
  readonly error: number;
  /** Relative error that rounding can cause. */
  readonly tolerance: number;
}

/**
 * Compares value and gradient on a device with the interpreter, on random cases and in each schedule.
 *
 * @throws UserError if the device is the interpreter itself, or the interpreter's results are not finite in f32.
 */
export function checkHosts(definition: CellDefinition, options: HostOptions): Promise<HostReport>;
/** The same for a function of f32 tensors by name. */
export function checkHosts<Names extends string>(
  compute: DifferentiableFunction<Names>,
  options: FunctionHostOptions<Names>,
): Promise<HostReport>;
export async function checkHosts(
  subject: CellDefinition | DifferentiableFunction,
  options: HostOptions | FunctionHostOptions,
): Promise<HostReport> {
  holdSubject("checkHosts", subject, options);
  const isFunction = isFunctionCheck<FunctionHostOptions>(options);
  holdOptions("checkHosts", options, isFunction ? functionRules : cellRules);
  const { device, cases = 5, seed = Math.floor(Math.random() * 2 ** 31), units = 5, features = 3 } = options;
  if (typeof device?.compile !== "function")
    throw new UserError("checkHosts: the device is missing; pass { device: await openDevice() }");
  if (device.kind === "interpreter")
    throw new UserError(`${device.name} is the reference that devices are compared with; open another device`);
  const programs = isFunction
    ? traceFunction(subject as DifferentiableFunction, argumentsOf("checkHosts", options.arguments))
    : tracePrograms(subject as CellDefinition, units, features);
  const name = isFunction ? subject.name || "function" : (subject as CellDefinition).cellName;
  const total = { comparisons: 0, undetermined: 0, worst: 0 };
  const graph = programs.everything();
  for (const [index, drawn] of drawCases(seed, cases, units, features).entries()) {
    const inputs = drawArguments(programs, drawn).map(asF32);
    const expected = interpret(graph, inputs);
    holdFinite(name, expected, programs, sizesOf(drawn, isFunction));
    const allowed = allowedErrors(graph, programs, drawn, inputs, expected);
    for (const schedule of options.schedules ?? (["auto", "stepwise"] as const)) {
      const actual = await deviceExecutor(device.name, device, 0, { schedule }).execute(graph, inputs);
      for (const what of ["value", "gradient"] as const) {
        const [got, wanted] = [partOf(actual, programs, what), partOf(expected, programs, what)];
        const errors = difference(got, wanted);
        const { error, limit, isDetermined } = allowed.judge(what, errors);
        total.comparisons += 1;
        if (!isDetermined) total.undetermined += 1;
        if (error !== 0)
          total.worst = Math.max(total.worst, Number.isNaN(error) ? Number.POSITIVE_INFINITY : error / limit);
        if (!(error <= limit)) {
          const scale = norm(wanted) || 1;
          const failure: HostFailure = {
            ...{ case: drawn, schedule, what, cases: index + 1, isFunction },
            ...(what === "gradient" && { argument: worstArgument(programs, errors) }),
            ...{ error: error / scale, tolerance: limit / scale },
          };
          return { name, device: device.name, seed, ...total, failure };
        }
      }
    }
  }
  return { name, device: device.name, seed, ...total };
}

const functionRules = {
  ...commonRules,
  schedules: listOf(oneOf(scheduleChoices)),
  device: () => undefined,
  arguments: () => undefined,
} as const;
const { arguments: _, ...rulesOfBoth } = functionRules;
const cellRules = { ...rulesOfBoth, units: wholeFrom(1), features: wholeFrom(1) } as const;

function drawCases(seed: number, cases: number, units: number, features: number): Case[] {
  const random = generator(seed);
  const upTo = (most: number) => 1 + Math.floor(random() * most);
  return Array.from({ length: cases }, () => ({
    ...{ units, features, batch: upTo(5), time: upTo(8), carried: random() < 0.5 },
    seed: Math.floor(random() * 2 ** 31),
  }));
}

/** Rounds to f32, so that device and interpreter start from the same numbers. */
function asF32(array: NdArray): NdArray {
  return { ...array, data: array.data.map(Math.fround) };
}

/** The results or the gradient among the outputs of the combined graph. */
function partOf(
  outputs: readonly NdArray[],
  { arguments: args }: Programs,
  what: "value" | "gradient",
): readonly NdArray[] {
  const results = outputs.length - args.length;
  return what === "value" ? outputs.slice(0, results) : outputs.slice(results);
}

/**
 * The allowed length of the error vector of value or gradient. The limit derived from the sizes holds if the graph is well
 * conditioned. If a device exceeds it, the effect of rounding on these numbers is measured, and twice that is allowed;
 * numbers that rounding makes NaN or infinite are excluded, and do not raise the limit for others.
 */
function allowedErrors(
  graph: Graph,
  programs: Programs,
  { batch, time }: Case,
  inputs: readonly NdArray[],
  expected: readonly NdArray[],
) {
  const sizes = { B: batch, T: time };
  const steps = stepsOf(specialize(programs.value, sizes));
  const tolerance = f32Tolerance({ time: steps, depth: depthOf(specialize(graph, sizes)) });
  let spread: readonly NdArray[] | undefined;
  const judge = (what: "value" | "gradient", errors: readonly NdArray[]) => {
    const derived = tolerance * norm(partOf(expected, programs, what));
    if (norm(errors) <= derived) return { error: norm(errors), limit: derived, isDetermined: true };
    spread ??= roundingSpread(graph, inputs, expected);
    const moved = partOf(spread, programs, what);
    const known = (arrays: readonly NdArray[]) =>
      arrays.map((array, i) => ({
        ...array,
        data: array.data.map((number, k) => (Number.isFinite(at(moved, i).data[k]) ? number : 0)),
      }));
    const limit = Math.max(derived, 2 * norm(known(moved)));
    return { error: norm(known(errors)), limit, isDetermined: limit === derived && moved.every(isFiniteArray) };
  };
  return { judge };
}

/** @throws UserError if the interpreter's results do not fit in f32, so that no device could match them. */
function holdFinite(name: string, expected: readonly NdArray[], programs: Programs, sizes: string): void {
  for (const what of ["value", "gradient"] as const) {
    for (const { data } of partOf(expected, programs, what)) {
      const odd = data.find((value) => !Number.isFinite(Math.fround(value)));
      if (odd === undefined) continue;
      const [first] = programs.arguments;
      const hint =
        first?.role === "argument"
          ? `give its domain: arguments: { ${first.name}: { shape: ${JSON.stringify(first.aval.shape)}, from: 0.1, to: 2 } }`
          : "the cell is at fault, not a device";
      throw new UserError(
        `${name}: the interpreter itself computes ${odd} as ${what} (${sizes}), which f32 cannot represent; ${hint}`,
      );
    }
  }
}

function worstArgument({ arguments: args }: Programs, errors: readonly NdArray[]): string {
  // A NaN counts as the largest error.
  const sizes = errors.map((error) => (isFiniteArray(error) ? norm([error]) : Number.POSITIVE_INFINITY));
  const worst = sizes.findIndex((size) => !sizes.some((other) => other > size));
  return args[Math.max(0, worst)]?.name ?? "";
}

/** A report as lines for people. */
export function hostReportLines({
  name,
  device,
  seed,
  comparisons,
  undetermined,
  worst,
  failure,
}: HostReport): string[] {
  const heading = `${name}: value and gradient on ${device} against the interpreter (seed ${seed})`;
  if (failure === undefined) {
    const uncertain = undetermined === 0 ? "" : `, ${undetermined} of numbers that f32 does not determine`;
    return [
      heading,
      `  ${comparisons} comparisons${uncertain}, the worst error is ${(100 * worst).toFixed(1)} % of what is allowed`,
      "right",
    ];
  }
  const { case: drawn, isFunction, schedule, what, argument, error, tolerance, cases } = failure;
  const part = argument === undefined ? what : `${what} (most with respect to ${argument})`;
  return [
    heading,
    `wrong: the ${part}, schedule ${schedule}: ${Number.isFinite(error) ? `relative error ${error.toExponential(1)}` : "numbers that are NaN or infinite"}, allowed is ${tolerance.toExponential(1)}`,
    `  ${sizesOf(drawn, isFunction)}`,
    `  again: seed ${seed}, cases ${cases}`,
  ];
}
