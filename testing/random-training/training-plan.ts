/** @file The plan of a training run, as plain data that fast-check generates and shrinks, and its source text. */
import fc from "fast-check";
import { type Tuning, tuningGrid } from "../../compiler/plan/tuning.ts";
import { type ObjectivePlan, objectivePlans, type RandomObjective } from "./random-objective.ts";
import {
  type OptimizerPlan,
  optimizerPlans,
  optimizerText,
  type RateSchedulePlan,
  rateSchedulePlans,
  rateScheduleText,
} from "./random-optimizer.ts";

/** A run as plain data. */
export interface TrainingPlan {
  readonly objective: ObjectivePlan;
  readonly optimizer: OptimizerPlan;
  readonly rateSchedule: RateSchedulePlan;
  readonly learningRate: number;
  readonly clip: { readonly by: "clipNorm" | "clipValue"; readonly limit: number } | null;
  readonly accumulate: number;
  /** Step number at the start, so that rules which depend on it are also tested late in a run. */
  readonly before: number;
  /** Rows of a batch. */
  readonly rows: number;
  readonly steps: readonly StepPlan[];
  /** Schedule of loops over time. */
  readonly schedule: "auto" | "stepwise";
  /** Another choice of kernels; none by default. */
  readonly tuning: Tuning | null;
  /** Seed of weights, random numbers in training, and batches. */
  readonly seed: number;
}

/** One batch. */
export interface StepPlan {
  readonly time: number;
  /** Whether the batch has one row more than the others, so that no state can be carried over. */
  readonly hasMoreRows: boolean;
  readonly isFresh: boolean;
  /** Factor of the learning rate from this step on. */
  readonly rateFactor: number;
}

const upTo = (max: number) => fc.integer({ min: 1, max });

const tunings = fc.record(
  Object.fromEntries(Object.entries(tuningGrid).map(([field, values]) => [field, fc.constantFrom(...values)])),
  { requiredKeys: [] },
) as fc.Arbitrary<Tuning>;

const stepPlans: fc.Arbitrary<StepPlan> = fc.record({
  time: upTo(7),
  hasMoreRows: fc.constantFrom(false, false, false, true),
  isFresh: fc.constantFrom(false, false, true),
  rateFactor: fc.constantFrom(1, 1, 0.3),
});

/** Plans of runs with cells of these names. */
export function trainingPlans(cells: readonly string[]): fc.Arbitrary<TrainingPlan> {
  return fc.record({
    objective: objectivePlans(cells),
    optimizer: optimizerPlans,
    rateSchedule: rateSchedulePlans,
    learningRate: fc.constantFrom(1, 0.1, 0.01),
    clip: fc.option(fc.record({ by: fc.constantFrom("clipNorm", "clipValue"), limit: fc.constantFrom(1, 0.1, 0.01) })),
    accumulate: fc.constantFrom(1, 1, 2, 3),
    before: fc.constantFrom(0, 0, 5, 150, 3000),
    rows: upTo(5),
    steps: fc.array(stepPlans, { minLength: 1, maxLength: 4, size: "max" }),
    schedule: fc.constantFrom("auto", "stepwise"),
    tuning: fc.option(tunings),
    seed: fc.nat(),
  });
}

/** The run as source text up to the trainer, with the sizes of its batches as comments. */
export function trainingText(plan: TrainingPlan, { text }: RandomObjective): string {
  const { objective, optimizer, rateSchedule, learningRate, clip, accumulate, before, rows, steps } = plan;
  const options = [
    `optimizer: ${optimizerText(optimizer)}`,
    `rateSchedule: ${rateScheduleText(rateSchedule)}`,
    `learningRate: ${learningRate}`,
    ...(clip === null ? [] : [`${clip.by}: ${clip.limit}`]),
    ...(accumulate === 1 ? [] : [`accumulate: ${accumulate}`]),
    `schedule: "${plan.schedule}"`,
    ...(plan.tuning === null ? [] : [`tuning: ${JSON.stringify(plan.tuning)}`]),
    `seed: ${plan.seed}`,
  ];
  return [
    `const cell = zoo["${objective.cell}"];`,
    `const trained = ${text};`,
    `const trainer = await createTrainer(device, trained, {\n${options.map((option) => `  ${option},`).join("\n")}\n});`,
    ...(before === 0 ? [] : [`trainer.restore({ ...(await trainer.checkpoint()), step: scalar(${before}) });`]),
    ...steps.map(({ time, hasMoreRows, isFresh, rateFactor }) => {
      const rate = rateFactor === 1 ? "" : `, the learning rate times ${rateFactor} from here on`;
      return `// a batch of ${time} steps, ${rows + Number(hasMoreRows)} rows${isFresh ? ", fresh" : ""}${rate}`;
    }),
  ].join("\n");
}
