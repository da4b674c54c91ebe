/**
 * @file One run: a cell in a network, trained on the data step by step. It counts, tells its progress, evaluates held-out
 * data now and then, and keeps its weights on the host, to go on from them where the device is lost.
 *
 * The training loop calls `advance` repeatedly; every other use of the run goes through `use`, so that `close` can wait
 * for all of them before it frees what they work on.
 */
import { cellFromTrace } from "../../compiler/dsl/traced-cell.ts";
import { InternalError, UserError } from "../../compiler/graph/errors.ts";
import type { Device } from "../../devices/device.ts";
import type { Batch } from "../../train/data/batches.ts";
import { decodeCell } from "../../train/files/traced-cell-json.ts";
import { initialize } from "../../train/initialize.ts";
import type { Network } from "../../train/networks.ts";
import { type Checkpoint, createTrainer, type Trainer, type TrainingStepResult } from "../../train/trainer.ts";
import type { DataReport, Event, RunName, RunSpec, StoppedEvent } from "../shared/protocol.ts";
import { type BatchesWithBounds, type Dataset, networkFor } from "./dataset.ts";
import { Progress } from "./progress.ts";
import { updateOf } from "./recipe.ts";
import type { TrainingClock } from "./training-clock.ts";

/** Steps in flight: the device has the next before the numbers of this one are back. More of long steps would delay a pause. */
const depth = { gpu: 8, cpu: 2, software: 2, interpreter: 1 } as const;
const keepMilliseconds = 2000;
/** Held-out batches that are looked at, and the part of the time that this may take. */
const heldOutBatches = 8;
const heldOutShare = 0.1;
const heldOutMilliseconds = 500;

export interface Kept {
  readonly step: number;
  readonly checkpoint: Checkpoint;
}

/** Numbers that were not finite: the last step that was applied, and what was bad in the next. */
interface Halt {
  readonly good: number;
  readonly firstBad: string;
}

export interface RunOptions {
  readonly device: Device;
  readonly data: Dataset;
  readonly spec: RunSpec;
  readonly post: (event: Event) => void;
  /** That of all runs of the worker, since they take turns. */
  readonly clock: TrainingClock;
  /** Refused above it. */
  readonly maxWeights?: number | undefined;
  /** Where to go on from. */
  readonly kept?: Kept | undefined;
}

export class Run {
  readonly name: RunName;
  readonly network: Network;
  readonly data: Dataset;
  readonly device: Device;
  readonly spec: RunSpec;
  readonly #batches: BatchesWithBounds;
  readonly #trainer: Trainer;
  readonly #post: (event: Event) => void;
  readonly #closing = new AbortController();
  readonly #uses = new Set<Promise<unknown>>();
  readonly #owned: { readonly destroy: () => void }[] = [];
  #cursor: Iterator<Batch> | undefined;
  #inFlight: Promise<void>[] = [];
  #kept: Kept | undefined;
  #advancing: Promise<unknown> = Promise.resolve();
  /** Steps that were enqueued. */
  #step = 0;
  #goal = Number.POSITIVE_INFINITY;
  #halted: Halt | undefined;
  readonly #since = { kept: 0, evaluated: 0, evaluation: 0 };
  readonly #progress: Progress;
  readonly #clock: TrainingClock;

  private constructor(options: RunOptions, network: Network, batches: BatchesWithBounds, trainer: Trainer) {
    const { device, data, spec, post, clock, kept } = options;
    this.name = spec.name;
    this.device = device;
    this.data = data;
    this.spec = spec;
    this.network = network;
    this.#post = post;
    this.#clock = clock;
    this.#progress = new Progress(spec.name, post, clock);
    this.#trainer = trainer;
    this.#batches = batches;
    if (kept !== undefined) {
      trainer.restore(kept.checkpoint);
      this.#kept = kept;
      this.#step = kept.step;
    }
  }

