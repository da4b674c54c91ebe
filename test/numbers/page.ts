/** @file The measurement in a page: what the driver calls stands in the page's global object. */
import { perform } from "./job.ts";

Object.assign(globalThis, { performJob: perform });
