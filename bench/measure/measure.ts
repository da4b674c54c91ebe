/**
 * @file The measurement. Before timing, losses and gradient norms at the initial weights must agree; then the contenders
 * alternate, one step each, so that other load on the machine affects all of them equally.
 */
import type { Contender, Run } from "./contender.ts";
import { type Counts, counted } from "./counters.ts";
import type { Workload } from "./workload.ts";

export interface Timing {
  readonly contender: string;
  readonly loss: number;
  readonly gradientNorm: number;
  /** Milliseconds of each measured step. */
  readonly steps: readonly number[];
  readonly counts: Counts;
}

export interface ColdTiming {
  readonly contender: string;
  /** From the start of the library's work (device open, page loaded) to the first loss. */
  readonly untilFirstLossMs: number;
  /** Only the first step, for libraries that compile before it. */
  readonly firstStepMs: number;
  readonly steadyMs: number;
  readonly pipelines: number;
  readonly compileMs?: number;
}

export interface MeasureOptions {
  readonly rounds: number;
  readonly warmups: number;
  readonly say: (words: string) => void;
}

/** The results differ, so nothing is timed. */
export class DisagreementError extends Error {
  override readonly name = "DisagreementError";
}

const tolerance = 1e-3;

export async function measure(
  contenders: readonly Contender[],
  workload: Workload,
  { rounds, warmups, say }: MeasureOptions,
): Promise<Timing[]> {
  const runs: { contender: Contender; run: Run; loss: number; norm: number; steps: number[]; counts: Counts }[] = [];
  for (const contender of contenders) {
    const run = await contender.prepare(workload);
    const norm = await run.gradientNorm();
    const loss = await run.step();
    say(`${contender.name}: loss ${loss.toFixed(6)}, gradient norm ${norm.toFixed(6)}`);
    runs.push({ contender, run, loss, norm, steps: [], counts: { dispatches: 0, submits: 0, pipelines: 0 } });
  }
  agree(
    "loss",
    runs.map(({ contender, loss }) => [contender.name, loss]),
  );
  agree(
    "gradient norm",
    runs.map(({ contender, norm }) => [contender.name, norm]),
  );
  for (let round = -warmups; round < rounds; round++) {
    for (let turn = 0; turn < runs.length; turn++) {
      // Each round starts with another contender.
      const entry = runs[(((turn + round) % runs.length) + runs.length) % runs.length];
      if (entry === undefined) continue;
      const start = performance.now();
      const { counts } = await counted(entry.run.step);
      const milliseconds = performance.now() - start;
      if (round >= 0) entry.steps.push(milliseconds);
      entry.counts = counts;
    }
    say(
      `round ${round + 1}/${rounds}: ${runs.map(({ contender, steps }) => `${contender.name} ${steps.at(-1)?.toFixed(0) ?? "warm-up"}`).join(", ")}`,
    );
  }
  for (const { run } of runs) run.dispose();
  return runs.map(({ contender, loss, norm, steps, counts }) => ({
    contender: contender.name,
    loss,
    gradientNorm: norm,
    steps,
    counts,
  }));
}

/** Times the first step in this page, and a few after it. */
export async function measureCold(contender: Contender, workload: Workload, steadySteps: number): Promise<ColdTiming> {
  const start = performance.now();
  const { value, counts } = await counted(async () => {
    const run = await contender.prepare(workload);
    const ready = performance.now();
    await run.step();
    return { run, ready };
  });
  const end = performance.now();
  const steady: number[] = [];
  for (let i = 0; i < steadySteps; i++) {
    const before = performance.now();
    await value.run.step();
    steady.push(performance.now() - before);
  }
  value.run.dispose();
  return {
    contender: contender.name,
    untilFirstLossMs: end - start,
    firstStepMs: end - value.ready,
    steadyMs: median(steady),
    pipelines: counts.pipelines,
    ...(value.run.compileMs === undefined ? {} : { compileMs: value.run.compileMs }),
  };
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const [low, high] = [sorted[(sorted.length - 1) >> 1], sorted[sorted.length >> 1]];
  return low === undefined || high === undefined ? Number.NaN : (low + high) / 2;
}

function agree(what: string, values: readonly (readonly [name: string, value: number])[]): void {
  const numbers = values.map(([, value]) => value);
  const [low, high] = [Math.min(...numbers), Math.max(...numbers)];
  // Written so that NaN fails.
  if (!(high - low <= tolerance * Math.max(1, Math.abs(high)))) {
    const list = values.map(([name, value]) => `${name} ${value}`).join(", ");
    throw new DisagreementError(`${what} differs by more than ${tolerance}: ${list}; nothing was timed`);
  }
}
