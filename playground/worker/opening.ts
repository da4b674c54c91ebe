/** @file Which device the worker opens, and what it reports of it to the page. */
import type { Device } from "../../devices/device.ts";
import type { OpenDeviceOptions } from "../../devices/open-device.ts";
import type { DeviceChoice, DeviceReport } from "../shared/protocol.ts";
import { faultOf } from "./fault.ts";

/** The interpreter is exact and slow: training more weights than this would take too long. */
const interpreterWeights = 20_000;

export type OpenDevice = (options: OpenDeviceOptions) => Promise<Device>;

export interface Opened {
  readonly device: Device;
  readonly report: DeviceReport;
}

/** Opens a device of the kind wanted. "auto" ends with the interpreter, which is there everywhere, and says why. */
export async function openFirst(open: OpenDevice, choice: DeviceChoice): Promise<Opened> {
  const { device, note } = await firstDevice(open, choice);
  const { kind, name } = device;
  return {
    device,
    report: {
      ...{ kind, name },
      ...(note !== undefined && { note }),
      ...(kind === "interpreter" && { maxWeights: interpreterWeights }),
    },
  };
}

async function firstDevice(open: OpenDevice, choice: DeviceChoice): Promise<{ device: Device; note?: string }> {
  if (choice !== "auto") return { device: await open({ device: choice }) };
  try {
    return { device: await open({ device: "gpu" }) };
  } catch (error) {
    const { message } = faultOf(error);
    try {
      const device = await open({ device: "cpu" });
      return { device, note: `${message} Until then the CPU computes, by WebAssembly.` };
    } catch (cpuError) {
      const note = `${message} ${faultOf(cpuError).message} Until then an interpreter computes, which is for tiny cells.`;
      return { device: await open({ device: "interpreter" }), note };
    }
  }
}
