/** @file Drivers of the hosts: each starts one, gives it a job, and passes on the events that it prints. */
import { fileURLToPath } from "node:url";
import { runInHost } from "../support/run-in-host.ts";
import { eventIn, type HostJob, type HostName, type Tell } from "./protocol.ts";

/** Performs a job. Rejects where the host ends before it is done. */
type Driver = (job: HostJob, tell: Tell) => Promise<void>;

const here = (file: string) => fileURLToPath(new URL(file, import.meta.url));
const programs = { process: here("process.ts"), page: here("page.ts") };

const driverOf =
  (host: HostName): Driver =>
  (job, tell) =>
    runInHost(host, programs, job, (line) => {
      const event = eventIn(line);
      if (event !== undefined) tell(event);
    });

export const drivers: Readonly<Record<HostName, Driver>> = {
  node: driverOf("node"),
  deno: driverOf("deno"),
  chromium: driverOf("chromium"),
};
