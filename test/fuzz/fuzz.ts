/**
 * @file The fuzz: random cells and random training runs until the time is up. Nothing here knows which host it runs in; what
 * happens is told as events, which drivers pass on as lines of JSON (protocol.ts).
 */
import fc from "fast-check";
import { zoo } from "../../cells/zoo.ts";
import { type Device, DeviceUnavailableError, openDevice } from "../../index.ts";
import { smallTileExecutorsOn } from "../../testing/executor.ts";
import { type CellPlan, cellPlans } from "../../testing/random-cells/cell-plan.ts";
import { checkRandomCell } from "../../testing/random-cells/check-random-cell.ts";
import { buildCell } from "../../testing/random-cells/random-cell.ts";
import { checkTraining, trainingSource } from "../../testing/random-training/check-training.ts";
import { type TrainingPlan, trainingPlans } from "../../testing/random-training/training-plan.ts";
import { openWebgpu } from "../support/webgpu.ts";
import type { Entry, FuzzDevice, FuzzJob, HostJob, Kind, Tell, Totals } from "./protocol.ts";

/** Milliseconds for one check with all that is tried to shrink it. */
const patience = 120_000;

const runs = trainingPlans(Object.keys(zoo));

/** How each kind is drawn, checked and printed; `check` says what became of the plan. */
interface Subject<Plan> {
  readonly plans: fc.Arbitrary<Plan>;
  readonly check: (plan: Plan, devices: readonly Device[], order: 1 | 2) => Promise<Partial<Totals>>;
  readonly source: (plan: Plan) => string;
}

const cell: Subject<CellPlan> = {
  plans: cellPlans,
  check: async (plan, devices, order) => {
    const executors = devices.flatMap(smallTileExecutorsOn);
    const { unsuitable, isSecondDetermined } = await checkRandomCell(buildCell(plan), executors, { order });
    if (unsuitable !== undefined) return { cellsDiscarded: 1 };
    return { cells: 1, secondOrder: Number(isSecondDetermined === true) };
  },
  source: (plan) => buildCell(plan).text,
};

const training: Subject<TrainingPlan> = {
  plans: runs,
  check: async (plan, devices) => {
    let isDetermined = true;
    for (const device of devices) {
      const { unsuitable } = await checkTraining(plan, zoo, device);
      if (unsuitable !== undefined) isDetermined = false;
    }
    return isDetermined ? { trainings: 1 } : { trainingsDiscarded: 1 };
  },
  source: (plan) => trainingSource(plan, zoo),
};

/** The plan that a seed draws, and its source: what a host was at when it ended. */
export function drawnBy(kind: Kind, seed: number): { readonly plan: unknown; readonly source: string } {
  const draw = <Plan>({ plans, source }: Subject<Plan>) => {
    const [plan] = fc.sample(plans, { seed, numRuns: 1 });
    return plan === undefined ? { plan, source: "" } : { plan, source: source(plan) };
  };
  return kind === "cell" ? draw(cell) : draw(training);
}

/** Runs all checks of an entry of the corpus again; throws what fails, and says where the entry is no check any more. */
export async function replay(entry: Entry, devices: readonly Device[]): Promise<void> {
  const came = await (entry.kind === "cell"
    ? cell.check(entry.plan as CellPlan, devices, 2)
    : training.check(entry.plan as TrainingPlan, devices, 1));
  const isDiscarded = came.cellsDiscarded || came.trainingsDiscarded;
  if (isDiscarded && entry.mayBeDiscarded !== true) throw new Error("f32 does not determine it, so it tests nothing");
}

/** The devices of a choice; of "all" one that is not there is left out. */
async function open(choice: FuzzDevice): Promise<Device[]> {
  if (choice !== "all") return [await openDevice({ device: choice })];
  const webgpu = openWebgpu().then(
    (device) => [device],
    (error) => {
      if (error instanceof DeviceUnavailableError) return [];
      throw error;
    },
  );
  return [await openDevice({ device: "cpu" }), ...(await webgpu)];
}

/** Does what a driver asks for. */
export async function perform(job: HostJob, tell: Tell): Promise<void> {
  if ("fuzz" in job) return fuzz(job.fuzz, tell);
  const devices = await open("all");
  const wrong = await replay(job.replay, devices).then(() => undefined, messageOf);
  for (const device of devices) device.destroy();
  tell({ event: "replayed", ...(wrong !== undefined && { wrong }) });
}

/** Draws and checks until the minutes are over. */
async function fuzz(job: FuzzJob, tell: Tell): Promise<void> {
  let devices = await open(job.device);
  tell({ event: "device", name: devices.map(({ name }) => name).join(" and ") });
  const started = performance.now();
  const minutes = () => (performance.now() - started) / 60_000;
  let totals: Totals = {
    ...{ cells: 0, cellsDiscarded: 0, secondOrder: 0, trainings: 0, trainingsDiscarded: 0, failures: 0, minutes: 0 },
  };
  const count = (more: Partial<Totals>) => {
    const sums = Object.entries(totals).map(([key, n]) => [key, n + (more[key as keyof Totals] ?? 0)]);
    totals = { ...(Object.fromEntries(sums) as Totals), minutes: minutes() };
  };

  const look = async <Plan>(kind: Kind, { plans, check, source }: Subject<Plan>, seed: number, order: 1 | 2) => {
    tell({ event: "checking", kind, seed });
    const tried: Plan[] = [];
    const property = fc.asyncProperty(plans, async (plan) => {
      tried.push(plan);
      // What is tried only to shrink a failure is not counted.
      const isCounted = tried.length === 1;
      const came = await check(plan, devices, order);
      if (isCounted) count(came);
    });
    const came = await fc.check(property, { seed, numRuns: 1, interruptAfterTimeLimit: patience });
    const [plan] = came.counterexample ?? tried;
    if (!(came.failed || came.interrupted) || plan === undefined) return;
    count({ failures: 1 });
    const found = came.failed ? messageOf(came.errorInstance) : `no answer after ${patience / 1000} s`;
    tell({ event: "failure", kind, seed, found, plan, source: source(plan) });
    // A device that is lost fails everything after it.
    if (!(await areUsable(devices))) {
      for (const device of devices) device.destroy();
      devices = await open(job.device);
    }
  };

  for (let n = 0; n < (job.cells ?? 1) || minutes() < job.minutes; n++) {
    const seed = job.seed + n;
    const isEvery = (period: number) => period > 0 && n % period === 0;
    await look("cell", cell, seed, isEvery(job.second) ? 2 : 1);
    if (isEvery(job.training)) await look("training", training, seed, 1);
    count({});
    tell({ event: "progress", totals });
  }
  for (const device of devices) device.destroy();
  tell({ event: "done", totals });
}

function areUsable(devices: readonly Device[]): Promise<boolean> {
  return Promise.race([
    ...devices.map(({ lost }) => lost.then(() => false)),
    new Promise<boolean>((resolve) => setTimeout(resolve, 50, true)),
  ]);
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
