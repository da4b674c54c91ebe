/**
 * @file The gradient check: random cases of a cell or a function until one fails, which is then made as small as it gets.
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
  /** Random cases; 100 by default. */
  readonly cases?: number;
  /** Of the cases: the same seed draws the same. By default another one each time. */
  readonly seed?: number;
  /** 2 checks the derivative of the gradient as well. */
  readonly order?: 1 | 2;
  /**
   * Takes the vjp of every `customGradient` as the derivative, though it is not that of its function, as that of a spike is
   * not: reverse mode is compared with forward mode by the same vjps, and with no difference quotient. By default a vjp has
   * to agree with the function.
   */
  readonly surrogates?: boolean;
  /** Only this many units, for cells that cannot have any number. */
  readonly units?: number;
  /** Only this many features of the input. */
  readonly features?: number;
  /** Only these sizes, for cells that were traced at some. */
  readonly sizes?: readonly { readonly units: number; readonly features: number }[];
}

/** Options of `checkGradients` on a function. */
export interface FunctionOptions<Names extends string = string>
  extends Pick<GradientOptions, "cases" | "seed" | "order" | "surrogates"> {
  /** Shape of each argument, in which B and T may stand for sizes that vary; or `{ shape, from, to }` where it is defined. */
  readonly arguments: ArgumentSpecs<Names>;
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
  /** Directions along which rounding, or how fast the function turns, hides the derivative from every quotient. */
  readonly undetermined: number;
  /** Arguments that were left out of every case: nothing is known of their derivatives. */
  readonly uncompared: readonly string[];
  /** The largest relative errors among comparisons that passed. */
  readonly worst: Comparison["worst"];
  /** The lines of each `customGradient` whose vjp was taken as the derivative; see the option `surrogates`. */
  readonly surrogates: readonly string[];
  /** The derivatives of all arguments were compared, and all are right. */
  readonly right: boolean;
  /** The smallest case that fails, if one does. */
  readonly failure?: GradientFailure;
}

/** A case whose gradient is wrong, made as small as it gets. */
export interface GradientFailure {
  /** Its sizes and the seed of its numbers. */
  readonly case: Case;
  /** Of a function, which has neither units nor features nor a state. */
  readonly isFunction: boolean;
  /** What is wrong, and with respect to which argument. */
  readonly fault: Fault;
  /** How often it was made smaller. */
  readonly shrinks: number;
  /** The numbers of the case, by argument. */
  readonly arguments: readonly { readonly name: string; readonly value: NdArray }[];
  /** Where stopGradient cuts derivatives off on purpose. */
  readonly stops: readonly string[];
  /** Where a customGradient gives a derivative of its own. */
  readonly customGradients: readonly string[];
}

/** The sizes that are tried: small enough for the interpreter, and different enough to tell axes apart. */
const largest = { units: 5, features: 4, batch: 3, time: 6 };
export const casesByDefault = 100;

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
      // What is tried only to shrink a failing case is not counted.
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
    const why = kinks >= undetermined ? "lies on a kink" : "hides its derivatives behind rounding or turns too fast";
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

/** The name under which the second order is counted: it moves all arguments together. */
const secondOrder = "second order";

/** The comparison with second order joined to it, where it was asked for and the first found nothing wrong. */
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
