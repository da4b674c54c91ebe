/** @file The measurement, wherever it runs: lines about it go to the console. */
import { openDevice } from "../../index.ts";
import { deviceExecutor } from "../../testing/executor.ts";
import { inexactCases, measure } from "./measure.ts";
import { lineOf, type NumbersJob } from "./protocol.ts";

export async function perform({ device: choice, sweep, only }: NumbersJob): Promise<void> {
  const device = await openDevice({ device: choice });
  const measured = await measure(device, { sweep, only }, (done) => console.log(lineOf({ done })));
  const inexact = sweep === undefined ? await inexactCases(deviceExecutor(device.name, device, 0)) : [];
  console.log(lineOf({ measured, inexact }));
  device.destroy();
}
