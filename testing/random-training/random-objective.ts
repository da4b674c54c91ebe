/**
 * @file Random objectives: every kind of network around any cell, with dropout and connections around its layers, both
 * directions over masked sequences, and random batches for each.
 */
import fc from "fast-check";
import { evaluateShape } from "../../compiler/graph/dim.ts";
import { UserError } from "../../compiler/graph/errors.ts";
import type { Aval } from "../../compiler/graph/graph.ts";
import { atSite } from "../../compiler/trace/site.ts";
import { type CellDefinition, dense, type NdArray, sgd } from "../../index.ts";
import type { StackOptions } from "../../train/cell-stack.ts";
import { classifierModel } from "../../train/classifier.ts";
import { stacked } from "../../train/layers/depth.ts";
import { bidirectional } from "../../train/layers/layer.ts";
import { crossEntropy } from "../../train/losses/classification.ts";
import { languageModel, regressionModel, seriesModel } from "../../train/networks.ts";
import { type Objective, objective } from "../../train/objective.ts";
import { trainingStep } from "../../train/training-step.ts";
import { randomFloats, randomIntegers } from "../numbers/random-data.ts";
import { site } from "../random-cells/cell-graphs.ts";

/** Kinds of networks; "both directions" is a bidirectional one over masked sequences. */
const kinds = ["text", "series", "regression", "classes", "both directions"] as const;

/** An objective as plain data. Sizes are minimums: a cell that supports only some sizes gets the next supported one. */
export interface ObjectivePlan {
  readonly kind: (typeof kinds)[number];
  /** Name of the cell. */
  readonly cell: string;
  readonly units: number;
  readonly layers: number;
  /** Input width of the first layer. */
  readonly features: number;
  /** Number of symbols, classes or outputs. */
  readonly outputs: number;
  /** Dropout and connections around layers, if the kind supports them. */
  readonly around: {
    readonly dropout: number;
    readonly zoneout: number;
    readonly recurrentDropout: number;
    readonly connection: "residual" | "highway" | null;
  };
  /** Initial states, and merging of two directions. */
  readonly initial: "zeros" | "learned";
  readonly merge: "concat" | "sum" | "mean" | "product";
}

/** An objective, its batches, and its source. */
export interface RandomObjective {
  readonly objective: Objective;
  /** Generates a batch with `time` steps and `rows` rows. */
  readonly batch: (random: () => number, time: number, rows: number) => Record<string, NdArray>;
  /** An expression; `cell` stands for the cell. */
  readonly text: string;
}

const upTo = (max: number) => fc.integer({ min: 1, max });
const rate = fc.constantFrom(0, 0, 0, 0.3);

/** Objectives around cells of these names. */
export const objectivePlans = (cells: readonly string[]): fc.Arbitrary<ObjectivePlan> =>
  fc.record({
    kind: fc.constantFrom(...kinds),
    cell: fc.constantFrom(...cells),
    units: upTo(9),
    layers: upTo(2),
    features: upTo(6),
    outputs: fc.integer({ min: 2, max: 9 }),
    around: fc.record({
      dropout: rate,
      zoneout: rate,
      recurrentDropout: rate,
      connection: fc.constantFrom(null, null, "residual", "highway"),
    }),
    initial: fc.constantFrom("zeros", "learned"),
    merge: fc.constantFrom("concat", "sum", "mean", "product"),
  });

/** Number of sizes to try, from the generated one upwards. */
const sizesTried = 8;

/** The objective of a plan, with the cell in a supported size. */
export function objectiveOf(plan: ObjectivePlan, cell: CellDefinition): RandomObjective {
  let refusal: unknown;
  for (const recurrentDropout of new Set([plan.around.recurrentDropout, 0])) {
    for (let units = plan.units; units < plan.units + sizesTried; units++) {
      for (let features = plan.features; features < plan.features + sizesTried; features++) {
        const sized = { ...plan, units, features, around: { ...plan.around, recurrentDropout } };
        try {
          return atSite(site, () => tried(builders[plan.kind](sized, cell), recurrentDropout > 0));
        } catch (error) {
          if (!(error instanceof UserError)) throw error;
          refusal ??= error;
        }
      }
    }
  }
  throw refusal;
}

/** Cells without a product of their state do not support recurrent dropout, which only tracing shows. */
function tried(built: RandomObjective, isDropped: boolean): RandomObjective {
  if (isDropped) trainingStep(built.objective, { optimizer: sgd() });
  return built;
}

