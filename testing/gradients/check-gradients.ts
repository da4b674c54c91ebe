/**
 * @file The gradient check: random cases of a cell or a function until one fails, which is then made as small as it gets.
 */
import fc from "fast-check";
import { UserError } from "../../compiler/graph/errors.ts";
import type { CellDefinition, NdArray, Shape } from "../../index.ts";
import { type Case, drawArguments } from "./case.ts";
import { type Comparison, compareCase, type Fault } from "./compare.ts";
import { compareSecond, type SecondPrograms } from "./compare-second.ts";
import { type DifferentiableFunction, type Programs, stopSites, traceFunction, tracePrograms } from "./programs.ts";

/** Options of `checkGradients` on a cell. */
export interface GradientOptions {
  /** Random cases; 100 by default. */
  readonly cases?: number;
  /** Of the cases: the same seed draws the same. By default another one each time. */
  readonly seed?: number;
  /** 2 checks the derivative of the gradient as well. */
  readonly order?: 1 | 2;
  /** Only this many units, for cells that cannot have any number. */
  readonly units?: number;
  /** Only this many features of the input. */
  readonly features?: number;
  /** Only these sizes, for cells that were traced at some. */
  readonly sizes?: readonly { readonly units: number; readonly features: number }[];
}

/** Options of `checkGradients` on a function. */
export interface FunctionOptions<Names extends string = string>
  extends Pick<GradientOptions, "cases" | "seed" | "order"> {
  /** Shape of each argument; B and T may stand for sizes that vary. */
  readonly arguments: Readonly<Record<Names, Shape>>;
}

/** What a gradient check found. */
export interface GradientReport {
  /** Of the cell or function. */
  readonly name: string;
  /** Draws the same cases again. */
  readonly seed: number;
  /** Cases that were compared before the first fault, or all. */
  readonly cases: number;
  /** Derivatives that were compared. */
  readonly comparisons: number;
  /** Directions along which there is no derivative to compare. */
  readonly kinks: number;
  /** The largest relative errors among comparisons that passed. */
  readonly worst: Comparison["worst"];
  /** The smallest case that fails, if one does. */
  readonly failure?: GradientFailure;
}

/** A case whose gradient is wrong, made as small as it gets. */
export interface GradientFailure {
  /** Its sizes and the seed of its numbers. */
  readonly case: Case;
  /** What is wrong, and with respect to which argument. */
  readonly fault: Fault;
  /** How often it was made smaller. */
  readonly shrinks: number;
  /** The numbers of the case, by argument. */
  readonly arguments: readonly { readonly name: string; readonly value: NdArray }[];
  /** Where stopGradient cuts derivatives off on purpose. */
  readonly stops: readonly string[];
}

/** The sizes that are tried: small enough for the interpreter, and different enough to tell axes apart. */
const largest = { units: 5, features: 4, batch: 3, time: 6 };
const casesByDefault = 100;

/**
 * Compares the gradient of a cell, or of a function of f32 tensors, with forward mode and with central differences, in
 * float64 and on random cases: sizes, numbers, and for a cell whether it starts in a carried state. A case that fails is
 * shrunk to the smallest that still does.
 *
 * @throws UserError where the cell or function itself cannot be traced, or has a kink wherever it is looked at.
 */
export function checkGradients(definition: CellDefinition, options?: GradientOptions): GradientReport;
/** As for a cell, of a function of f32 tensors by name. */
export function checkGradients<Names extends string>(
  compute: DifferentiableFunction<Names>,
  options: FunctionOptions<Names>,
): GradientReport;
export function checkGradients(
  subject: CellDefinition | DifferentiableFunction,
  options: GradientOptions | FunctionOptions = {},
): GradientReport {
  if ("arguments" in options) {
    const compute = subject as DifferentiableFunction;
    const programs = traceFunction(compute, options.arguments);
    return check(compute.name || "function", () => programs, options, { units: 1, features: 1 });
  }
  const definition = subject as CellDefinition;
  return check(
    definition.cellName,
    ({ units, features }) => tracePrograms(definition, units, features),
    options,
    options,
  );
}

