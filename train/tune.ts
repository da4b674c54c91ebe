/**
 * @file A measured search for a tuning: coordinate descent over `tuningGrid`, starting from the compiler's defaults.
 *
 * Each candidate changes one field of the best tuning so far. It must first reproduce the default's numbers; then it and the
 * best run alternately, so that other load on the machine slows both, and it wins only if it is faster by a margin in two
 * heats. Candidates that compile to a program that was measured before are skipped. The result is data: training with it
 * again uses the same kernels, and so gives the same bits.
 */
import { at, messageOf, UserError } from "../compiler/graph/errors.ts";
import { type NdArray, scalar, zeros } from "../compiler/graph/ndarray.ts";
import { checkedOptions } from "../compiler/graph/options.ts";
import { type Tuning, tuningGrid } from "../compiler/plan/tuning.ts";
import {
  type CompileOptions,
  type Device,
  type DeviceArray,
  type Executable,
  ofScanSchedule,
} from "../devices/device.ts";
import { type AbortOptions, ofAbort } from "./abort.ts";
import { packArrays, partsOf, shapesOf } from "./arena.ts";
import { inputsOf } from "./batch-inputs.ts";
import { keptShape } from "./checkpoint.ts";
import type { Batch } from "./data/batches.ts";
import type { Tuned } from "./files/tuned.ts";
import { zeroStates } from "./held-arrays.ts";
import { constantsOf } from "./hyperparameter.ts";
import { initialize } from "./initialize.ts";
import { lossRewrite } from "./loss-rewrite.ts";
import type { Network } from "./networks.ts";
import { adam } from "./optimizers/gradient-descent.ts";
import { ofUpdate, type UpdateOptions } from "./optimizers/update.ts";
import type { TrainerOptions } from "./trainer.ts";
import { type TrainingStep, trainingStep } from "./training-step.ts";

/** Options of `tune`; the update and `schedule` must be those of the trainer that will use the tuning. */
export interface TuneOptions extends Partial<UpdateOptions>, Pick<TrainerOptions, "schedule">, AbortOptions {
  /** The batch that every candidate runs on: the tuning is for its sizes. */
  readonly batch: Batch;
  /** Time limit in seconds, after which the best tuning so far is returned; 60 by default. */
  readonly seconds?: number;
  /** Called after each candidate. */
  readonly onProgress?: (progress: TuneProgress) => void;
}

const ofTune = {
  ...ofUpdate,
  ...ofAbort,
  schedule: ofScanSchedule,
  batch: "object",
  seconds: "number",
  onProgress: "function",
} as const;

/** Progress of a search. */
export interface TuneProgress {
  /** Number of candidates so far. */
  readonly tried: number;
  /** Maximum number of candidates. */
  readonly total: number;
  /** The best tuning so far. */
  readonly best: Tuning;
}

/** The result of one candidate. */
export interface Measurement {
  /** The candidate. */
  readonly tuning: Tuning;
  /** The result. */
  readonly outcome: "faster" | "not faster" | "the same program" | "other numbers" | "failed";
  /** Time of a step relative to the best so far, if both were run: a median over rounds. */
  readonly ratio?: number;
  /** Why it failed. */
  readonly reason?: string;
}

/** The result of a search. */
export interface TuneResult extends Tuned {
  /** All candidates, in order. */
  readonly measurements: readonly Measurement[];
}

/** A candidate must be this much faster to win: clocks and other load are noisy. */
const margin = 0.03;
/** Rounds of a heat, over which the median is taken. Even, so that both are first equally often. */
const rounds = 6;
/** A candidate this much slower in its first two rounds is not run again. */
const hopeless = 1.15;
/** Steps are run together until they take this long, so that the submission overhead counts no more than in training. */
const millisecondsPerRound = 40;
const mostStepsPerRound = 32;
/** Largest difference to the default's numbers, relative to their root mean square. */
const tolerance = 1e-3;
const sweeps = 2;

/** Searches for the fastest tuning of a network's training step on a device. Errors are those of compiling without one. */
export async function tune(device: Device, network: Network, options: TuneOptions): Promise<TuneResult> {
  const {
    batch,
    seconds = 60,
    signal: _,
    onProgress: __,
    schedule: ___,
    ...given
  } = checkedOptions("tune", options, ofTune);
  if (device.lower === undefined)
    throw new UserError(`the ${device.name} has no kernels to tune; use a gpu, cpu or software device`);
  if (!(seconds > 0)) throw new UserError(`tune: seconds is ${seconds}; expected a number above 0`);
  const rewrite = lossRewrite("tune", "auto");
  const step = trainingStep(network, { optimizer: adam(), ...given }, undefined, rewrite);
  const { rows } = inputsOf(network, batch, step.indices);
  const search = new Search(device, network, step, options, performance.now() + 1000 * seconds);
  try {
    const found = await search.run();
    return { ...found, adapter: device.name, batch: rows, time: at(batch.x.shape, 0) };
  } finally {
    search.destroy();
  }
}