type Builder = (plan: ObjectivePlan, cell: CellDefinition) => RandomObjective;

const builders: Readonly<Record<ObjectivePlan["kind"], Builder>> = {
  text: ({ units, layers, features: embed, outputs: vocabulary, around }, cell) => {
    const sizes = { units, layers, embed, vocabulary };
    return whole(
      languageModel({ cell, ...sizes, ...stackOf(around) }),
      `languageModel({ cell, ${fields({ ...sizes, ...stackOf(around) })} })`,
      vocabulary,
    );
  },
  series: ({ units, layers, features, around }, cell) => {
    const sizes = { units, layers, features };
    return whole(
      seriesModel({ cell, ...sizes, ...stackOf(around) }),
      `seriesModel({ cell, ${fields({ ...sizes, ...stackOf(around) })} })`,
    );
  },
  regression: ({ units, layers, features, outputs, around }, cell) => {
    const sizes = { units, layers, features, outputs };
    const built = whole(
      regressionModel({ cell, ...sizes, ...stackOf(around) }),
      `regressionModel({ cell, ${fields({ ...sizes, ...stackOf(around) })} })`,
    );
    return altered(built, "targets", (value, i) => (i % (outputs + 1) === outputs ? Number(value > -0.5) : value));
  },
  classes: ({ units, layers, features, outputs: classes }, cell) => {
    const sizes = { units, layers, classes, reads: { features } };
    const built = whole(
      classifierModel({ cell, ...sizes }),
      `classifierModel({ cell, ${fields(sizes)} })`,
      classes + 1,
    );
    // A class below 0 means no target.
    return altered(built, "targets", (value) => value - 1);
  },
  "both directions": ({ units, layers, features, outputs, initial, merge }, cell) => {
    const given = {
      x: { dtype: "f32", shape: ["T", "B", features] },
      mask: { dtype: "bool", shape: ["T", "B"] },
      targets: { dtype: "i32", shape: ["T", "B"] },
    } as const;
    return whole(
      objective("both directions", given, ({ x, mask, targets }, random) => {
        const both = () => bidirectional(cell(units), cell(units), { initial, merge });
        const { outputs: read } = stacked(Array.from({ length: layers }, both)).run(x, { mask, random });
        return crossEntropy(dense("head", read, outputs), targets, { mask });
      }),
      bothDirectionsText({ given, units, layers, outputs, initial, merge }),
      outputs,
    );
  },
};

function bothDirectionsText(
  plan: Pick<ObjectivePlan, "units" | "layers" | "outputs" | "initial" | "merge"> & { given: object },
) {
  const { given, units, layers, outputs, initial, merge } = plan;
  return `objective("both directions", ${JSON.stringify(given)}, ({ x, mask, targets }, random) => {
  const both = () => bidirectional(cell(${units}), cell(${units}), { initial: "${initial}", merge: "${merge}" });
  const { outputs } = stacked(Array.from({ length: ${layers} }, both)).run(x, { mask, random });
  return crossEntropy(dense("head", outputs, ${outputs}), targets, { mask });
})`;
}

const fields = (given: object): string => JSON.stringify(given).slice(1, -1);

function stackOf({ connection, ...rates }: ObjectivePlan["around"]): StackOptions {
  return { ...rates, ...(connection !== null && { connection }) };
}

/** Batches of uniform numbers: f32 in ±1, integers below `bound`, bools that are true in four of five cases. */
function whole(built: Objective, text: string, bound = 1): RandomObjective {
  const numbers = (random: () => number, { dtype }: Aval, shape: readonly number[]): NdArray => {
    if (dtype === "f32") return randomFloats(random, shape);
    if (dtype !== "bool") return randomIntegers(random, shape, bound, dtype);
    const fifths = randomIntegers(random, shape, 5, "u32");
    return { ...fifths, dtype, data: fifths.data.map((value) => Number(value > 0)) };
  };
  return {
    objective: built,
    text,
    batch: (random, T, B) =>
      Object.fromEntries(
        Object.entries(built.batch).map(([name, aval]) => [
          name,
          numbers(random, aval, evaluateShape(aval.shape, { T, B })),
        ]),
      ),
  };
}

/** The same with each value of one input replaced. */
function altered(built: RandomObjective, name: string, next: (value: number, i: number) => number): RandomObjective {
  return {
    ...built,
    batch: (...given) => {
      const batch = built.batch(...given);
      const array = batch[name];
      return array === undefined ? batch : { ...batch, [name]: { ...array, data: array.data.map(next) } };
    },
  };
}
