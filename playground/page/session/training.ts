/**
 * @file Training as the page knows it: one device, one set of data, and a run for each cell. All of it happens in the
 * worker; what is kept here is what is shown, and which recipe the worker's runs were made from.
 */
import type { DataReport, DeviceChoice, DeviceReport, Event, RunReport, RunSpec } from "../../shared/protocol.ts";
import { runColour } from "../colours.ts";
import { gateColours, type ScopeColours } from "../diagram/gate-colours.ts";
import type { Sandbox } from "../sandbox-client.ts";
import { RequestFailed, type WorkerClient } from "../worker-client.ts";
import { sourceOf } from "./data-source.ts";
import { DeviceSpeeds } from "./device-speeds.ts";
import { History } from "./history.ts";
import { Signal } from "./signal.ts";
import type { CellDraft, DataChoice, Workspace } from "./workspace.ts";

export type Phase = "opening" | "idle" | "preparing" | "training" | "paused" | "lost";

/** A fault in words, and the cell it belongs to where it does to one. */
export interface Problem {
  readonly message: string;
  readonly cell?: string;
}

export class Training {
  readonly phase = new Signal<Phase>("opening");
  readonly device = new Signal<DeviceReport | undefined>(undefined);
  readonly data = new Signal<DataReport | undefined>(undefined);
  readonly dataProblem = new Signal<string | undefined>(undefined);
  /** The worker's runs; none before the first training. */
  readonly runs = new Signal<readonly RunReport[]>([]);
  readonly problem = new Signal<Problem | undefined>(undefined);
  /** Whether cells, sizes or data have changed since the runs were made. */
  readonly stale = new Signal(false);
  readonly history = new History();
  /** Tokens per second by device, of the runs as they are. */
  readonly speeds = new DeviceSpeeds();
  /** Places of the runs among the colours. */
  readonly #colours = new Map<string, number>();
  readonly #gateColours = new Map<string, ScopeColours>();
  /** Counts up with every event, for those who draw. */
  readonly progress = new Signal(0);
  readonly #worker: WorkerClient;
  readonly #sandbox: Sandbox;
  readonly #workspace: Workspace;
  #recipe: string | undefined;
  /** Runs that train now. */
  readonly #busy = new Set<string>();
  #last: Promise<void> = Promise.resolve();

