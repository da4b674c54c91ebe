/**
 * @file The same measurement in Node, of cellgrad only: one process per job, which prints its result. The job is the first
 * argument, as JSON.
 */
import type { Job, Message } from "./browser/job.ts";
import { cellgrad } from "./contenders/cellgrad.ts";
import { installCounters } from "./measure/counters.ts";
import { measure, measureCold } from "./measure/measure.ts";
import { makeWorkload, sizesAt } from "./measure/workload.ts";

const job = JSON.parse(process.argv[2] ?? "") as Job;
await cellgrad.open();
// In Node, the interfaces exist only after Dawn is loaded.
installCounters();
const workload = makeWorkload(job.cell, sizesAt(job.time));
const facts = { name: cellgrad.name, version: cellgrad.version, work: cellgrad.work, adapter: cellgrad.adapter() };
const message: Message =
  job.kind === "cold"
    ? { kind: "cold", contenders: [facts], timing: await measureCold(cellgrad, workload, job.rounds) }
    : {
        kind: "steady",
        contenders: [facts],
        timings: await measure([cellgrad], workload, {
          rounds: job.rounds,
          warmups: job.warmups,
          say: (words) => console.error(words),
        }),
      };
console.log(JSON.stringify(message));
process.exit(0);
