/** @file The soak in short: device memory neither grows while training goes on nor stays when trainers go. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { at } from "../../compiler/graph/errors.ts";
import type { Device } from "../../devices/device.ts";
import { openDevice } from "../../devices/open-device.ts";
import { soakCycles, soakSteps } from "./soak.ts";

let device: Device;
beforeAll(async () => {
  device = await openDevice();
});
afterAll(() => device.destroy());

test("training holds as much memory after 200 steps as after 50", async () => {
  const samples = await soakSteps(device, { count: 200, samples: 4 });
  expect(samples.map(({ done }) => done)).toEqual([50, 100, 150, 200]);
  const first = at(samples, 0);
  expect(first.buffers).toBeGreaterThan(5);
  for (const { buffers, deviceBytes } of samples) {
    expect({ buffers, deviceBytes }).toEqual({ buffers: first.buffers, deviceBytes: first.deviceBytes });
  }
});

test("trainers that come and go leave no buffer and no byte", async () => {
  device.trim();
  const before = device.memory();
  const samples = await soakCycles(device, { count: 6, samples: 6 });
  for (const { buffers, deviceBytes } of samples) {
    expect({ buffers, deviceBytes }).toEqual({ buffers: before.buffers, deviceBytes: before.bytes });
  }
});
