/** @file What can be wrong with devices, as errors that people are meant to read: what, where, what to do. */
import { UserError } from "../compiler/graph/errors.ts";

/** No adapter of the wanted kind, or one that gives no device. The message says why, and what to do. */
export class DeviceUnavailableError extends Error {
  /** The name by which it is known among other errors. */
  override readonly name = "DeviceUnavailableError";
}

/**
 * The device is gone: it was destroyed, its driver was reset, the browser took it away. Its arrays are gone with it;
 * what the host has read before (the last weights that were kept) goes on on a new device.
 */
export class DeviceLostError extends Error {
  /** The name by which it is known among other errors. */
  override readonly name = "DeviceLostError";

  /** `device` is its name, `reason` what the host tells, if anything. */
  constructor(device: string, reason: string) {
    // Hosts write a sentence, or several lines of which the first says it.
    const [what] = reason.split("\n");
    super(
      `the device ${device} was lost: ${what?.replace(/\.$/, "")}; open a new one and go on from the last weights that were kept`,
    );
  }
}

/**
 * The device has no memory left for a run, an upload or a result. Nothing of the run was done: arrays that it was to
 * replace hold what they held before, and a smaller run may follow on the same device.
 */
export class DeviceMemoryError extends UserError {
  /** The name by which it is known among other errors. */
  override readonly name = "DeviceMemoryError";

  /** `wanting` is what wanted memory, such as "trainingStep at B=16, T=32", and `plan` how much it needs, in words. */
  constructor(device: string, wanting: string, plan: string) {
    super(
      `the device ${device} is out of memory: ${wanting} needs ${plan}; lower the batch, the length or the units, or close what else uses the device`,
    );
  }
}

/** The device has not answered for as long as `openDevice({ timeout })` allows: it hangs, or the work is too much for it. */
export class DeviceTimeoutError extends Error {
  /** The name by which it is known among other errors. */
  override readonly name = "DeviceTimeoutError";

  /** `seconds` is the time allowed, `action` what was waited for. */
  constructor(device: string, seconds: number, action: string) {
    super(
      `the device ${device} has not answered for ${seconds} s, while it was to ${action}: it hangs or is too slow for this; lower the batch or the length, allow a longer timeout, or open a new device and go on from the last weights that were kept`,
    );
  }
}
