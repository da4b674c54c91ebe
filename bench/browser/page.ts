/** @file The page: fetches its job from its server, runs it, and posts the results. */
import { cellgrad } from "../contenders/cellgrad.ts";
import { jaxJs } from "../contenders/jax.ts";
import "@tensorflow/tfjs-backend-webgpu";
import "@tensorflow/tfjs-core/dist/register_all_gradients.js";
import { tensorFlowOn } from "../contenders/tfjs.ts";
import type { Contender } from "../measure/contender.ts";
import { installCounters } from "../measure/counters.ts";
import { DisagreementError, measure, measureCold } from "../measure/measure.ts";
import { makeWorkload, sizesAt } from "../measure/workload.ts";
import type { ContenderName, Job, Message } from "./job.ts";

const byName: Readonly<Record<ContenderName, Contender>> = { cellgrad, "jax-js": jaxJs, tfjs: tensorFlowOn("webgpu") };

async function post(message: Message): Promise<void> {
  await fetch("/message", { method: "POST", body: JSON.stringify(message) });
}

async function work(): Promise<void> {
  const job = (await (await fetch("/job")).json()) as Job;
  installCounters();
  const contenders = job.contenders.map((name) => byName[name]);
  for (const contender of contenders) await contender.open();
  const workload = makeWorkload(job.cell, sizesAt(job.time));
  const facts = () =>
    contenders.map(({ name, version, work, adapter }) => ({ name, version, work, adapter: adapter() }));
  if (job.kind === "cold") {
    const [contender] = contenders;
    if (contender === undefined) throw new Error("a cold start needs a contender");
    const timing = await measureCold(contender, workload, job.rounds);
    return post({ kind: "cold", contenders: facts(), timing });
  }
  const say = (words: string) => void post({ kind: "say", words });
  const timings = await measure(contenders, workload, { rounds: job.rounds, warmups: job.warmups, say });
  return post({ kind: "steady", contenders: facts(), timings });
}

work().catch((error: unknown) => {
  const disagreement = error instanceof DisagreementError;
  const message = disagreement
    ? error.message
    : error instanceof Error
      ? (error.stack ?? error.message)
      : String(error);
  return post({ kind: "error", message, disagreement });
});
