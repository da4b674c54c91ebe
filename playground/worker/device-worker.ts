/**
 * @file The worker that owns the device, as a class that is fed with requests. It never sees a cell's source, and it has
 * no idea of a page: a test talks to it just as well.
 *
 * Requests that make or end runs wait for each other; all others go on side by side, between the turns of training.
 */

import { UserError } from "../../compiler/graph/errors.ts";
import type { Device } from "../../devices/device.ts";
import { nextMacrotask } from "../../train/abort.ts";
import { vocabularyOfModel } from "../../train/data/tokenizer.ts";
import { streamingStep } from "../../train/prediction-step.ts";
import { tasks } from "../../train/tasks/index.ts";
import {
  type Command,
  type DeviceChoice,
  type DeviceReport,
  loadedModel,
  type Message,
  type Request,
  type Result,
  type Results,
  type RunName,
  type RunReport,
  type RunSpec,
} from "../shared/protocol.ts";
import { type Dataset, openDataset } from "./dataset.ts";
import { faultOf } from "./fault.ts";
import { FlowMeter } from "./flow.ts";
import { inspectRun } from "./inspect.ts";
import { checkFits, describeModel, modelFile, readModel, sampleDataOf } from "./models.ts";
import { type OpenDevice, type Opened, openFirst } from "./opening.ts";
import { type Kept, Run } from "./run.ts";
import { openSampler, type SampleData, type Sampler, sampleFrom } from "./sampling.ts";
import { TrainingClock } from "./training-clock.ts";
import { TrainingLoop } from "./training-loop.ts";

const defaultCases = 30;

export type Post = (message: Message, transfer: readonly ArrayBuffer[]) => void;
type CommandOf<K extends Command["type"]> = Extract<Command, { type: K }>;
type Handlers = { readonly [K in Command["type"]]: (command: CommandOf<K>, id: number) => Promise<Results[K]> };

/** What is known of a run beside the run itself. */
interface Held {
  readonly run: Run;
  flow?: FlowMeter;
  sampler?: Promise<Sampler>;
}

/** A model that was loaded by itself. */
interface Loaded {
  readonly sampler: Sampler;
  readonly openOn: (device: Device) => Promise<Sampler>;
  readonly dataFor: (data: Dataset | undefined) => SampleData;
  readonly ending: AbortController;
}

