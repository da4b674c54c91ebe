/** @file The job in a page. */
import { work } from "./job.ts";

Object.assign(globalThis, { work });
