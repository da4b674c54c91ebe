/**
 * @file Random optimizers: every optimizer with its options, weight decay, weight averages, and learning-rate schedules.
 * Each is generated as plain data, and can be built from it and printed as source.
 */
import fc from "fast-check";
import { adam, type Optimizer, sgd } from "../../index.ts";
import { adagrad, lion, rmsProp } from "../../train/optimizers/adaptive.ts";
import { adamW, momentum } from "../../train/optimizers/gradient-descent.ts";
import {
  constantRate,
  cosineDecay,
  linearDecay,
  type Schedule,
  stepDecay,
  warmUp,
} from "../../train/optimizers/schedules.ts";
import { withAverage } from "../../train/optimizers/weight-average.ts";
import { matrices, withWeightDecay } from "../../train/optimizers/weight-decay.ts";

/** Options of a library function, as JSON values. */
type Options = Readonly<Record<string, number | boolean>>;

/** A call of a library function: its name and options. */
interface Call {
  readonly name: string;
  readonly options: Options;
}

/** An optimizer as plain data. */
export interface OptimizerPlan {
  readonly rule: Call;
  readonly weightDecay: {
    readonly rate: number;
    readonly through: "weights" | "gradient";
    readonly matricesOnly: boolean;
  } | null;
  /** Decay of the average of the weights; null for none. */
  readonly average: number | null;
}

/** A schedule of the learning rate as plain data. */
export interface RateSchedulePlan {
  readonly after: Call;
  /** Updates of a warm-up before it; 0 for none. */
  readonly warmUp: number;
}

/** A function with generated options. */
interface Generated<Result> {
  readonly options: fc.Arbitrary<Options>;
  readonly call: (options: Options) => Result;
}

/** A function with an arbitrary of its options, which survive a round trip through JSON. */
function generated<Given extends object, Result>(
  call: (options: Given) => Result,
  options: { readonly [K in keyof Given]: fc.Arbitrary<Given[K]> },
): Generated<Result> {
  return { options: fc.record(options) as fc.Arbitrary<Options>, call: (given) => call(given as Given) };
}

const decay = fc.constantFrom(0, 0.5, 0.9, 0.99, 0.999);
const epsilon = fc.constantFrom(1e-8, 1e-4);

const rules: Readonly<Record<string, Generated<Optimizer>>> = {
  sgd: generated(sgd, {}),
  momentum: generated(momentum, { beta: decay, nesterov: fc.boolean() }),
  adam: generated(adam, { beta1: decay, beta2: decay, epsilon }),
  adamW: generated(adamW, { beta1: decay, beta2: decay, epsilon, weightDecay: fc.constantFrom(0, 0.01, 1) }),
  rmsProp: generated(rmsProp, { decay, epsilon, centred: fc.boolean(), momentum: decay }),
  adagrad: generated(adagrad, { epsilon, initial: fc.constantFrom(0, 0.1) }),
  lion: generated(lion, { beta1: decay, beta2: decay }),
};

const updates = fc.constantFrom(1, 3, 50, 4000);

const schedules: Readonly<Record<string, Generated<Schedule>>> = {
  constantRate: generated(() => constantRate, {}),
  linearDecay: generated(linearDecay, { updates, to: fc.constantFrom(0, 0.1) }),
  cosineDecay: generated(cosineDecay, { updates, to: fc.constantFrom(0, 0.1) }),
  stepDecay: generated(stepDecay, { every: updates, factor: fc.constantFrom(0.1, 0.9) }),
};

const callOf = <Result>(table: Readonly<Record<string, Generated<Result>>>): fc.Arbitrary<Call> =>
  fc.oneof(
    ...Object.entries(table).map(([name, { options }]) => fc.record({ name: fc.constant(name), options })),
  ) as fc.Arbitrary<Call>;

/** Plans of all optimizers. */
export const optimizerPlans: fc.Arbitrary<OptimizerPlan> = fc.record({
  rule: callOf(rules),
  weightDecay: fc.option(
    fc.record({
      rate: fc.constantFrom(0.01, 1),
      through: fc.constantFrom("weights", "gradient"),
      matricesOnly: fc.boolean(),
    }),
  ),
  average: fc.option(decay),
});

/** Plans of all learning-rate schedules. */
export const rateSchedulePlans: fc.Arbitrary<RateSchedulePlan> = fc.record({
  after: callOf(schedules),
  warmUp: fc.constantFrom(0, 0, 1, 3, 100),
});

/** Names of the generated rules. */
export const ruleNames: readonly string[] = Object.keys(rules);

function called<Result>(table: Readonly<Record<string, Generated<Result>>>, { name, options }: Call): Result {
  const known = table[name];
  if (known === undefined)
    throw new Error(`unknown function ${name}; the functions are ${Object.keys(table).join(", ")}`);
  return known.call(options);
}

/** The optimizer of a plan, with its rule or the result of `change` on it. */
export function optimizerOf(
  { rule, weightDecay, average }: OptimizerPlan,
  change = (optimizer: Optimizer): Optimizer => optimizer,
): Optimizer {
  const plain = change(called(rules, rule));
  const decaying =
    weightDecay === null
      ? plain
      : withWeightDecay(plain, {
          rate: weightDecay.rate,
          through: weightDecay.through,
          ...(weightDecay.matricesOnly && { decays: matrices }),
        });
  return average === null ? decaying : withAverage(decaying, { decay: average });
}

/** The schedule of a plan. */
export function rateScheduleOf({ after, warmUp: before }: RateSchedulePlan): Schedule {
  const schedule = called(schedules, after);
  return before === 0 ? schedule : warmUp(before, schedule);
}

/** The optimizer as source text. */
export function optimizerText({ rule, weightDecay, average }: OptimizerPlan): string {
  const plain = `${rule.name}(${JSON.stringify(rule.options)})`;
  const decays = weightDecay?.matricesOnly ? ", decays: matrices" : "";
  const decaying =
    weightDecay === null
      ? plain
      : `withWeightDecay(${plain}, { rate: ${weightDecay.rate}, through: "${weightDecay.through}"${decays} })`;
  return average === null ? decaying : `withAverage(${decaying}, { decay: ${average} })`;
}

/** The schedule as source text. */
export function rateScheduleText({ after: { name, options }, warmUp: before }: RateSchedulePlan): string {
  const schedule = name === "constantRate" ? name : `${name}(${JSON.stringify(options)})`;
  return before === 0 ? schedule : `warmUp(${before}, ${schedule})`;
}
