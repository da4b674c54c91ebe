/** @file How fast devices are, side by side, as the playground tells it. */
import { expect, test } from "vitest";
import { DeviceSpeeds } from "../../playground/page/session/device-speeds.ts";

test("a device's speed is the sum over the runs, each a mean of late, until other runs come", () => {
  const speeds = new DeviceSpeeds();
  let changes = 0;
  speeds.changed.follow(() => {
    changes++;
  });
  expect(speeds.of("gpu")).toBeUndefined();
  speeds.add("gpu", { run: "a", tokensPerSecond: 100 });
  expect(speeds.of("gpu")).toBe(100);
  speeds.add("gpu", { run: "a", tokensPerSecond: 200 });
  expect(speeds.of("gpu")).toBe(125);
  speeds.add("gpu", { run: "b", tokensPerSecond: 10 });
  speeds.add("cpu", { run: "a", tokensPerSecond: 7 });
  expect([speeds.of("gpu"), speeds.of("cpu")]).toEqual([135, 7]);
  speeds.clear();
  expect([speeds.of("gpu"), speeds.of("cpu")]).toEqual([undefined, undefined]);
  expect(changes).toBe(6);
});
