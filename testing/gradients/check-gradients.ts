/** @file The gradient check of one cell: random cases until one fails, which is then made as small as it gets. */
import fc from "fast-check";
import { UserError } from "../../compiler/graph/errors.ts";
import type { CellDefinition } from "../../index.ts";
import type { Case } from "./case.ts";
import { type Comparison, compareCase, type Fault } from "./compare.ts";
import { type Programs, tracePrograms } from "./programs.ts";

export interface CheckOptions {
  readonly cases: number;
  readonly seed: number;
  /** Only this many units, for cells that cannot have any number. */
  readonly units?: number;
  readonly features?: number;
  /** Only these sizes, for cells that were traced at some. */
  readonly sizes?: readonly { readonly units: number; readonly features: number }[];
}

export interface CheckReport {
  /** Cases that were compared before the first fault, or all. */
  readonly cases: number;
  readonly comparisons: number;
  readonly kinks: number;
  /** The largest relative errors among comparisons that passed. */
  readonly worst: Comparison["worst"];
  readonly failure?: { readonly case: Case; readonly fault: Fault; readonly shrinks: number };
}

/** The sizes that are tried: small enough for the interpreter, and different enough to tell axes apart. */
const LARGEST = { units: 5, features: 4, batch: 3, time: 6 };

export function checkCell(definition: CellDefinition, options: CheckOptions): CheckReport {
  const { seed, cases } = options;
  const programsOf = tracedOnce(definition);
  const total = { cases: 0, comparisons: 0, kinks: 0, forward: 0, difference: 0, failed: false };
  const outcome = fc.check(
    fc.property(arbitraryCase(options), (sizes) => {
      const { compared, kinks, worst, fault } = compareCase(programsOf(sizes), sizes);
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
  const report: CheckReport = { cases: total.cases, comparisons, kinks, worst: { forward, difference } };
  if (!outcome.failed) {
    if (comparisons > 0) return report;
    throw new UserError(`${definition.cellName}: every case lies on a kink, so there is no derivative to compare`);
  }
  const smallest = outcome.counterexample?.[0];
  const error = outcome.errorInstance;
  if (!(error instanceof WrongGradient) || smallest === undefined) throw withSizes(error, smallest);
  return { ...report, failure: { case: smallest, fault: error.fault, shrinks: outcome.numShrinks } };
}

function arbitraryCase({ units, features, sizes }: CheckOptions): fc.Arbitrary<Case> {
  if (sizes !== undefined) {
    return fc
      .tuple(fc.constantFrom(...sizes), arbitraryCase({ cases: 0, seed: 0, units: 1, features: 1 }))
      .map(([size, rest]) => ({ ...rest, ...size }));
  }
  const size = (given: number | undefined, max: number) =>
    given === undefined ? fc.integer({ min: 1, max }) : fc.constant(given);
  return fc.record({
    units: size(units, LARGEST.units),
    features: size(features, LARGEST.features),
    batch: size(undefined, LARGEST.batch),
    time: size(undefined, LARGEST.time),
    carried: fc.boolean(),
    seed: fc.integer({ min: 0, max: 2 ** 31 - 1 }),
  });
}

/** A set of programs serves every case of its units and features. */
function tracedOnce(definition: CellDefinition): (sizes: Case) => Programs {
  const traced = new Map<string, Programs>();
  return ({ units, features }) => {
    const key = `${units} ${features}`;
    const programs = traced.get(key) ?? tracePrograms(definition, units, features);
    traced.set(key, programs);
    return programs;
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
