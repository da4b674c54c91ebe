/** @file A job of the fuzz in a page: what the driver calls stands in the page's global object, events go to the console. */
import { perform } from "./fuzz.ts";
import { type HostJob, lineOf } from "./protocol.ts";

export const page = { performJob: (job: HostJob) => perform(job, (event) => console.log(lineOf(event))) };

Object.assign(globalThis, page);
