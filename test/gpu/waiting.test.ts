/** @file The timeout of a silent device: any answer restarts it. The clock is the test's own. */
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { GpuContext } from "../../runtime/context.ts";
import { DeviceTimeoutError } from "../../runtime/device-errors.ts";

let context: GpuContext;

beforeEach(async () => {
  const { host, device } = await GpuContext.open("auto");
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
  // Work is awaited directly, without a host.
  context = new GpuContext({ ...host, wait: (work) => work }, device, 1);
});

afterEach(() => {
  vi.useRealTimers();
  context.destroy();
});

const after = (milliseconds: number, answer: string) =>
  new Promise<string>((resolve) => setTimeout(() => resolve(answer), milliseconds));

test("a device that answers nothing within the timeout is given up", async () => {
  const outcome = context.wait(after(1500, "late"), "run a step").catch((error) => error);
  await vi.advanceTimersByTimeAsync(1600);
  expect(await outcome).toBeInstanceOf(DeviceTimeoutError);
});

test("a device that answers other requests meanwhile is waited for", async () => {
  const outcome = context.wait(after(2500, "done"), "run a long step").catch((error) => error);
  for (const time of [600, 1200, 1800, 2400]) void context.wait(after(time, "short"), "run a short step");
  await vi.advanceTimersByTimeAsync(2600);
  expect(await outcome).toBe("done");
});
