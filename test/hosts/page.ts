/** @file The job in a page: what a test calls there stands in the page's global object. */
import { findAdapter, work } from "./job.ts";

export const page = { work, findAdapter };

Object.assign(globalThis, page);
