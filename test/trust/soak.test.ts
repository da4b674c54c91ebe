/**
 * @file A short soak: device memory does not grow during training, and trainers leak none.
 *
 * @module-tag slow
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { at } from "../../compiler/graph/errors.ts";
import { deviceOnCpu } from "../../devices/cpu.ts";
import type { Device } from "../../devices/device.ts";
import { CpuContext } from "../../runtime/cpu/context.ts";
import { openWebgpu } from "../support/webgpu.ts";
import { soakCycles, soakSteps } from "./soak.ts";

interface Soaked {
  readonly device: Device;
  /** Bytes from the begin of its memory to the end of all that is in use, where that is one piece. */
  readonly end: () => number;
}

async function openCpu(): Promise<Soaked> {
  const context = await CpuContext.open({ threads: 2 });
  const { heap } = context;
  const end = () => {
    // More than fits between what is in use.
    const block = heap.take(2 ** 28);
    if (block === undefined) throw new Error("no memory");
    heap.free(block);
    return block.address;
  };
  return { device: deviceOnCpu(context), end };
}

describe.each([
  { name: "the CPU", steps: 200, open: openCpu },
  { name: "WebGPU", steps: 100, open: async (): Promise<Soaked> => ({ device: await openWebgpu(), end: () => 0 }) },
])("$name", ({ steps, open }) => {
  let opened: Soaked;
  beforeAll(async () => {
    opened = await open();
  });
  afterAll(() => opened.device.destroy());

  test("training uses as much memory at the end as after a quarter of the steps", async () => {
    const { device, end } = opened;
    const ends: number[] = [];
    const samples = await soakSteps(device, { count: steps, samples: 4, onSample: () => ends.push(end()) });
    expect(samples.map(({ done }) => done)).toEqual([1, 2, 3, 4].map((quarter) => (quarter * steps) / 4));
    const first = at(samples, 0);
    expect(first.buffers).toBeGreaterThan(5);
    for (const { buffers, deviceBytes } of samples) {
      expect({ buffers, deviceBytes }).toEqual({ buffers: first.buffers, deviceBytes: first.deviceBytes });
    }
    expect(ends).toEqual([1, 2, 3, 4].map(() => ends[0]));
  });

  test("created and destroyed trainers leave no buffer and no byte", async () => {
    const { device, end } = opened;
    device.trim();
    const [before, lastByte] = [device.memory(), end()];
    const samples = await soakCycles(device, { count: 6, samples: 6 });
    for (const { buffers, deviceBytes } of samples) {
      expect({ buffers, deviceBytes }).toEqual({ buffers: before.buffers, deviceBytes: before.bytes });
    }
    expect(end()).toBe(lastByte);
  });
});