export class DeviceWorker {
  readonly #post: Post;
  readonly #open: OpenDevice;
  readonly #clock = new TrainingClock();
  readonly #loop = new TrainingLoop(
    (event) => this.#post(event, []),
    (run, error) => this.#onStepFault(run, error),
  );
  readonly #runs = new Map<RunName, Held>();
  #device: Device | undefined;
  #choice: DeviceChoice = "auto";
  #report: DeviceReport | undefined;
  #data: Dataset | undefined;
  #loaded: Loaded | undefined;
  /** What the runs of a lost device go on from. */
  #lost: readonly { readonly spec: RunSpec; readonly kept: Kept | undefined; readonly learningRate: number }[] = [];
  #ended = false;
  #exclusive: Promise<unknown> = Promise.resolve();

  constructor(post: Post, open: OpenDevice) {
    this.#post = post;
    this.#open = open;
  }

  /** Answers with a reply or a failure, always. */
  async receive(request: Request): Promise<void> {
    if (this.#ended) return;
    const { id, ...command } = request;
    try {
      const handler = Object.hasOwn(this.#handlers, command.type) ? this.#handlers[command.type] : undefined;
      if (handler === undefined) throw new UserError(`there is no request ${JSON.stringify(command.type)}`);
      const result = await (handler as (command: Command, id: number) => Promise<Result>)(command as Command, id);
      this.#post({ type: "reply", id, result }, buffersIn(result));
    } catch (error) {
      this.#post({ type: "failure", id, fault: faultOf(error) }, []);
    }
  }

  readonly #handlers: Handlers = {
    init: ({ device }) =>
      this.#alone(() => {
        this.#lost = [];
        return this.#openDevice(device);
      }),
    switchDevice: ({ device }) => this.#alone(() => this.#switchDevice(device)),
    listTasks: async () =>
      Object.values(tasks).map(({ name, about, source, kind, parameters }) => {
        return { name, about, source, kind, parameters };
      }),
    setData: ({ data }) =>
      this.#alone(async () => {
        // Data that cannot be read leave everything as it was.
        const next = openDataset(data);
        await this.#endRuns();
        this.#lost = [];
        this.#data = next;
        return next.report;
      }),
    setRuns: ({ runs, keep = [] }) => this.#alone(() => this.#setRuns(runs, keep)),
    start: async ({ runs, steps }) => {
      if (steps !== undefined && !(Number.isInteger(steps) && steps > 0))
        throw new UserError(`steps is ${steps}; expected a whole number above 0`);
      this.#deviceAtHand();
      for (const { run } of this.#chosen(runs)) await this.#loop.start(run, steps);
      return null;
    },
    pause: async ({ runs }) => {
      await Promise.all(this.#chosen(runs).map(({ run }) => this.#loop.pause(run)));
      return null;
    },
    reset: ({ runs }) =>
      this.#alone(async () => {
        for (const { run } of this.#chosen(runs)) {
          await this.#loop.pause(run);
          run.reset();
        }
        return null;
      }),
    setLearningRate: async ({ run, value }) => {
      for (const held of run === undefined ? this.#chosen() : [this.#held(run)]) held.run.learningRate = value;
      return null;
    },
    gradientFlow: async ({ run }) => {
      const held = this.#held(run);
      return held.run.use(() => {
        held.flow ??= held.run.own(new FlowMeter(held.run));
        return held.flow.measure();
      });
    },
    sample: (command, id) => this.#sample(command, id),
    inspect: async ({ run }) => inspectRun(this.#held(run).run),
    check: async ({ cell, cases = defaultCases, seed = 0 }) => {
      // Half of the worker's code, which most visits do not need.
      const { checkGradient } = await import("./check.ts");
      return checkGradient(cell, cases, seed);
    },
    saveModel: async ({ run }) => {
      const held = this.#held(run);
      return held.run.use(() => modelFile(held.run));
    },
    loadModel: (command) => this.#alone(() => this.#loadModel(command)),
    recover: () => this.#alone(() => this.#recover()),
    loseDevice: async () => {
      this.#device?.destroy();
      return null;
    },
    memory: async () => this.#deviceAtHand().memory(),
    destroy: () =>
      this.#alone(async () => {
        await this.#endRuns();
        await this.#endLoaded();
        this.#closeDevice();
        this.#ended = true;
        return null;
      }),
  };

  async #openDevice(choice: DeviceChoice): Promise<DeviceReport> {
    await this.#endRuns();
    await this.#endLoaded();
    this.#closeDevice();
    this.#choice = choice;
    return this.#adopt(await openFirst(this.#open, choice));
  }

  #adopt({ device, report }: Opened): DeviceReport {
    this.#device = device;
    this.#report = report;
    void device.lost.then((error) => this.#onLost(device, error));
    return report;
  }

  async #switchDevice(choice: DeviceChoice): Promise<DeviceReport> {
    const [before, loaded] = [this.#device, this.#loaded];
    if (before === undefined) {
      this.#choice = choice;
      return this.#recover();
    }
    await Promise.all([...this.#runs.values()].map(({ run }) => this.#loop.pause(run)));
    const opened = await openFirst(this.#open, choice);
    const runs: Run[] = [];
    let sampler: Sampler | undefined;
    try {
      for (const { run: old } of this.#runs.values()) {
        const { run } = await this.#openRun(opened, old.spec, old.kept);
        run.learningRate = old.learningRate;
        runs.push(run);
      }
      if (loaded !== undefined) sampler = await loaded.openOn(opened.device);
      // It may have been lost in the meantime, and its runs with it.
      if (this.#device !== before) this.#deviceAtHand();
    } catch (error) {
      await Promise.all(runs.map((run) => run.close()));
      opened.device.destroy();
      throw error;
    }
    await this.#endRuns();
    await this.#endLoaded();
    this.#closeDevice();
    this.#choice = choice;
    for (const run of runs) this.#runs.set(run.name, { run });
    if (loaded !== undefined && sampler !== undefined)
      this.#loaded = { ...loaded, sampler, ending: new AbortController() };
    return this.#adopt(opened);
  }

  async #setRuns(specs: readonly RunSpec[], keep: readonly RunName[]): Promise<RunReport[]> {
    const device = this.#openedAtHand();
    const names = [...this.#chosen(keep).map(({ run }) => run.name), ...specs.map(({ name }) => name)];
    if (new Set(names).size !== names.length || names.includes(loadedModel))
      throw new UserError("two runs have one name; give each its own name");
    // The old runs end when all new ones are there: a cell with a fault ends none.
    const opened: { readonly run: Run; readonly report: RunReport }[] = [];
    try {
      for (const spec of specs) opened.push(await this.#openRun(device, spec));
    } catch (error) {
      await Promise.all(opened.map(({ run }) => run.close()));
      throw error;
    }
    await this.#endRuns(keep);
    for (const { run } of opened) this.#runs.set(run.name, { run });
    return opened.map(({ report }) => report);
  }

  async #openRun({ device, report }: Opened, spec: RunSpec, kept?: Kept): Promise<{ run: Run; report: RunReport }> {
    const data = this.#data;
    if (data === undefined)
      throw new UserError("there are no data to train on; choose a text, a table or a task first");
    const start = performance.now();
    const post = (event: Message) => this.#post(event, []);
    const run = await Run.open({ device, data, spec, post, clock: this.#clock, kept, maxWeights: report.maxWeights });
    const compileMilliseconds = performance.now() - start;
    const { name, weights, network, bounds } = run;
    return { run, report: { run: name, cell: network.config.cell, weights, compileMilliseconds, ...bounds } };
  }

  async #sample(command: CommandOf<"sample">, id: number): Promise<Results["sample"]> {
    const { run: name } = command;
    const onText = (text: string) => this.#post({ type: "sampled", id, text }, []);
    if (name === loadedModel && this.#loaded !== undefined) {
      const { sampler, dataFor, ending } = this.#loaded;
      return sampleFrom(sampler, dataFor(this.#data), { ...command, signal: ending.signal, onText });
    }
    const held = this.#held(name);
    const { run } = held;
    return run.use(async (signal) => {
      held.sampler ??= this.#openSampler(run).catch((error) => {
        // The next sample may try again.
        delete held.sampler;
        throw error;
      });
      const sampler = await held.sampler;
      sampler.stream.setParameters(await run.parameters());
      const { kind, vocabulary, normalisation, batches } = run.data;
      const data = {
        kind,
        ...(vocabulary && { vocabulary }),
        ...(normalisation && { normalisation }),
        heldOut: batches,
      };
      return sampleFrom(sampler, data, { ...command, signal, onText });
    });
  }

  async #openSampler(run: Run): Promise<Sampler> {
    return run.own(await openSampler(run.device, streamingStep(run.network), await run.parameters()));
  }

  async #loadModel({ name, bytes, run }: CommandOf<"loadModel">): Promise<Results["loadModel"]> {
    const model = readModel(bytes, name);
    const { steps } = model.training ?? {};
    if (run !== undefined) {
      const held = this.#held(run);
      checkFits(model, held.run);
      await this.#loop.pause(held.run);
      await held.run.setParameters(model.parameters, typeof steps === "number" ? steps : 0);
      return describeModel(run, model);
    }
    // Its tokens may be bytes, or those of a tokenizer that it brings along.
    const vocabulary = model.kind === "text" ? await vocabularyOfModel(model) : undefined;
    const openOn = (device: Device) => openSampler(device, model, model.parameters);
    const sampler = await openOn(this.#deviceAtHand());
    await this.#endLoaded();
    const dataFor = (data: Dataset | undefined) => sampleDataOf(model, vocabulary, data);
    this.#loaded = { sampler, openOn, dataFor, ending: new AbortController() };
    return describeModel(loadedModel, model);
  }

  async #recover(): Promise<DeviceReport> {
    if (this.#device !== undefined && this.#report !== undefined) return this.#report;
    const lost = this.#lost;
    const report = await this.#openDevice(this.#choice);
    const device = this.#openedAtHand();
    for (const { spec, kept, learningRate } of lost) {
      const { run } = await this.#openRun(device, spec, kept);
      run.learningRate = learningRate;
      this.#runs.set(run.name, { run });
    }
    this.#lost = [];
    return report;
  }

  /** Runs are no more, but for what was kept of them. */
  async #onLost(device: Device, error: unknown): Promise<void> {
    if (device !== this.#device) return;
    this.#device = undefined;
    const runs = [...this.#runs.values()].map(({ run }) => run);
    this.#lost = runs.map(({ spec, kept, learningRate }) => ({ spec, kept, learningRate }));
    const kept = runs.map((run) => ({ run: run.name, step: run.kept?.step ?? 0 }));
    for (const run of runs) this.#loop.drop(run);
    this.#post({ type: "lost", fault: faultOf(error), kept }, []);
    await this.#alone(async () => {
      await this.#endRuns();
      await this.#endLoaded();
    });
  }

  #onStepFault(run: Run, error: unknown): void {
    // That the device is gone is told once, for all runs.
    if (this.#device === run.device && this.#runs.get(run.name)?.run === run && !isLoss(error)) {
      this.#post({ type: "stopped", run: run.name, step: run.step, reason: "fault", fault: faultOf(error) }, []);
    }
  }

  async #endRuns(keep: readonly RunName[] = []): Promise<void> {
    const runs = [...this.#runs.values()].flatMap(({ run }) => (keep.includes(run.name) ? [] : [run]));
    for (const run of runs) {
      this.#runs.delete(run.name);
      this.#loop.drop(run);
    }
    await Promise.all(runs.map((run) => run.close()));
    // Some buffers are given back in a later task.
    await nextMacrotask();
    this.#device?.trim();
  }

  async #endLoaded(): Promise<void> {
    const loaded = this.#loaded;
    this.#loaded = undefined;
    loaded?.ending.abort(new UserError("the model was replaced or ended in the meantime"));
    loaded?.sampler.destroy();
  }

  #closeDevice(): void {
    const device = this.#device;
    this.#device = undefined;
    device?.destroy();
  }

  #deviceAtHand(): Device {
    return this.#openedAtHand().device;
  }

  #openedAtHand(): Opened {
    const [device, report] = [this.#device, this.#report];
    if (device !== undefined && report !== undefined) return { device, report };
    throw new UserError(
      this.#report === undefined ? "no device was opened yet" : "the device was lost; recover goes on with another",
    );
  }

  #held(name: RunName): Held {
    const held = this.#runs.get(name);
    if (held !== undefined) return held;
    if (this.#lost.length > 0) this.#deviceAtHand();
    const known = [...this.#runs.keys()].join(", ");
    throw new UserError(
      known === ""
        ? `there is no run yet; make one first`
        : `there is no run ${JSON.stringify(name)}; there are ${known}`,
    );
  }

  #chosen(names: readonly RunName[] = [...this.#runs.keys()]): Held[] {
    return names.map((name) => this.#held(name));
  }

  /** Runs `body` after all earlier ones of its kind. */
  #alone<T>(body: () => Promise<T>): Promise<T> {
    const next = this.#exclusive.then(body);
    this.#exclusive = next.catch(() => {});
    return next;
  }
}

function isLoss(error: unknown): boolean {
  return error instanceof Error && error.name === "DeviceLostError";
}

/** The buffers of the typed arrays in a result, which are handed over instead of copied. */
function buffersIn(result: unknown): ArrayBuffer[] {
  if (ArrayBuffer.isView(result)) return result.buffer instanceof ArrayBuffer ? [result.buffer] : [];
  if (typeof result !== "object" || result === null) return [];
  return Object.values(result).flatMap(buffersIn);
}
