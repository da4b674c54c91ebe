/**
 * @file The fuzz: random cells and random training runs until the time is up. Nothing here knows which host it runs in; what
 * happens is told as events, which drivers pass on as lines of JSON (protocol.ts).
 */
import fc from "fast-check";
import { zoo } from "../../cells/zoo.ts";
import { type Device, DeviceUnavailableError, openDevice } from "../../index.ts";
import { type Executor, smallTileExecutorsOn } from "../../testing/executor.ts";
import { affinePlans } from "../../testing/random-cells/affine-plans.ts";
import { type CellPlan, cellPlans } from "../../testing/random-cells/cell-plan.ts";
import { checkRandomCell } from "../../testing/random-cells/check-random-cell.ts";
import { buildCell } from "../../testing/random-cells/random-cell.ts";
import { recurrentPlans } from "../../testing/random-cells/recurrent-plans.ts";
import { checkTraining, trainingSource } from "../../testing/random-training/check-training.ts";
import { type TrainingPlan, trainingPlans } from "../../testing/random-training/training-plan.ts";
import { openWebgpu } from "../support/webgpu.ts";
import { checkAffineOn, openAffine } from "./affine.ts";
import { checkForced, openPlace, type Place } from "./forced.ts";
import type { Entry, Forced, FuzzDevice, FuzzJob, HostJob, Kind, Tell, Totals } from "./protocol.ts";
import { noTotals, plus } from "./totals.ts";

/** Milliseconds for one check with all that is tried to shrink it. */
const patience = 120_000;

const runs = trainingPlans(Object.keys(zoo));