  constructor(worker: WorkerClient, sandbox: Sandbox, workspace: Workspace) {
    this.#worker = worker;
    this.#sandbox = sandbox;
    this.#workspace = workspace;
    worker.onEvent((event) => this.#hear(event));
    const check = () => this.stale.set(this.#recipe !== undefined && this.#recipe !== recipeOf(workspace));
    workspace.cells.follow(check);
    workspace.settings.follow(check);
    this.runs.follow(check);
  }

  /** Opens a device; its report says what was found, and where it is a lesser one why. */
  open(choice: DeviceChoice): Promise<void> {
    return this.#queued("opening", async () => {
      this.device.set(await this.#worker.ask({ type: "init", device: choice }));
      this.phase.set("idle");
    });
  }

  /** Goes on with another device; where there is none such, or it takes these runs not, with the one there is. */
  switchDevice(choice: DeviceChoice): Promise<void> {
    return this.#queued(undefined, async () => {
      const [before, busy] = [this.phase.value, [...this.#busy]];
      this.phase.set("preparing");
      let refusal: Problem | undefined;
      try {
        this.device.set(await this.#worker.ask({ type: "switchDevice", device: choice }));
      } catch (error) {
        if (before === "lost") this.phase.set("lost");
        if (this.phase.value === "lost") throw error;
        refusal = { message: messageOf(error) };
      }
      if (busy.length > 0) await this.#worker.ask({ type: "start", runs: busy });
      this.problem.set(refusal);
      this.phase.set(busy.length > 0 ? "training" : this.#resting());
    });
  }

  /** Gives the worker other data; runs made for the old ones end. */
  useData(choice: DataChoice): Promise<void> {
    return this.#queued("preparing", async () => {
      try {
        const report = await this.#worker.ask({ type: "setData", data: await sourceOf(choice) });
        this.#forget();
        this.dataProblem.set(undefined);
        this.data.set(report);
      } catch (error) {
        // The worker keeps the data before it; nobody who sees the problem would expect to train on those.
        this.dataProblem.set(messageOf(error));
        await this.#worker.ask({ type: "pause" });
        this.#forget();
      }
      this.phase.set(this.#resting());
    });
  }

  /** Trains the cells as they are now: goes on with the runs there are, or makes new ones where something changed. */
  start(steps?: number): Promise<void> {
    return this.#queued("preparing", async () => {
      if (this.#recipe !== recipeOf(this.#workspace)) await this.#makeRuns();
      const runs = this.runs.value.map(({ run }) => run);
      for (const run of runs) this.#busy.add(run);
      await this.#worker.ask({ type: "start", ...(steps !== undefined && { steps }) });
      this.phase.set(this.#busy.size > 0 ? "training" : "paused");
    });
  }

  pause(): Promise<void> {
    return this.#queued(undefined, async () => {
      await this.#worker.ask({ type: "pause" });
      this.#busy.clear();
      this.phase.set(this.#resting());
    });
  }

  /** Back to the first weights, with the curves gone. */
  reset(): Promise<void> {
    return this.#queued(undefined, async () => {
      await this.#worker.ask({ type: "pause" });
      this.#busy.clear();
      if (this.stale.value) this.#forget();
      else await this.#worker.ask({ type: "reset" });
      this.history.restart(this.runs.value.map(({ run }) => run));
      this.problem.set(undefined);
      this.phase.set("idle");
      this.progress.set(this.progress.value + 1);
    });
  }

  /** Live: from the next step on. */
  setLearningRate(value: number): void {
    this.#workspace.change({ learningRate: value });
    if (this.runs.value.length > 0) this.#worker.ask({ type: "setLearningRate", value }).catch(() => {});
  }

  /** After a device was lost: another one, with the last weights that were kept. */
  recover(): Promise<void> {
    return this.#queued("opening", async () => {
      this.device.set(await this.#worker.ask({ type: "recover" }));
      this.problem.set(undefined);
      this.phase.set(this.#resting());
    });
  }

  /** The colour of a run's curves, as it was when the run was made. */
  colourOf(run: string): string {
    return runColour(this.#colours.get(run) ?? 0);
  }

  /** Colours of a run's gates; undefined for a model that was loaded, whose cell the page has not seen. */
  gateColoursOf(run: string): ScopeColours | undefined {
    return this.#gateColours.get(run);
  }

  /** Does something with the device to itself: what takes a moment alone takes long between the turns of training. */
  async aside<T>(action: () => Promise<T>): Promise<T> {
    if (this.phase.value !== "training") return action();
    await this.#worker.ask({ type: "pause" });
    try {
      return await action();
    } finally {
      const runs = [...this.#busy];
      if (this.phase.value === "training" && runs.length > 0)
        await this.#worker
          .ask({ type: "start", runs })
          .catch((error) => this.problem.set({ message: messageOf(error) }));
    }
  }

  async #makeRuns(): Promise<void> {
    const recipe = recipeOf(this.#workspace);
    const data = this.data.value;
    const { value: wrong } = this.dataProblem;
    if (data === undefined || wrong !== undefined) throw new Error(wrong ?? "there are no data to train on");
    const { cells, settings } = this.#workspace;
    const runs: RunSpec[] = [];
    for (const cell of cells.value) runs.push(await this.#specOf(cell, data));
    this.runs.set(await this.#worker.ask({ type: "setRuns", runs }));
    this.#recipe = recipe;
    this.speeds.clear();
    this.#colours.clear();
    for (const { name, colour } of cells.value) this.#colours.set(name, colour);
    this.history.restart(runs.map(({ name }) => name));
    this.stale.set(recipe !== recipeOf(this.#workspace));
    // It may have been moved while the runs were made.
    if (runs.some((run) => run.settings.learningRate !== settings.value.learningRate))
      await this.#worker.ask({ type: "setLearningRate", value: settings.value.learningRate });
    this.progress.set(this.progress.value + 1);
  }

  async #specOf({ name, source }: CellDraft, data: DataReport): Promise<RunSpec> {
    const settings = this.#workspace.settings.value;
    const { units, layers, embed } = settings;
    const outcome = await this.#sandbox.trace(source, [{ units, layers, features: data.features ?? embed }]);
    if (outcome.kind === "traced") {
      this.#gateColours.set(name, gateColours(outcome.traced.traces[0]));
      return { name, cell: outcome.encoded, settings };
    }
    throw new CellProblem(name, outcome.kind === "fault" ? outcome.fault.message : "its source changed meanwhile");
  }

  #hear(event: Event): void {
    if (event.type === "progress") {
      this.history.add(event);
      const { value: device } = this.device;
      if (device !== undefined) this.speeds.add(device.kind, event);
      this.progress.set(this.progress.value + 1);
    } else if (event.type === "stopped") {
      this.#busy.delete(event.run);
      if (event.reason !== "done") {
        const words = event.fault?.message ?? "its numbers are no longer finite; lower the learning rate and reset";
        this.problem.set({ cell: event.run, message: `stopped at step ${event.step}: ${words}` });
      }
      if (this.#busy.size === 0 && this.phase.value === "training") this.phase.set("paused");
    } else if (event.type === "lost") {
      this.#busy.clear();
      const kept = event.kept.map(({ run, step }) => `${run} from step ${step}`).join(", ");
      this.problem.set({ message: `${event.fault.message}${kept === "" ? "" : ` Kept: ${kept}.`}` });
      this.phase.set("lost");
    }
  }

  #forget(): void {
    this.#recipe = undefined;
    this.speeds.clear();
    this.#busy.clear();
    this.runs.set([]);
    this.stale.set(false);
    this.history.restart([]);
    this.progress.set(this.progress.value + 1);
  }

  #resting(): Phase {
    return this.runs.value.length > 0 ? "paused" : "idle";
  }

  /** One thing after another; a fault is shown and leaves the page as it was. */
  #queued(phase: Phase | undefined, action: () => Promise<void>): Promise<void> {
    const queued = this.#last.then(async () => {
      if (phase !== undefined) this.phase.set(phase);
      try {
        if (phase !== "opening") this.problem.set(undefined);
        await action();
      } catch (error) {
        this.#busy.clear();
        this.problem.set({
          message: messageOf(error),
          ...(error instanceof CellProblem && { cell: error.cell }),
        });
        if (this.phase.value !== "lost") this.phase.set(this.#resting());
      }
    });
    this.#last = queued;
    return queued;
  }
}

class CellProblem extends Error {
  readonly cell: string;
  constructor(cell: string, message: string) {
    super(message);
    this.cell = cell;
  }
}

/** What runs are made from; the learning rate is not of it, since it changes live. */
function recipeOf(workspace: Workspace): string {
  const { learningRate, ...sizes } = workspace.settings.value;
  return JSON.stringify([workspace.cells.value.map(({ name, source }) => [name, source]), sizes]);
}

export function messageOf(error: unknown): string {
  if (error instanceof RequestFailed) return error.fault.message;
  return error instanceof Error ? error.message : String(error);
}
