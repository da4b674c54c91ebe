/**
 * @file The gradient check: runs random cases of a cell or a function until one fails, then shrinks the failing case.
 */
import fc from "fast-check";
import { UserError } from "../../compiler/graph/errors.ts";
import type { CellDefinition, NdArray } from "../../index.ts";
import { commonRules, holdOptions, listOf, oneOf, wholeFrom } from "../options.ts";
import { type ArgumentSpecs, argumentsOf, holdSubject, isFunctionCheck } from "./arguments.ts";
import { type Case, drawArguments } from "./case.ts";
import { type Comparison, compareCase, type Fault } from "./compare.ts";
import { compareSecond, type SecondComparison, type SecondPrograms } from "./compare-second.ts";
import { type DifferentiableFunction, type Programs, sitesOf, traceFunction, tracePrograms } from "./programs.ts";

/** Options of `checkGradients` on a cell. */
export interface GradientOptions {
  /** Number of random cases; 100 by default. */
  readonly cases?: number;
  /** Random seed of the cases; the same seed repeats them. By default a new one each time. */
  readonly seed?: number;
  /** 2 also checks the derivative of the gradient. */
  readonly order?: 1 | 2;
  /**
   * Treats the vjp of every `customGradient` as the derivative, even if it is not that of its function (as for a spike):
   * reverse mode is compared with forward mode through the same vjps, and not with difference quotients. By default a vjp
   * must agree with the function.
   */
  readonly surrogates?: boolean;
  /** Fixed number of units, for cells that do not support every number. */
  readonly units?: number;
  /** Fixed number of features of the input. */
  readonly features?: number;
  /** Only these sizes, for cells that were traced at fixed sizes. */
  readonly sizes?: readonly { readonly units: number; readonly features: number }[];
}

/** Options of `checkGradients` on a function. */
export interface FunctionOptions<Names extends string = string>
  extends Pick<GradientOptions, "cases" | "seed" | "order" | "surrogates"> {
  /** Shape of each argument, where B and T are variable sizes; or `{ shape, from, to }` with its domain. */
  readonly arguments: ArgumentSpecs<Names>;
}

/** The result of a gradient check. */
export interface GradientReport {
  /** Name of the cell or function. */
  readonly name: string;
  /** Seed that repeats the same cases. */
  readonly seed: number;
  /** Number of cases compared until the first failure, or of all. */
  readonly cases: number;
  /** Number of compared derivatives. */
  readonly comparisons: number;
  /** Number of directions without a derivative, because of a kink. */
  readonly kinks: number;
  /** Number of directions without a reliable quotient, because of rounding or strong curvature. */
  readonly undetermined: number;
  /** Arguments that were left out in every case, so that their derivatives were not checked. */
  readonly uncompared: readonly string[];
  /** The largest relative errors among comparisons that passed. */
  readonly worst: Comparison["worst"];
  /** The lines of each `customGradient` whose vjp was taken as the derivative; see the option `surrogates`. */
  readonly surrogates: readonly string[];
  /** Whether the derivatives of all arguments were compared and are right. */
  readonly right: boolean;
  /** The smallest failing case, if any. */
  readonly failure?: GradientFailure;
}

/** The smallest case with a wrong gradient. */
export interface GradientFailure {
  /** Its sizes and the seed of its numbers. */
  readonly case: Case;
  /** Whether a function was checked, which has no units, features or state. */
  readonly isFunction: boolean;
  /** What is wrong, and with respect to which argument. */
  readonly fault: Fault;
  /** Number of shrinking steps. */
  readonly shrinks: number;
  /** The numbers of the case, by argument. */
  readonly arguments: readonly { readonly name: string; readonly value: NdArray }[];
  /** Lines where stopGradient blocks derivatives. */
  readonly stops: readonly string[];
  /** Lines where a customGradient defines its own derivative. */
  readonly customGradients: readonly string[];
}

/** The largest sizes: small enough for the interpreter, and different enough to distinguish axes. */
const largest = { units: 5, features: 4, batch: 3, time: 6 };
export const casesByDefault = 100;

/**
 * Compares the gradient of a cell, or of a function of f32 tensors, with forward mode and with central differences, in
 * float64 and on random cases: sizes, numbers, and for a cell whether it starts in a carried state. A failing case is shrunk
 * to the smallest one that still fails.
 *
 * @throws UserError if the cell or function cannot be traced, or has a kink in every case.
 */
