/**
 * @file Runs one case, each contender in its own process. First compares the losses of a few steps from the same weights;
 * the contenders that agree are then timed in alternation.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { median } from "../measure/measure.ts";
import { type Child, ChildError, openChild } from "./child.ts";
import type { Entrant } from "./entrants.ts";

/** Number of losses that are compared. */
export const comparedSteps = 4;
/** Relative tolerance of a loss against the median of all. */
export const tolerance = 1e-4;
/** Seconds that a contender has for these losses, including its compilation. */
const patience = 180;
/** A setting slower than its contender's best by more than this factor in these steps is not timed. */
const hopeless = 3;
/** Duration of a turn in milliseconds; it has at most `mostSteps` steps. */
const turnMs = 250;
const mostSteps = 20;
/** Milliseconds per case after which a contender gets no more turns. */
const budgetMs = 60_000;
/** Pause between turns in milliseconds: threads of the previous contender can still be polling for work. */
const pauseMs = 50;

export interface Measured {
  readonly entrant: Entrant;
  readonly version?: string;
  readonly work?: string;
  readonly runsOn?: string;
  /** Losses of the first steps. */
  readonly losses?: readonly number[];
  /** Milliseconds until the first loss: compilation and one step. */
  readonly firstStepMs?: number;
  readonly stepsMs?: readonly number[];
  /** Why there are no times. */
  readonly notRun?: string;
}

interface Running {
  readonly entrant: Entrant;
  readonly child: Child;
  readonly losses: readonly number[];
  readonly firstStepMs: number;
  /** Milliseconds of a step, by the latest measurement. */
  pace: number;
  spent: number;
  readonly stepsMs: number[];
}

export async function compare(
  entrants: readonly Entrant[],
  rounds: number,
  say: (words: string) => void,
): Promise<Measured[]> {
  const running: Running[] = [];
  const left = new Map<Entrant, Measured>();
  const leave = (entrant: Entrant, notRun: string, rest: Partial<Measured> = {}) => {
    say(`${titleOf(entrant)}: not run: ${notRun}`);
    left.set(entrant, { entrant, notRun, ...rest });
  };
  try {
    for (const entrant of entrants) {
      try {
        running.push(await begin(entrant, say));
      } catch (error) {
        if (!(error instanceof ChildError)) throw error;
        leave(entrant, error.message);
      }
    }
    const faults = differences(running.map(({ losses }) => losses));
    for (const [i, fault] of [...faults].reverse()) {
      const [stranger] = running.splice(i, 1);
      if (stranger === undefined) continue;
      await stranger.child.end();
      leave(stranger.entrant, fault, { losses: stranger.losses });
    }
    for (const [i, reason] of [...slowSettings(running)].reverse()) {
      const [slow] = running.splice(i, 1);
      if (slow === undefined) continue;
      await slow.child.end();
      leave(slow.entrant, reason, { losses: slow.losses });
    }
    for (let round = 0; round < rounds; round++) {
      for (let turn = 0; turn < running.length; turn++) {
        // Each round starts with another contender.
        const one = running[(turn + round) % running.length];
        if (one === undefined || one.spent > budgetMs || left.has(one.entrant)) continue;
        try {
          await takeTurn(one);
        } catch (error) {
          if (!(error instanceof ChildError)) throw error;
          leave(one.entrant, error.message, { losses: one.losses });
        }
        await sleep(pauseMs);
      }
      const lasts = running.map((one) => `${titleOf(one.entrant)} ${one.pace.toFixed(1)}`);
      say(`round ${round + 1}/${rounds}, ms: ${lasts.join("; ")}`);
    }
    for (const { entrant, child, losses, firstStepMs, stepsMs } of running)
      if (!left.has(entrant)) left.set(entrant, { entrant, ...child.facts, losses, firstStepMs, stepsMs });
  } finally {
    for (const { child } of running) await child.end();
  }
  return entrants.flatMap((entrant) => left.get(entrant) ?? []);
}

export function titleOf({ name, setting }: Entrant): string {
  return setting === "" ? name : `${name} (${setting})`;
}

async function begin(entrant: Entrant, say: (words: string) => void): Promise<Running> {
  const { command } = entrant;
  if (typeof command === "string") throw new ChildError(command);
  const until = performance.now() + patience * 1000;
  const seconds = () => Math.max(1, Math.round((until - performance.now()) / 1000));
  const child = await openChild(command, seconds());
  const start = performance.now();
  const first = await child.steps(1, seconds());
  const firstStepMs = performance.now() - start;
  // One by one, to keep track of the remaining time.
  const more = [first];
  for (let i = 1; i < comparedSteps; i++) more.push(await child.steps(1, seconds()));
  const losses = more.flatMap((answer) => answer.losses);
  const pace = Math.min(...more.slice(1).flatMap(({ milliseconds }) => milliseconds));
  say(`${titleOf(entrant)}: losses ${losses.map((loss) => loss.toFixed(5)).join(" ")}, about ${pace.toFixed(1)} ms`);
  return { entrant, child, losses, firstStepMs, pace, spent: 0, stepsMs: [] };
}

/** Positions of the settings that are too slow, with the reason. */
export function slowSettings(all: readonly Pick<Running, "entrant" | "pace">[]): Map<number, string> {
  const slow = new Map<number, string>();
  for (const [i, { entrant, pace }] of all.entries()) {
    const best = all.filter((one) => one.entrant.name === entrant.name).reduce((a, b) => (b.pace < a.pace ? b : a));
    if (pace <= hopeless * best.pace) continue;
    const [own, least] = [pace.toFixed(1), best.pace.toFixed(1)];
    slow.set(i, `${own} ms a step in the first ones, and ${least} with ${best.entrant.setting}`);
  }
  return slow;
}

/** Runs one turn. If a step is short, an uncounted one goes first, to warm the caches after other contenders. */
async function takeTurn(one: Running): Promise<void> {
  const warmups = one.pace < turnMs ? 1 : 0;
  const count = Math.max(1, Math.min(mostSteps, Math.round(turnMs / one.pace)));
  const { milliseconds } = await one.child.steps(warmups + count, patience);
  one.stepsMs.push(...milliseconds.slice(warmups));
  one.pace = median(milliseconds.slice(warmups));
  one.spent += milliseconds.reduce((sum, time) => sum + time, 0);
}

/**
 * Positions of the lists of losses that differ from the others, with the reason. They are compared with the median of all
 * at each step (the lower of two).
 */
export function differences(lists: readonly (readonly number[])[]): Map<number, string> {
  const faults = new Map<number, string>();
  for (let step = 0; step < comparedSteps; step++) {
    const values = lists.map((list) => list[step] ?? Number.NaN);
    const sorted = values.filter(Number.isFinite).sort((a, b) => a - b);
    const middle = sorted[(sorted.length - 1) >> 1] ?? Number.NaN;
    for (const [i, value] of values.entries()) {
      // Written so that NaN fails.
      if (faults.has(i) || Math.abs(value - middle) <= tolerance * Math.abs(middle)) continue;
      faults.set(
        i,
        `its loss at step ${step + 1} is ${value}, and the median of all ${middle}: more than ${tolerance} apart`,
      );
    }
  }
  return faults;
}
