/** @file The job in a page, and the device that a page's policy can forbid. */
import { openDevice } from "../../devices/open-device.ts";
import { work } from "./job.ts";

const open = async (): Promise<string> => (await openDevice({ device: "cpu" })).name;

Object.assign(globalThis, { open, work });