export function checkGradients(definition: CellDefinition, options?: GradientOptions): GradientReport;
/** The same for a function of f32 tensors by name. */
export function checkGradients<Names extends string>(
  compute: DifferentiableFunction<Names>,
  options: FunctionOptions<Names>,
): GradientReport;
export function checkGradients(
  subject: CellDefinition | DifferentiableFunction,
  options: GradientOptions | FunctionOptions = {},
): GradientReport {
  holdSubject("checkGradients", subject, options);
  holdOptions("checkGradients", options, isFunctionCheck(options) ? functionRules : cellRules);
  if (isFunctionCheck<FunctionOptions>(options)) {
    const compute = subject as DifferentiableFunction;
    const programs = traceFunction(compute, argumentsOf("checkGradients", options.arguments));
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

const sizeRules = { units: wholeFrom(1), features: wholeFrom(1) } as const;
const isTruth = (value: unknown) => (typeof value === "boolean" ? undefined : "true or false");
const functionRules = {
  ...{ ...commonRules, order: oneOf([1, 2]), surrogates: isTruth },
  arguments: () => undefined,
} as const;
const cellRules = {
  ...{ ...commonRules, order: oneOf([1, 2]), surrogates: isTruth, ...sizeRules },
  sizes: listOf((entry) => {
    const { units, features } = Object(entry);
    return sizeRules.units(units) === undefined && sizeRules.features(features) === undefined
      ? undefined
      : "{ units, features }, each a whole number from 1";
  }),
} as const;

function check(
  name: string,
  trace: (sizes: Case) => Programs,
  options: GradientOptions,
  sizes: GradientOptions,
): GradientReport {
  const { cases = casesByDefault, seed = Math.floor(Math.random() * 2 ** 31), order = 1 } = options;
  const programsOf = tracedOnce(trace);
  const total = { cases: 0, comparisons: 0, kinks: 0, undetermined: 0, forward: 0, difference: 0, failed: false };
  const [compared, wanted, surrogates] = [new Set<string>(), new Set<string>(), new Set<string>()];
  const outcome = fc.check(
    fc.property(arbitraryCase(sizes), (drawn) => {
      const { programs, second } = programsOf(drawn);
      const sites = options.surrogates ? sitesOf("customGradient", programs.value) : [];
      for (const site of sites) surrogates.add(site);
      const isOwn = sites.length > 0;
      const secondOf = () => compareSecond(second(), drawn, isOwn);
      const found = withSecond(compareCase(programs, drawn, isOwn), order, secondOf);
      const { worst, fault } = found;
      // Cases tried only for shrinking are not counted.
      if (!total.failed) {
        total.cases += 1;
        total.comparisons += found.compared.length;
        total.kinks += found.kinks;
        total.undetermined += found.undetermined;
        for (const { name } of programs.arguments) wanted.add(name);
        if (order === 2) wanted.add(secondOrder);
        for (const name of found.compared) compared.add(name);
        total.forward = Math.max(total.forward, worst.forward);
        total.difference = Math.max(total.difference, worst.difference);
      }
      total.failed ||= fault !== undefined;
      if (fault !== undefined) throw new WrongGradient(fault);
    }),
    { seed, numRuns: cases },
  );
  const { comparisons, kinks, undetermined, forward, difference } = total;
  const uncompared = [...wanted].filter((argument) => !compared.has(argument));
  const report = {
    ...{ name, seed, cases: total.cases, comparisons, kinks, undetermined, worst: { forward, difference } },
    surrogates: [...surrogates],
  };
  if (!outcome.failed) {
    if (comparisons > 0) return { ...report, uncompared, right: uncompared.length === 0 };
    const why = kinks >= undetermined ? "is on a kink" : "has too much rounding or curvature for difference quotients";
    throw new UserError(`${name}: every case ${why}, so there is no derivative to compare`);
  }
  const smallest = outcome.counterexample?.[0];
  const error = outcome.errorInstance;
  if (!(error instanceof WrongGradient) || smallest === undefined)
    throw isFunctionCheck(options) ? error : withSizes(error, smallest);
  const { programs } = programsOf(smallest);
  const values = drawArguments(programs, smallest);
  return {
    ...report,
    uncompared: [],
    right: false,
    failure: {
      case: smallest,
      isFunction: isFunctionCheck(options),
      fault: error.fault,
      shrinks: outcome.numShrinks,
      arguments: programs.arguments.flatMap(({ name }, i) => {
        const value = values[i];
        return value === undefined ? [] : [{ name, value }];
      }),
      stops: sitesOf("stopGradient", programs.value),
      customGradients: sitesOf("customGradient", programs.value),
    },
  };
}

/** The name under which second order is counted; its direction covers all arguments. */
const secondOrder = "second order";

/** The comparison, extended by second order if requested and if the first order is right. */
function withSecond(first: Comparison, order: 1 | 2, second: () => SecondComparison): Comparison {
  if (order === 1 || first.fault !== undefined) return first;
  const { worst, leftOut, fault } = second();
  return {
    compared: leftOut === undefined ? [...first.compared, secondOrder] : first.compared,
    kinks: first.kinks + (leftOut === "kink" ? 1 : 0),
    undetermined: first.undetermined + (leftOut === "undetermined" ? 1 : 0),
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

/** Caches programs by units and features: one set serves all cases of these sizes. */
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

/** Adds the sizes to an error of the cell: some cells support only some sizes. */
function withSizes(error: unknown, sizes: Case | undefined): unknown {
  if (!(error instanceof Error) || sizes === undefined) return error;
  const { units, features } = sizes;
  // Behind the first line: the others of an EquationError show a place.
  const note = ` [at units ${units}, features ${features}; --units and --features fix them]`;
  error.message = error.message.replace(/(?=\n|$)/, () => note);
  return error;
}
