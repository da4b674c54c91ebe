/** @file What can be wrong with devices, as errors that people are meant to read: what, where, what to do. */

/** No adapter of the wanted kind, or one that gives no device. The message says why, and what to do. */
export class DeviceUnavailableError extends Error {
  /** The name by which it is told from other errors. */
  override readonly name = "DeviceUnavailableError";
}

/**
 * The device is gone: it was destroyed, its driver was reset, the browser took it away. Its arrays are gone with it;
 * what the host has read before (the last weights that were kept) goes on on a new device.
 */
export class DeviceLostError extends Error {
  /** The name by which it is told from other errors. */
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
