/** @file Errors of devices. Their messages are for users: what is wrong, where, what to do. */
import { UserError } from "../compiler/graph/errors.ts";

/** There is no adapter of the requested kind, or it provides no device. The message says why, and what to do. */
export class DeviceUnavailableError extends Error {
  /** The name by which it is known among other errors. */
  override readonly name = "DeviceUnavailableError";
}

/**
 * The device is lost: it was destroyed, its driver was reset, or the browser revoked it. Its arrays are lost too; training
 * can continue on a new device from the last weights that the host has read or saved.
 */
export class DeviceLostError extends Error {
  /** The name by which it is known among other errors. */
  override readonly name = "DeviceLostError";

  /** `device` is the device's name, `reason` the host's explanation, if any. */
  constructor(device: string, reason: string) {
    // The first line is enough; some hosts add more.
    const [what] = reason.split("\n");
    super(
      `the device ${device} was lost: ${what?.replace(/\.$/, "")}; open a new one and continue from the last saved weights`,
    );
  }
}

/**
 * The device has no memory left for a run, an upload or a result. The run had no effect: arrays it would have replaced are
 * unchanged, and a smaller run can follow on the same device.
 */
export class DeviceMemoryError extends UserError {
  /** The name by which it is known among other errors. */
  override readonly name = "DeviceMemoryError";

  /** `wanting` is what needed memory, such as "trainingStep at B=16, T=32", and `plan` how much, in words. */
  constructor(device: string, wanting: string, plan: string) {
    super(
      `the device ${device} is out of memory: ${wanting} needs ${plan}; lower the batch, the length or the units, or close other programs that use the device`,
    );
  }
}

/** The device has not answered within the timeout of `openDevice({ timeout })`: it hangs, or the work takes too long. */
export class DeviceTimeoutError extends Error {
  /** The name by which it is known among other errors. */
  override readonly name = "DeviceTimeoutError";

  /** `seconds` is the timeout, `action` the work that was awaited, in the infinitive. */
  constructor(device: string, seconds: number, action: string) {
    super(
      `the device ${device} has not answered for ${seconds} s when asked to ${action}: it hangs or is too slow for this; lower the batch or the length, allow a longer timeout, or open a new device and continue from the last saved weights`,
    );
  }
}
