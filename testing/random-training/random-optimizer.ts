/**
 * @file Random rules of update: every optimizer with its options, weights that decay or are averaged, and schedules of the
 * learning rate. Each is drawn as plain data, and can be built from that and printed as source.
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

/** Options of a function of the library, as JSON has them. */
type Options = Readonly<Record<string, number | boolean>>;

/** A function of the library by its name, and what it is called with. */
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
  /** Decay of the average of the weights, where one is kept. */
  readonly average: number | null;
}

/** A schedule of the learning rate as plain data. */
export interface RateSchedulePlan {
  readonly after: Call;
  /** Updates of a warm-up before it; 0 for none. */
  readonly warmUp: number;
}

/** What can be called with options that are drawn. */
interface Drawn<Result> {
  readonly options: fc.Arbitrary<Options>;
  readonly call: (options: Options) => Result;
}

/** Options leave the arbitrary as they are and come back from JSON as they were. */
function drawn<Given extends object, Result>(
  call: (options: Given) => Result,
  options: { readonly [K in keyof Given]: fc.Arbitrary<Given[K]> },
): Drawn<Result> {
  return { options: fc.record(options) as fc.Arbitrary<Options>, call: (given) => call(given as Given) };
}

const decay = fc.constantFrom(0, 0.5, 0.9, 0.99, 0.999);
const epsilon = fc.constantFrom(1e-8, 1e-4);

const rules: Readonly<Record<string, Drawn<Optimizer>>> = {
  sgd: drawn(sgd, {}),
  momentum: drawn(momentum, { beta: decay, nesterov: fc.boolean() }),
  adam: drawn(adam, { beta1: decay, beta2: decay, epsilon }),
  adamW: drawn(adamW, { beta1: decay, beta2: decay, epsilon, weightDecay: fc.constantFrom(0, 0.01, 1) }),
  rmsProp: drawn(rmsProp, { decay, epsilon, centred: fc.boolean(), momentum: decay }),
  adagrad: drawn(adagrad, { epsilon, initial: fc.constantFrom(0, 0.1) }),
  lion: drawn(lion, { beta1: decay, beta2: decay }),
};

const updates = fc.constantFrom(1, 3, 50, 4000);

const schedules: Readonly<Record<string, Drawn<Schedule>>> = {
  constantRate: drawn(() => constantRate, {}),
  linearDecay: drawn(linearDecay, { updates, to: fc.constantFrom(0, 0.1) }),
  cosineDecay: drawn(cosineDecay, { updates, to: fc.constantFrom(0, 0.1) }),
  stepDecay: drawn(stepDecay, { every: updates, factor: fc.constantFrom(0.1, 0.9) }),
};

const callOf = <Result>(table: Readonly<Record<string, Drawn<Result>>>): fc.Arbitrary<Call> =>
  fc.oneof(
    ...Object.entries(table).map(([name, { options }]) => fc.record({ name: fc.constant(name), options })),
  ) as fc.Arbitrary<Call>;

/** Whatever trains. */
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

/** Whatever the learning rate may do. */
export const rateSchedulePlans: fc.Arbitrary<RateSchedulePlan> = fc.record({
  after: callOf(schedules),
  warmUp: fc.constantFrom(0, 0, 1, 3, 100),
});

/** Names of the rules that are drawn. */
export const ruleNames: readonly string[] = Object.keys(rules);

function called<Result>(table: Readonly<Record<string, Drawn<Result>>>, { name, options }: Call): Result {
  const known = table[name];
  if (known === undefined) throw new Error(`there is no ${name}; there are ${Object.keys(table).join(", ")}`);
  return known.call(options);
}

/** The optimizer that a plan stands for, around its rule or what `change` makes of that. */
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

/** The schedule that a plan stands for. */
export function rateScheduleOf({ after, warmUp: before }: RateSchedulePlan): Schedule {
  const schedule = called(schedules, after);
  return before === 0 ? schedule : warmUp(before, schedule);
}

/** The optimizer as source. */
export function optimizerText({ rule, weightDecay, average }: OptimizerPlan): string {
  const plain = `${rule.name}(${JSON.stringify(rule.options)})`;
  const decays = weightDecay?.matricesOnly ? ", decays: matrices" : "";
  const decaying =
    weightDecay === null
      ? plain
      : `withWeightDecay(${plain}, { rate: ${weightDecay.rate}, through: "${weightDecay.through}"${decays} })`;
  return average === null ? decaying : `withAverage(${decaying}, { decay: ${average} })`;
}

/** The schedule as source. */
export function rateScheduleText({ after: { name, options }, warmUp: before }: RateSchedulePlan): string {
  const schedule = name === "constantRate" ? name : `${name}(${JSON.stringify(options)})`;
  return before === 0 ? schedule : `warmUp(${before}, ${schedule})`;
}