/** How each kind is drawn, checked and printed; `check` says what became of the plan. */
interface Subject<Plan, On = readonly Device[]> {
  readonly plans: fc.Arbitrary<Plan>;
  readonly check: (plan: Plan, on: On, order: 1 | 2) => Promise<Partial<Totals>>;
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

/** Cells in a schedule that is forced. */
const forcedCell = ({ schedule, widest }: Forced): Subject<CellPlan, Place> => ({
  plans: recurrentPlans(widest),
  check: (plan, place) => checkForced(plan, schedule, place),
  source: cell.source,
});

/** Cells whose loops can be computed in parallel over time, in the schedule that does so. */
const affineCell: Subject<CellPlan, readonly Executor[]> = {
  plans: affinePlans,
  check: (plan, executors) => checkAffineOn(plan, executors),
  source: cell.source,
};

/** The plan that a seed draws, and its source: what a host was at when it ended. */
export function drawnBy(
  kind: Kind,
  seed: number,
  forced?: Forced,
): { readonly plan: unknown; readonly source: string } {
  const draw = <Plan, On>({ plans, source }: Subject<Plan, On>) => {
    const [plan] = fc.sample(plans, { seed, numRuns: 1 });
    return plan === undefined ? { plan, source: "" } : { plan, source: source(plan) };
  };
  if (kind === "training") return draw(training);
  if (forced?.schedule === "parallel") return draw(affineCell);
  return forced === undefined ? draw(cell) : draw(forcedCell(forced));
}

/** Runs all checks of an entry of the corpus again; throws what fails, and says where the entry is no check any more. */
export async function replay(entry: Entry, devices: readonly Device[], place?: Place): Promise<void> {
  const came = await replayed(entry, devices, place);
  const isDiscarded = came.cellsDiscarded || came.trainingsDiscarded;
  if (isDiscarded && entry.mayBeDiscarded !== true) throw new Error("f32 does not determine it, so it tests nothing");
}

async function replayed(entry: Entry, devices: readonly Device[], place?: Place): Promise<Partial<Totals>> {
  if (entry.kind === "training") return training.check(entry.plan as TrainingPlan, devices, 1);
  if (entry.forced === undefined) return cell.check(entry.plan as CellPlan, devices, 2);
  if (entry.forced === "parallel") {
    const bench = await openAffine("software");
    return checkAffineOn(entry.plan as CellPlan, bench.executors).finally(bench.destroy);
  }
  const own = place ?? (await openPlace("software"));
  try {
    return await checkForced(entry.plan as CellPlan, entry.forced, own);
  } finally {
    if (place === undefined) own.destroy();
  }
}

/** The devices of a choice; of "all" one that is not there is left out. */
async function open(choice: Exclude<FuzzDevice, "evaluator">): Promise<Device[]> {
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

/** What checks run on, and what is checked on it. */
interface Bench {
  readonly name: string;
  readonly lost: readonly Promise<unknown>[];
  readonly destroy: () => void;
  /** Draws a plan by its seed and checks it; tells of a failure. */
  readonly look: (kind: Kind, seed: number, order: 1 | 2) => Promise<void>;
}

async function openBench(job: FuzzJob, count: Count, tell: Tell): Promise<Bench> {
  const { device, forced } = job;
  if (forced?.schedule === "parallel") {
    const bench = await openAffine(device);
    const { executors } = bench;
    return { ...bench, look: (_, seed) => look("cell", affineCell, executors, { seed, order: 1, count, tell }) };
  }
  if (forced !== undefined) {
    const place = await openPlace(device);
    return { ...place, look: (_, seed) => look("cell", forcedCell(forced), place, { seed, order: 1, count, tell }) };
  }
  if (device === "evaluator") throw new Error("the evaluator checks cells in a schedule that is forced");
  const devices = await open(device);
  return {
    name: devices.map(({ name }) => name).join(" and "),
    lost: devices.map(({ lost }) => lost),
    destroy: () => {
      for (const each of devices) each.destroy();
    },
    look: (kind, seed, order) => {
      const given = { seed, order, count, tell };
      return kind === "cell" ? look(kind, cell, devices, given) : look(kind, training, devices, given);
    },
  };
}

type Count = (more: Partial<Totals>) => void;

interface Look {
  readonly seed: number;
  readonly order: 1 | 2;
  readonly count: Count;
  readonly tell: Tell;
}

async function look<Plan, On>(
  kind: Kind,
  { plans, check, source }: Subject<Plan, On>,
  on: On,
  { seed, order, count, tell }: Look,
): Promise<void> {
  tell({ event: "checking", kind, seed });
  const tried: Plan[] = [];
  const property = fc.asyncProperty(plans, async (plan) => {
    tried.push(plan);
    // What is tried only to shrink a failure is not counted.
    const isCounted = tried.length === 1;
    const came = await check(plan, on, order);
    if (isCounted) count(came);
  });
  const came = await fc.check(property, { seed, numRuns: 1, interruptAfterTimeLimit: patience });
  const [plan] = came.counterexample ?? tried;
  if (!(came.failed || came.interrupted) || plan === undefined) return;
  count({ failures: 1 });
  const found = came.interrupted ? `no answer after ${patience / 1000} s` : messageOf(came.errorInstance);
  tell({ event: "failure", kind, seed, found, plan, source: source(plan) });
}

/** Draws and checks until the minutes are over, and the cells are checked. */
async function fuzz(job: FuzzJob, tell: Tell): Promise<void> {
  const started = performance.now();
  const minutes = () => (performance.now() - started) / 60_000;
  let totals = noTotals;
  const count = (more: Partial<Totals>) => {
    totals = { ...plus(totals, more), minutes: minutes() };
  };
  let bench = await openBench(job, count, tell);
  tell({ event: "device", name: bench.name });

  for (let n = 0; n < (job.cells ?? 1) || minutes() < job.minutes; n++) {
    const seed = job.seed + n;
    const isEvery = (period: number) => period > 0 && n % period === 0;
    const { failures } = totals;
    await bench.look("cell", seed, isEvery(job.second) ? 2 : 1);
    if (job.forced === undefined && isEvery(job.training)) await bench.look("training", seed, 1);
    // A device that is lost fails everything after it.
    if (totals.failures > failures && !(await isUsable(bench))) {
      bench.destroy();
      bench = await openBench(job, count, tell);
    }
    count({});
    tell({ event: "progress", totals });
  }
  bench.destroy();
  tell({ event: "done", totals });
}

function isUsable({ lost }: Bench): Promise<boolean> {
  return Promise.race([
    ...lost.map((loss) => loss.then(() => false)),
    new Promise<boolean>((resolve) => setTimeout(resolve, 50, true)),
  ]);
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
