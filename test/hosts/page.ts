/** @file The job in a page; its functions are properties of the global object, for tests to call. */
import { findAdapter, work } from "./job.ts";

export const page = { work, findAdapter };

Object.assign(globalThis, page);
