/** @file What a page does, step by step as it is asked: it opens devices, trains, counts how often it gets its turn, and ends them. */
import { type Device, type DeviceChoice, openDevice } from "../../index.ts";
import { hasRelaxedMadd } from "../../wasm/features.ts";
import { type JobResult, work } from "../cpu/job.ts";
import { large, small, trainSteps } from "./training.ts";

export interface Opened {
  readonly name: string;
  readonly kind: string;
  readonly isIsolated: boolean;
  readonly hasWebGpu: boolean;
  /** Whether the engine has a fused multiplication and addition: others round twice, and give other bits. */
  readonly isFused: boolean;
}

/** How a page felt while steps ran. */
export interface Felt {
  readonly milliseconds: number;
  /** Turns that a timer of the page got, and the longest that it waited for one. */
  readonly ticks: number;
  readonly longestGap: number;
}

const devices: Device[] = [];

async function open(choice: DeviceChoice, threads?: number): Promise<Opened> {
  const device = await openDevice({ device: choice, ...(threads !== undefined && { threads }) });
  devices.push(device);
  const { crossOriginIsolated, navigator } = globalThis as { crossOriginIsolated?: boolean; navigator?: object };
  return {
    name: device.name,
    kind: device.kind,
    isIsolated: crossOriginIsolated === true,
    hasWebGpu: navigator !== undefined && "gpu" in navigator,
    isFused: hasRelaxedMadd(),
  };
}

function device(): Device {
  const last = devices.at(-1);
  if (last === undefined) throw new Error("no device is open");
  return last;
}

/** The losses of the last device that was opened. */
const train = (steps: number) => trainSteps(device(), small, steps);

/** Steps that are timed, after one in which all is compiled. */
async function feel(steps: number): Promise<Felt> {
  let began = 0;
  let last = 0;
  let ticks = 0;
  let longestGap = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const tick = () => {
    const now = performance.now();
    ticks++;
    longestGap = Math.max(longestGap, now - last);
    last = now;
    timer = setTimeout(tick);
  };
  await trainSteps(device(), large, 1 + steps, () => {
    began = performance.now();
    last = began;
    timer = setTimeout(tick);
  });
  clearTimeout(timer);
  const ended = performance.now();
  return { milliseconds: ended - began, ticks, longestGap: Math.max(longestGap, ended - last) };
}

/** Ends all devices. */
function destroy(): void {
  for (const device of devices.splice(0)) device.destroy();
}

export interface PageJobs {
  open: typeof open;
  train: typeof train;
  feel: typeof feel;
  destroy: typeof destroy;
  /** A program with every kind of step; its device stays. */
  work: (options: { threads: number }) => Promise<JobResult>;
}

Object.assign(globalThis, { jobs: { open, train, feel, destroy, work } satisfies PageJobs });
