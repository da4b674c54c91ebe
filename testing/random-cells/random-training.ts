/**
 * @file Random training runs: a small network around a cell, an optimizer, a schedule of kernels and sizes, whose updates
 * on a device are compared with the interpreter's.
 */
import fc from "fast-check";
import { at } from "../../compiler/graph/errors.ts";
import {
  adam,
  type CellDefinition,
  createTrainer,
  type Device,
  type NdArray,
  ndarray,
  type Optimizer,
  openInterpreter,
  sgd,
} from "../../index.ts";
import { languageModel } from "../../train/networks.ts";
import { adamW, momentum } from "../../train/optimizers.ts";
import { generator } from "../numbers/random-data.ts";

const optimizers: Readonly<Record<string, () => Optimizer>> = { sgd, momentum, adam, adamW };

/** A run as plain data. */
export interface TrainingPlan {
  /** Which of the cells. */
  readonly cell: number;
  readonly units: number;
  readonly layers: number;
  readonly embed: number;
  readonly vocabulary: number;
  readonly batch: number;
  readonly time: number;
  readonly optimizer: string;
  readonly clipNorm: number | undefined;
  readonly schedule: "auto" | "stepwise";
  readonly seed: number;
}

const upTo = (max: number) => fc.integer({ min: 1, max });

export function trainingPlans(cells: readonly CellDefinition[]): fc.Arbitrary<TrainingPlan> {
  return fc.record({
    cell: fc.nat({ max: cells.length - 1 }),
    units: upTo(9),
    layers: upTo(2),
    embed: upTo(6),
    vocabulary: fc.integer({ min: 2, max: 9 }),
    batch: upTo(5),
    time: upTo(7),
    optimizer: fc.constantFrom(...Object.keys(optimizers)),
    clipNorm: fc.constantFrom(undefined, 0.1, 1),
    schedule: fc.constantFrom("auto", "stepwise"),
    seed: fc.nat(),
  });
}

const steps = 3;
/** Updates are compared as a whole: rounding of f32 through three steps of an optimizer that divides by small numbers. */
const tolerance = 1e-3;

/** Throws an error that says what differs after some updates. */
export async function checkTraining(
  plan: TrainingPlan,
  cells: readonly CellDefinition[],
  device: Device,
): Promise<void> {
  const [meant, got] = [await weightsAfter(plan, cells, openInterpreter()), await weightsAfter(plan, cells, device)];
  for (const [i, loss] of meant.losses.entries()) {
    const error = Math.abs(at(got.losses, i) - loss) / Math.max(1, Math.abs(loss));
    if (!(error <= tolerance)) throw new Error(`the loss of step ${i + 1} is ${at(got.losses, i)}, not ${loss}`);
  }
}

async function weightsAfter(plan: TrainingPlan, cells: readonly CellDefinition[], device: Device) {
  const { units, layers, embed, vocabulary, batch, time, clipNorm, schedule, seed } = plan;
  const network = languageModel({ cell: at(cells, plan.cell), units, layers, embed, vocabulary });
  const optimizer = optimizers[plan.optimizer]?.() ?? sgd();
  const trainer = await createTrainer(device, network, {
    ...{ optimizer, schedule, seed: seed % 2 ** 31, learningRate: 0.01 },
    ...(clipNorm !== undefined && { clipNorm }),
  });
  try {
    const random = generator(seed);
    const tokens = (): NdArray => ({
      ...ndarray(
        [time, batch],
        Array.from({ length: time * batch }, () => Math.floor(random() * vocabulary)),
      ),
      dtype: "i32",
    });
    const losses: number[] = [];
    for (let step = 0; step < steps; step++) losses.push((await trainer.step({ x: tokens(), targets: tokens() })).loss);
    return { losses };
  } finally {
    trainer.destroy();
  }
}