class Search {
  readonly #device: Device;
  readonly #network: Network;
  readonly #step: TrainingStep;
  readonly #options: TuneOptions;
  readonly #deadline: number;
  /** Tunings that were measured, and their programs. */
  readonly #known = new Set<string>();
  readonly #measurements: Measurement[] = [];
  readonly #open = new Set<Contender>();
  #best: Tuning = {};
  #stepsPerRound = 1;

  constructor(device: Device, network: Network, step: TrainingStep, options: TuneOptions, deadline: number) {
    this.#device = device;
    this.#network = network;
    this.#step = step;
    this.#options = options;
    this.#deadline = deadline;
  }

  async run(): Promise<Pick<TuneResult, "tuning" | "speedup" | "measurements">> {
    this.#isNew({});
    const first = await this.#enter({});
    const expected = await first.firstStep();
    if (!expected.every(({ data }) => data.every(Number.isFinite)))
      throw new UserError(
        "tune: the results of the first step are not finite, so candidates cannot be compared; check the batch",
      );
    await first.milliseconds(1);
    this.#stepsPerRound = Math.ceil(millisecondsPerRound / Math.max(1, await first.milliseconds(1)));
    this.#stepsPerRound = Math.min(mostStepsPerRound, this.#stepsPerRound);

    const champion = await this.#descend(first, expected);
    // Many small wins can be due to chance: the winner must beat the default as well.
    const ratio = champion === first ? 1 : await this.#heat(first, champion);
    const isFaster = ratio < 1 - margin;
    return {
      tuning: isFaster ? this.#best : {},
      speedup: isFaster ? Number((1 / ratio).toFixed(3)) : 1,
      measurements: this.#measurements,
    };
  }

  destroy(): void {
    for (const contender of this.#open) contender.destroy();
    this.#open.clear();
  }

  /** Searches field by field until a sweep changes nothing or the time is up. */
  async #descend(first: Contender, expected: readonly NdArray[]): Promise<Contender> {
    let champion = first;
    const fields = Object.keys(tuningGrid) as (keyof Tuning)[];
    const sweepLength = fields.reduce((sum, field) => sum + tuningGrid[field].length, 0);
    let tried = 0;
    for (let sweep = 1; sweep <= sweeps; sweep++) {
      const before = this.#best;
      for (const [field, value] of fields.flatMap((name) =>
        tuningGrid[name].map((choice) => [name, choice] as const),
      )) {
        if (this.#isLate()) return champion;
        champion = await this.#challenge(champion, { ...this.#best, [field]: value }, first, expected);
        this.#options.onProgress?.({ tried: ++tried, total: sweeps * sweepLength, best: this.#best });
      }
      if (this.#best === before) break;
    }
    return champion;
  }

  /** Runs a candidate against the champion; returns the new champion. */
  async #challenge(
    champion: Contender,
    tuning: Tuning,
    first: Contender,
    expected: readonly NdArray[],
  ): Promise<Contender> {
    let contender: Contender | undefined;
    try {
      if (!this.#isNew(tuning)) {
        this.#measurements.push({ tuning, outcome: "the same program" });
        return champion;
      }
      contender = await this.#enter(tuning);
      const numbers = await contender.firstStep();
      if (!numbers.every((output, i) => agrees(output, at(expected, i)))) {
        this.#measurements.push({ tuning, outcome: "other numbers" });
        this.#leave(contender);
        return champion;
      }
    } catch (error) {
      this.#options.signal?.throwIfAborted();
      this.#measurements.push({ tuning, outcome: "failed", reason: messageOf(error) });
      if (contender !== undefined) this.#leave(contender);
      return champion;
    }
    const ratio = await this.#duel(champion, contender);
    const isFaster = ratio < 1 - margin;
    this.#measurements.push({ tuning, outcome: isFaster ? "faster" : "not faster", ratio });
    if (!isFaster) {
      this.#leave(contender);
      return champion;
    }
    this.#best = tuning;
    if (champion !== first) this.#leave(champion);
    return contender;
  }

  /** The worse ratio of two heats, or that of the first if it is lost. */
  async #duel(champion: Contender, challenger: Contender): Promise<number> {
    const ratio = await this.#heat(champion, challenger);
    return ratio < 1 - margin ? Math.max(ratio, await this.#heat(champion, challenger)) : ratio;
  }

  /** Runs both alternately; returns the median ratio of the challenger's time to the champion's. */
  async #heat(champion: Contender, challenger: Contender): Promise<number> {
    const ratios: number[] = [];
    for (let round = 0; round < rounds; round++) {
      this.#options.signal?.throwIfAborted();
      const isOdd = round % 2 === 1;
      const early = await (isOdd ? challenger : champion).milliseconds(this.#stepsPerRound);
      const late = await (isOdd ? champion : challenger).milliseconds(this.#stepsPerRound);
      ratios.push(isOdd ? early / late : late / early);
      if (round === 1 && ratios.every((ratio) => ratio > hopeless)) break;
    }
    return median(ratios);
  }

  #isLate(): boolean {
    this.#options.signal?.throwIfAborted();
    return performance.now() > this.#deadline;
  }

  /** Whether no earlier candidate had the same kernels and dispatches. */
  #isNew(tuning: Tuning): boolean {
    if (!this.#note(Object.entries(tuning).sort())) return false;
    const program = this.#device.lower?.(this.#step.graph, this.#compileOptions(tuning));
    return this.#note([program?.buffers, program?.kernels, program?.steps]);
  }

  /** Records a value; returns whether it is new. */
  #note(what: object): boolean {
    const text = JSON.stringify(what);
    const isNew = !this.#known.has(text);
    this.#known.add(text);
    return isNew;
  }

