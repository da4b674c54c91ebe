/** @file Pages of each kind on the CPU: what they computed, how they felt, and what of it is wrong. */
import { expected as everyStep } from "../cpu/hand-made.ts";
import { bitsOf, type JobResult, numbers } from "../cpu/job.ts";
import { type DrivenBrowser, type DrivenPage, openDriven, until } from "./driven.ts";
import type { Felt, Opened, PageJobs } from "./page.ts";
import { pageKinds, type Server } from "./site.ts";
import { countWorkers } from "./worker-threads.ts";

export interface PageReport {
  readonly browser: string;
  readonly kind: string;
  readonly opened: Opened;
  readonly losses: readonly number[];
  readonly felt: Felt;
  /** Workers that the device had, and that were left when it was destroyed, where the system tells. */
  readonly workers: number | undefined;
  readonly left: number | undefined;
  readonly faults: readonly string[];
}

/** Losses of one place, which those of all others with the same arithmetic must equal, bit by bit. */
export interface Seen {
  readonly where: string;
  readonly losses: readonly number[];
}

/** What pages are held to: the losses of float64, and of what ran before with and without fused arithmetic. */
export interface Reference {
  readonly interpreter: readonly number[];
  readonly seen: Map<boolean, Seen>;
}

export const steps = 6;
export const feltSteps = 3;
const threads = 2;
/** In f32, of losses of about 3 that were summed over 768 characters. */
const tolerance = 1e-5;

const names = {
  threads: `WebAssembly SIMD, ${threads} threads`,
  worker: "WebAssembly SIMD, 1 thread",
  caller: "WebAssembly SIMD, the caller's thread",
} as const;
const workersOf = { threads, worker: 1, caller: 0 } as const;

/** By other means: the sums of the bits that a program with every kind of step gives. */
function bitsOfEveryStep(): number[] {
  const { y, pair } = everyStep(numbers(20_000, 1), numbers(20_000, 2), 5);
  return [bitsOf(y), bitsOf(pair), bitsOf(pair.slice(20_000, 20_004))];
}

export async function checkPages(
  browser: DrivenBrowser,
  server: Server,
  name: string,
  reference: Reference,
): Promise<PageReport[]> {
  const reports: PageReport[] = [];
  const bits = bitsOfEveryStep();
  for (const [i, kind] of pageKinds.entries()) {
    const { page, complaints } = await openDriven(browser);
    await page.goto(server.address(i));
    await until(
      () => page.evaluate("'jobs' in globalThis"),
      (isThere) => isThere === true,
      "the page's script",
    );
    const count = () => countWorkers(browser.process()?.pid ?? 0);
    const before = count() ?? 0;
    const opened = await call(page, "open", "cpu", threads);
    const wanted = workersOf[kind.place];
    const workers = await until(count, (seen) => seen === undefined || seen >= before + wanted, "the device's workers");
    const losses = await call(page, "train", steps);
    const felt = await call(page, "feel", feltSteps);
    await page.evaluate("jobs.destroy()");
    const left = await until(count, (seen) => seen === undefined || seen <= before, "the end of the workers").catch(
      count,
    );
    const job: JobResult = await call(page, "work", { threads });
    await page.close();

    // Firefox calls it an error of the page that its policy was kept.
    const isForbidden = (line: string) => kind.place === "caller" && /Content-Security-Policy.*worker-src/.test(line);
    const faults = complaints.filter((line) => !isForbidden(line));
    if (opened.name !== names[kind.place]) faults.push(`the device is called ${opened.name}`);
    if (workers !== undefined && workers !== before + wanted) faults.push(`it has ${workers - before} workers`);
    if (left !== undefined && left > before) faults.push(`${left - before} workers were left behind`);
    if (`${job.bits}` !== `${bits}`) faults.push(`every kind of step: bits ${job.bits} instead of ${bits}`);
    faults.push(...faultsOfTraining(`${name}, ${kind.name}`, opened.isFused, losses, reference));
    // A thread that computes a step in one go has a turn at its beginning and at its end.
    if (felt.ticks < 4 * feltSteps) faults.push(`a timer got ${felt.ticks} turns in ${feltSteps} steps`);
    const [found, rest] = [workers, left].map((seen) => seen && seen - before);
    reports.push({ browser: name, kind: kind.name, opened, losses, felt, workers: found, left: rest, faults });
  }
  return reports;
}

/** Calls one of the page's jobs. */
export async function call<J extends "open" | "train" | "feel" | "work">(
  page: DrivenPage,
  job: J,
  ...given: Parameters<PageJobs[J]>
): Promise<Awaited<ReturnType<PageJobs[J]>>> {
  const found = await page.evaluate(`jobs.${job}(...${JSON.stringify(given)})`);
  return found as Awaited<ReturnType<PageJobs[J]>>;
}

/** The largest relative difference. */
export function difference(losses: readonly number[], reference: readonly number[]): number {
  return Math.max(...reference.map((wanted, i) => Math.abs((losses[i] ?? Number.NaN) / wanted - 1)));
}

function faultsOfTraining(
  where: string,
  isFused: boolean,
  losses: readonly number[],
  { interpreter, seen }: Reference,
): string[] {
  const faults: string[] = [];
  if (losses.length !== steps) faults.push(`${losses.length} losses instead of ${steps}`);
  const off = difference(losses, interpreter);
  if (!(off <= tolerance)) faults.push(`losses are ${off.toExponential(1)} off the interpreter's`);
  if (!seen.has(isFused)) seen.set(isFused, { where, losses });
  for (const [isTheirsFused, theirs] of seen) {
    const offTheirs = difference(losses, theirs.losses);
    const most = isTheirsFused === isFused ? 0 : tolerance;
    if (!(offTheirs <= most)) faults.push(`losses are ${offTheirs.toExponential(1)} off those of ${theirs.where}`);
  }
  return faults;
}