function check(
  name: string,
  trace: (sizes: Case) => Programs,
  { cases = casesByDefault, seed = Math.floor(Math.random() * 2 ** 31), order = 1 }: GradientOptions,
  sizes: GradientOptions,
): GradientReport {
  const programsOf = tracedOnce(trace);
  const total = { cases: 0, comparisons: 0, kinks: 0, forward: 0, difference: 0, failed: false };
  const outcome = fc.check(
    fc.property(arbitraryCase(sizes), (drawn) => {
      const { programs, second } = programsOf(drawn);
      const { compared, kinks, worst, fault } = withSecond(compareCase(programs, drawn), order, second, drawn);
      // What is tried only to shrink a failing case is not counted.
      if (!total.failed) {
        total.cases += 1;
        total.comparisons += compared;
        total.kinks += kinks;
        total.forward = Math.max(total.forward, worst.forward);
        total.difference = Math.max(total.difference, worst.difference);
      }
      total.failed ||= fault !== undefined;
      if (fault !== undefined) throw new WrongGradient(fault);
    }),
    { seed, numRuns: cases },
  );
  const { comparisons, kinks, forward, difference } = total;
  const report = { name, seed, cases: total.cases, comparisons, kinks, worst: { forward, difference } };
  if (!outcome.failed) {
    if (comparisons > 0) return report;
    throw new UserError(`${name}: every case lies on a kink, so there is no derivative to compare`);
  }
  const smallest = outcome.counterexample?.[0];
  const error = outcome.errorInstance;
  if (!(error instanceof WrongGradient) || smallest === undefined) throw withSizes(error, smallest);
  const { programs } = programsOf(smallest);
  const values = drawArguments(programs, smallest);
  return {
    ...report,
    failure: {
      case: smallest,
      fault: error.fault,
      shrinks: outcome.numShrinks,
      arguments: programs.arguments.flatMap(({ name }, i) => {
        const value = values[i];
        return value === undefined ? [] : [{ name, value }];
      }),
      stops: [...new Set(stopSites(programs.value))],
    },
  };
}

/** The comparison with second order joined to it, where it was asked for and the first found nothing wrong. */
function withSecond(first: Comparison, order: 1 | 2, second: () => SecondPrograms, drawn: Case): Comparison {
  if (order === 1 || first.fault !== undefined) return first;
  const { worst, kink, fault } = compareSecond(second(), drawn);
  return {
    compared: first.compared + (kink ? 0 : 1),
    kinks: first.kinks + (kink ? 1 : 0),
    worst: {
      forward: Math.max(first.worst.forward, worst.forward),
      difference: Math.max(first.worst.difference, worst.difference),
    },
    ...(fault && { fault }),
  };
}

function arbitraryCase({ units, features, sizes }: GradientOptions): fc.Arbitrary<Case> {
  if (sizes !== undefined) {
    return fc
      .tuple(fc.constantFrom(...sizes), arbitraryCase({ units: 1, features: 1 }))
      .map(([size, rest]) => ({ ...rest, ...size }));
  }
  const size = (given: number | undefined, max: number) =>
    given === undefined ? fc.integer({ min: 1, max }) : fc.constant(given);
  return fc.record({
    units: size(units, largest.units),
    features: size(features, largest.features),
    batch: size(undefined, largest.batch),
    time: size(undefined, largest.time),
    carried: fc.boolean(),
    seed: fc.integer({ min: 0, max: 2 ** 31 - 1 }),
  });
}

interface Traced {
  readonly programs: Programs;
  readonly second: () => SecondPrograms;
}

/** A set of programs serves every case of its units and features. */
function tracedOnce(trace: (sizes: Case) => Programs): (sizes: Case) => Traced {
  const traced = new Map<string, Traced>();
  return (sizes) => {
    const key = `${sizes.units} ${sizes.features}`;
    const known = traced.get(key);
    if (known !== undefined) return known;
    const programs = trace(sizes);
    let both: SecondPrograms | undefined;
    const second = () => {
      both ??= { ...programs, second: programs.second(), secondForward: programs.secondForward() };
      return both;
    };
    const made = { programs, second };
    traced.set(key, made);
    return made;
  };
}

class WrongGradient extends Error {
  readonly fault: Fault;
  constructor(fault: Fault) {
    super(fault.reason);
    this.fault = fault;
  }
}

/** The cell's own error, with the sizes at which it appears: some cells exist only for some. */
function withSizes(error: unknown, sizes: Case | undefined): unknown {
  if (!(error instanceof Error) || sizes === undefined) return error;
  const { units, features } = sizes;
  error.message += ` [at units ${units}, features ${features}; --units and --features fix them]`;
  return error;
}
