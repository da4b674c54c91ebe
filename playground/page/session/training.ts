/**
 * @file Training as the page knows it: one device, one set of data, and a run for each cell. All of it happens in the
 * worker; what is kept here is what is shown, and which recipe the worker's runs were made from.
 */
import type { DataReport, DeviceChoice, DeviceReport, Event, RunReport, RunSpec } from "../../shared/protocol.ts";
import { runColour } from "../colours.ts";
import { gateColours, type ScopeColours } from "../diagram/gate-colours.ts";
import type { Sandbox } from "../sandbox-client.ts";
import { inPageWords } from "../words.ts";
import { RequestFailed, type WorkerClient } from "../worker-client.ts";
import { sourceOf } from "./data-source.ts";
import { DeviceSpeeds } from "./device-speeds.ts";
import { matching } from "./matching.ts";
import {
  begun,
  ended,
  freeRunName,
  type NewRun,
  progressed,
  type RunRecord,
  rateMoved,
  removed,
  shown,
} from "./runs.ts";
import { Signal } from "./signal.ts";
import { stopInWords } from "./stopped.ts";
import type { CellDraft, DataChoice, Workspace } from "./workspace.ts";

/** "reading" data leaves the buttons as they are: what they do waits its turn. */
export type Phase = "opening" | "idle" | "reading" | "preparing" | "training" | "paused" | "lost";

/** A fault in words, and the cell it belongs to where it does to one. */
export interface Problem {
  readonly message: string;
  readonly cell?: string;
}

/** A run to be made. */
interface Made {
  readonly draft: CellDraft;
  readonly spec: RunSpec;
  /** The cell's own name. */
  readonly cell: string;
}

export class Training {
  readonly phase = new Signal<Phase>("opening");
  readonly device = new Signal<DeviceReport | undefined>(undefined);
  readonly data = new Signal<DataReport | undefined>(undefined);
  readonly dataProblem = new Signal<string | undefined>(undefined);
  /** The worker's runs; none before the first training. */
  readonly runs = new Signal<readonly RunReport[]>([]);
  /** All runs of the visit that were not removed, with their curves. */
  readonly records = new Signal<readonly RunRecord[]>([]);
  readonly problem = new Signal<Problem | undefined>(undefined);
  /** Whether cells, sizes or data have changed since the runs were made. */
  readonly stale = new Signal(false);
  /** Tokens per second by device, of the runs as they are. */
  readonly speeds = new DeviceSpeeds();
  readonly #gateColours = new Map<string, ScopeColours>();
  readonly #worker: WorkerClient;
  readonly #sandbox: Sandbox;
  readonly #workspace: Workspace;
  /** Runs that train now. */
  readonly #busy = new Set<string>();
  #last: Promise<void> = Promise.resolve();