  static async open(options: RunOptions): Promise<Run> {
    const { device, data, spec, maxWeights = Number.POSITIVE_INFINITY } = options;
    const { seed, learningRate } = spec.settings;
    const network = networkFor(data, cellFromTrace(decodeCell(spec.cell)), spec.settings);
    const weights = weightsOf(network);
    if (weights > maxWeights) {
      throw new UserError(
        `${spec.name} has ${weights} weights; the ${device.name} takes ${maxWeights} at the most: use fewer units`,
      );
    }
    // Too little data for the sizes is found before anything is compiled.
    const batches = data.batches({ batch: spec.settings.batch, time: spec.settings.time });
    const trainer = await createTrainer(device, network, { seed, learningRate, ...updateOf(spec.settings) });
    try {
      return new Run(options, network, batches, trainer);
    } catch (error) {
      trainer.destroy();
      throw error;
    }
  }

  get step(): number {
    return this.#step;
  }

  get kept(): Kept | undefined {
    return this.#kept;
  }

  get weights(): number {
    return weightsOf(this.network);
  }

  /** The loss of a baseline that ignores its input, and the lowest possible loss if it is known. */
  get bounds(): Pick<DataReport, "baseline" | "best"> {
    const { baseline, best } = { ...this.data.report, ...this.#batches };
    return { baseline, ...(best !== undefined && { best }) };
  }

  set learningRate(value: number) {
    this.#trainer.learningRate = value;
  }

  get learningRate(): number {
    return this.#trainer.learningRate;
  }

  /** Prepares the run to advance by a number of steps, or without end. */
  async begin(steps = Number.POSITIVE_INFINITY): Promise<void> {
    this.#goal = this.#step + steps;
    if (this.#halted !== undefined) {
      // New slots, on the weights from before the halt.
      this.#trainer.setParameters(await this.#trainer.parameters());
      this.#halted = undefined;
    }
    const now = performance.now();
    Object.assign(this.#since, { evaluated: now, kept: now });
    this.#progress.begin();
  }

  /** Trains one step, or less where nothing is left to do; then it says why. */
  advance(): Promise<StoppedEvent | undefined> {
    const advanced = this.use(async (): Promise<StoppedEvent | undefined> => {
      if (this.#step < this.#goal && this.#halted === undefined) this.#enqueue();
      const done = this.#step >= this.#goal || this.#halted !== undefined;
      while (this.#inFlight.length > (done ? 0 : depth[this.device.kind])) await this.#inFlight.shift();
      if (this.#halted !== undefined) return await this.#stopped(this.#halted);
      const now = performance.now();
      const rest = Math.max(heldOutMilliseconds, this.#since.evaluation / heldOutShare);
      const isDue = done || now - this.#since.evaluated > rest;
      // Not before the first loss is back: a point of the curves has both.
      if (isDue && this.#progress.hasBegun) {
        // The time of steps in flight is that of training.
        await this.#drain();
        if (this.#halted !== undefined) return await this.#stopped(this.#halted);
        await this.#clock.without(() => this.#evaluate());
      }
      if (done || now - this.#since.kept > keepMilliseconds) await this.keep();
      return done ? { type: "stopped", run: this.name, step: this.#step, reason: "done" } : undefined;
    });
    this.#advancing = advanced.catch(() => {});
    return advanced;
  }

  /** Waits for the steps in flight, and tells of them. */
  async rest(): Promise<void> {
    await this.#advancing;
    await this.#drain();
    if (this.#halted === undefined) this.#progress.rest();
    else this.#progress.diverged();
    const { good = this.#step } = this.#halted ?? {};
    if (this.#halted !== undefined && this.#step > good) this.#post(this.#stoppedBy(this.#halted));
  }

  /** Back to the start, at the learning rate of now. No step may be in progress. */
  reset(): void {
    this.#trainer.setParameters(initialize(this.network.specs, this.spec.settings.seed));
    this.#cursor = undefined;
    this.#kept = undefined;
    this.#halted = undefined;
    this.#step = 0;
    this.#progress.reset();
  }

  /** Reads the weights to the host, where they outlive the device. */
  async keep(): Promise<void> {
    this.#since.kept = performance.now();
    const kept = await this.snapshot();
    // What a step with bad numbers did not write is what the step before it had written.
    this.#kept = { ...kept, step: Math.min(kept.step, this.#halted?.good ?? kept.step) };
  }

  readonly parameters = () => this.#trainer.parameters();

  /** Starts anew from these weights, which must fit. */
  async setParameters(parameters: Awaited<ReturnType<Trainer["parameters"]>>, step: number): Promise<void> {
    await this.rest();
    this.#trainer.setParameters(parameters);
    this.#halted = undefined;
    this.#step = step;
    await this.keep();
  }

  /** The weights as one flat array, and the step that they are of. */
  async snapshot(): Promise<Kept> {
    const step = this.#step;
    return { step, checkpoint: await this.#trainer.checkpoint() };
  }

  /** The first batch that is trained on: what is shown of a run is shown on the same data again and again. */
  firstBatch(): Batch {
    for (const batch of this.#batches.training) return batch;
    throw new InternalError("there is no batch");
  }

  /** Runs `body`, which ends soon after `signal` says that the run is closed; `close` waits for it. */
  async use<T>(body: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const { signal } = this.#closing;
    signal.throwIfAborted();
    const promise = body(signal);
    this.#uses.add(promise);
    try {
      return await promise;
    } finally {
      this.#uses.delete(promise);
    }
  }

  /** Whatever is destroyed with the run. */
  own<T extends { readonly destroy: () => void }>(resource: T): T {
    this.#owned.push(resource);
    return resource;
  }

  /** Waits for what is going on and frees everything on the device. */
  async close(): Promise<void> {
    this.#closing.abort(new UserError(`${this.name} was replaced or ended in the meantime`));
    await Promise.allSettled([...this.#uses, ...this.#inFlight]);
    this.#inFlight = [];
    for (const resource of this.#owned.splice(0)) resource.destroy();
    this.#trainer.destroy();
  }

  #nextBatch(): Batch {
    let next = this.#cursor?.next();
    if (next === undefined || next.done === true) {
      this.#cursor = this.#batches.training[Symbol.iterator]();
      next = this.#cursor.next();
    }
    if (next.done === true) throw new InternalError("there is no batch");
    return next.value;
  }

  async #drain(): Promise<void> {
    while (this.#inFlight.length > 0) await this.#inFlight.shift();
  }

  #enqueue(): void {
    const batch = this.#nextBatch();
    const [time = 0, rows = 0] = batch.x.shape;
    this.#step += 1;
    const promise = this.#result(this.#trainer.step(batch), this.#step, time * rows);
    // Awaited some iterations of the event loop later; until then a fault must not count as unhandled.
    promise.catch(() => {});
    this.#inFlight.push(promise);
  }

  async #result(pending: Promise<TrainingStepResult>, step: number, tokens: number): Promise<void> {
    const result = await pending;
    if (!result.finite) {
      const { firstBad = "loss", firstBadStep = result.step } = result;
      this.#halted ??= { good: step - (result.step - firstBadStep) - 1, firstBad };
      return;
    }
    const { loss, gradientNorm } = result;
    this.#progress.add({ step, loss, gradientNorm, tokens });
  }

  async #evaluate(): Promise<void> {
    const start = performance.now();
    const batches: Batch[] = [];
    for (const batch of this.#batches.validation) {
      batches.push(batch);
      if (batches.length === heldOutBatches) break;
    }
    const step = this.#step;
    if (batches.length > 0) this.#progress.heldOut(step, await this.#trainer.evaluate(batches));
    this.#since.evaluated = performance.now();
    this.#since.evaluation = this.#since.evaluated - start;
  }

  async #stopped(halt: Halt): Promise<StoppedEvent> {
    await this.#drain();
    this.#progress.diverged();
    return this.#stoppedBy(halt);
  }

  #stoppedBy({ good, firstBad }: Halt): StoppedEvent {
    this.#step = good;
    const message = `${this.name}: the ${firstBad} of step ${good + 1} is not finite; the weights before it are kept, and a smaller learning rate often helps`;
    return { type: "stopped", run: this.name, step: good, reason: "not finite", fault: { message } };
  }
}

function weightsOf({ specs }: Network): number {
  return specs.reduce((total, { shape }) => total + shape.reduce((a, b) => a * b, 1), 0);
}