  #compileOptions(tuning: Tuning): CompileOptions {
    const { graph, arena, donate, outputs } = this.#step;
    const { schedule = "auto", precision } = this.#options;
    return { donate, parts: partsOf(graph, arena), readback: [outputs.metrics ?? 0], schedule, precision, tuning };
  }

  async #enter(tuning: Tuning): Promise<Contender> {
    this.#options.signal?.throwIfAborted();
    const executable = await this.#device.compile(this.#step.graph, this.#compileOptions(tuning));
    const contender = new Contender(this.#device, this.#network, this.#step, executable, this.#options.batch);
    this.#open.add(contender);
    return contender;
  }

  #leave(contender: Contender): void {
    contender.destroy();
    this.#open.delete(contender);
  }
}

/** The training step with one tuning, and its arrays. */
class Contender {
  readonly #step: TrainingStep;
  readonly #executable: Executable;
  readonly #batch: Readonly<Record<string, DeviceArray>>;
  #held: Record<string, DeviceArray>;

  constructor(device: Device, network: Network, step: TrainingStep, executable: Executable, batch: Batch) {
    this.#step = step;
    this.#executable = executable;
    const given = { x: batch.x, targets: batch.targets, ...constantsOf(step, 0) };
    this.#batch = Object.fromEntries(Object.entries(given).map(([name, value]) => [name, device.upload(value)]));
    this.#held = {
      parameters: device.upload(packArrays(initialize(network.specs, 0), step.arena), shapesOf(step.arena)),
      ...Object.fromEntries(
        step.slots.map((name) => [name, device.upload(zeros(keptShape(name, step.arena)), shapesOf(step.arena))]),
      ),
      step: device.upload(scalar(0)),
      halted: device.upload(scalar(0, "bool")),
      ...zeroStates(device, network.stateShapes, at(batch.x.shape, 1)),
    };
  }

  /** All outputs of a step from the initial weights. */
  async firstStep(): Promise<NdArray[]> {
    const metrics = this.#enqueue(1e-3);
    const outputs = [...Object.keys(this.#step.donate).map((name) => this.#held[name] as DeviceArray), metrics];
    const numbers = await Promise.all(outputs.map((output) => output.read()));
    metrics.destroy();
    return numbers;
  }

  /** Milliseconds per step, when `steps` are enqueued together. */
  async milliseconds(steps: number): Promise<number> {
    const started = performance.now();
    // A tiny learning rate: a vanishing loss would give subnormal numbers, which are slow on some CPUs.
    for (let i = 1; i < steps; i++) this.#enqueue(1e-9).destroy();
    const last = this.#enqueue(1e-9);
    await last.read();
    last.destroy();
    return (performance.now() - started) / steps;
  }

  destroy(): void {
    for (const array of [...Object.values(this.#held), ...Object.values(this.#batch)]) array.destroy();
    this.#executable.destroy();
  }

  /** Enqueues a step and returns its metrics. */
  #enqueue(learningRate: number): DeviceArray {
    const inputs = { ...this.#held, ...this.#batch, learningRate: scalar(learningRate) };
    const outputs = this.#executable.run(inputs);
    const { donate, outputs: positions } = this.#step;
    this.#held = Object.fromEntries(Object.entries(donate).map(([name, index]) => [name, at(outputs, index)]));
    return at(outputs, positions.metrics ?? -1);
  }
}

/** Whether numbers equal the default's, up to the order of sums. */
function agrees({ data }: NdArray, { data: expected }: NdArray): boolean {
  const norm = (numbers: Float64Array) => Math.sqrt(numbers.reduce((sum, x) => sum + x * x, 0));
  return norm(data.map((value, i) => value - (expected[i] ?? Number.NaN))) <= tolerance * norm(expected);
}

function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  return (at(sorted, Math.floor(middle)) + at(sorted, Math.ceil(middle) - 1)) / 2;
}
