/** @file Measures in a host: Node, Deno or headless Chromium, by the same lines of code. */
import { fileURLToPath } from "node:url";
import type { HostName } from "../fuzz/protocol.ts";
import { runInHost } from "../support/run-in-host.ts";
import { type Measured, type NumbersJob, saidIn } from "./protocol.ts";

const here = (file: string) => fileURLToPath(new URL(file, import.meta.url));
const programs = { process: here("process.ts"), page: here("page.ts") };

/** `told` hears how much is done, from 0 to 1. */
export async function measureIn(host: HostName, job: NumbersJob, told?: (done: number) => void): Promise<Measured> {
  let measured: Measured | undefined;
  await runInHost(host, programs, job, (line) => {
    const said = saidIn(line);
    if (said === undefined) return;
    if ("done" in said) told?.(said.done);
    else measured = said;
  });
  if (measured === undefined) throw new Error(`${host} ended without a measurement`);
  return measured;
}