  constructor(worker: WorkerClient, sandbox: Sandbox, workspace: Workspace) {
    this.#worker = worker;
    this.#sandbox = sandbox;
    this.#workspace = workspace;
    worker.onEvent((event) => this.#hear(event));
    const check = () => {
      const { fresh, surplus } = this.#matching();
      this.stale.set(this.runs.value.length > 0 && fresh.length + surplus.length > 0);
    };
    for (const signal of [workspace.cells, workspace.settings, this.runs]) signal.follow(check);
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

  /** Gives the worker other data; runs made for the old ones end, and their curves step aside. */
  useData(choice: DataChoice): Promise<void> {
    return this.#queued("reading", async () => {
      try {
        const report = await this.#worker.ask({ type: "setData", data: await sourceOf(choice) });
        this.#letGo(report.name);
        this.dataProblem.set(undefined);
        this.data.set(report);
      } catch (error) {
        // The worker keeps the data before it; to train on those would surprise.
        this.dataProblem.set(messageOf(error));
        await this.#worker.ask({ type: "setRuns", runs: [] }).catch(() => {});
        this.#letGo();
      }
      this.phase.set(this.#resting());
    });
  }

  /** Trains the cells as they are now: goes on with the runs they have, and makes new ones where something changed. */
  start(): Promise<void> {
    return this.#queued("preparing", () => this.#start(this.#matching().fresh));
  }

  /** Trains all cells from their first weights; earlier runs end, and their curves stay. */
  startAnew(): Promise<void> {
    return this.#queued("preparing", async () => {
      await this.#worker.ask({ type: "pause" });
      this.#busy.clear();
      await this.#start(this.#workspace.cells.value);
    });
  }

  async #start(fresh: readonly CellDraft[]): Promise<void> {
    if (fresh.length + this.#matching().surplus.length > 0) await this.#makeRuns(fresh);
    const runs = this.runs.value.map(({ run }) => run);
    for (const run of runs) this.#busy.add(run);
    await this.#worker.ask({ type: "start" });
    this.phase.set(this.#busy.size > 0 ? "training" : "paused");
  }

  pause(): Promise<void> {
    return this.#queued(undefined, async () => {
      await this.#worker.ask({ type: "pause" });
      this.#busy.clear();
      this.phase.set(this.#resting());
    });
  }

  /** Takes runs out of the history; what the device holds of them is freed. */
  remove(runs: readonly string[]): Promise<void> {
    return this.#queued(undefined, async () => {
      const held = this.runs.value.map(({ run }) => run);
      const keep = held.filter((run) => !runs.includes(run));
      if (keep.length < held.length) {
        await this.#worker.ask({ type: "setRuns", runs: [], keep });
        for (const run of runs) this.#busy.delete(run);
        this.speeds.clear();
      }
      for (const run of runs) this.#gateColours.delete(run);
      this.records.set(removed(this.records.value, runs));
      this.runs.set(this.runs.value.filter(({ run }) => keep.includes(run)));
      if (this.phase.value === "training" && this.#busy.size === 0) this.phase.set(this.#resting());
      else if (this.phase.value === "paused") this.phase.set(this.#resting());
    });
  }

  /** Gives each cell the name that its source has now; one with a fault keeps the name it had. */
  async nameCells(): Promise<void> {
    const { units, embed } = this.#workspace.settings.value;
    for (const { id, source } of this.#workspace.cells.value) {
      const outcome = await this.#sandbox.trace(source, [{ units, features: this.data.value?.features ?? embed }]);
      if (outcome.kind === "traced") this.#workspace.rename(id, outcome.traced.name);
    }
  }

  /** Draws the curves of a run, or does not. */
  show(run: string, isShown: boolean): void {
    this.records.set(shown(this.records.value, [run], isShown));
  }

  /** The learning rate was moved: live, from the next step on. Where something else has changed too, it is for new runs. */
  rateChanged(): void {
    if (this.runs.value.length === 0 || this.stale.value) return;
    const { learningRate: value } = this.#workspace.settings.value;
    this.records.set(rateMoved(this.records.value, value));
    this.#worker.ask({ type: "setLearningRate", value }).catch(() => {});
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
    return runColour(this.records.value.find((record) => record.run === run)?.colour ?? 0);
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

  #matching() {
    return matching(this.#workspace.cells.value, this.#workspace.settings.value, this.records.value);
  }

  /** New runs for these cells; those of the others go on, and what is no longer a cell's ends. */
  async #makeRuns(fresh: readonly CellDraft[]): Promise<void> {
    const data = this.data.value;
    const { value: wrong } = this.dataProblem;
    if (data === undefined || wrong !== undefined) throw new Error(wrong ?? "there are no data to train on");
    const taken = this.records.value.map(({ run }) => run);
    const made: Made[] = [];
    for (const draft of fresh) {
      const next = await this.#traced(draft, data, taken);
      taken.push(next.spec.name);
      made.push(next);
    }
    const again = new Set(fresh.map(({ id }) => id));
    const keep = [...this.#matching().runs].flatMap(([id, run]) => (again.has(id) ? [] : [run]));
    const reports = await this.#worker.ask({ type: "setRuns", runs: made.map(({ spec }) => spec), keep });
    const over = this.runs.value.flatMap(({ run }) => (keep.includes(run) ? [] : [run]));
    for (const run of over) this.#busy.delete(run);
    const records = made.flatMap(({ draft, spec, cell }, i): NewRun[] => {
      const report = reports[i];
      if (report === undefined) return [];
      const { weights, baseline, best } = report;
      const { name: run, settings } = spec;
      const bounds = { baseline, ...(best !== undefined && { best }) };
      return [{ run, cell, source: draft.source, settings, data: data.name, kind: data.kind, weights, ...bounds }];
    });
    this.records.set(begun(ended(this.records.value, over), records));
    this.speeds.clear();
    for (const { run, colour } of this.records.value)
      for (const { draft, spec } of made) if (spec.name === run) this.#workspace.recolour(draft.id, colour);
    this.runs.set([...this.runs.value.filter(({ run }) => keep.includes(run)), ...reports]);
    // It may have been moved while the runs were made.
    const { learningRate } = this.#workspace.settings.value;
    if (made.some(({ spec }) => spec.settings.learningRate !== learningRate)) this.rateChanged();
  }

  /** A run for the cell as it is now, under a name of its own. */
  async #traced(draft: CellDraft, data: DataReport, taken: readonly string[]): Promise<Made> {
    const settings = this.#workspace.settings.value;
    const { units, layers, embed } = settings;
    const outcome = await this.#sandbox.trace(draft.source, [{ units, layers, features: data.features ?? embed }]);
    if (outcome.kind !== "traced")
      throw new CellProblem(
        draft.name,
        outcome.kind === "fault" ? outcome.fault.message : "its source changed meanwhile",
      );
    const { name: cell, traces } = outcome.traced;
    this.#workspace.rename(draft.id, cell);
    const name = freeRunName(cell, taken);
    this.#gateColours.set(name, gateColours(traces[0]));
    return { draft, spec: { name, cell: outcome.encoded, settings }, cell };
  }

  #hear(event: Event): void {
    if (event.type === "progress") {
      this.records.set(progressed(this.records.value, event));
      const { value: device } = this.device;
      if (device !== undefined) this.speeds.add(device.kind, event);
    } else if (event.type === "stopped") {
      this.#busy.delete(event.run);
      const problem = stopInWords(event);
      if (problem !== undefined) this.problem.set(problem);
      if (this.#busy.size === 0 && this.phase.value === "training") this.phase.set("paused");
    } else if (event.type === "lost") {
      this.#busy.clear();
      const kept = event.kept.map(({ run, step }) => `${run} from step ${step}`).join(", ");
      this.problem.set({ message: `${event.fault.message}${kept === "" ? "" : ` Kept: ${kept}.`}` });
      this.phase.set("lost");
    }
  }

  /** The worker has ended its runs: their curves stay, and those on other data than `data` are no longer drawn. */
  #letGo(data?: string): void {
    const over = ended(
      this.records.value,
      this.runs.value.map(({ run }) => run),
    );
    const elsewhere = over.filter((record) => record.data !== data).map(({ run }) => run);
    this.records.set(data === undefined ? over : shown(over, elsewhere, false));
    this.speeds.clear();
    this.#busy.clear();
    this.runs.set([]);
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

export function messageOf(error: unknown): string {
  if (error instanceof RequestFailed) return inPageWords(error.fault.message);
  return error instanceof Error ? error.message : String(error);
}
