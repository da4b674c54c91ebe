/** @file Waits for a device, up to a timeout. */
import { DeviceTimeoutError } from "./device-errors.ts";

export class Waiting {
  /** Seconds to wait for an answer of the device. */
  timeout: number;
  readonly #device: string;
  /** When the device last answered anything, on the clock of `performance`. */
  #heard = 0;

  /** `device` is its name. */
  constructor(device: string, timeout = Number.POSITIVE_INFINITY) {
    this.#device = device;
    this.timeout = timeout;
  }

  /**
   * Awaits `work` of the device; `action` names it in the infinitive.
   *
   * @throws DeviceTimeoutError if the device has not answered anything within the timeout.
   */
  async for<T>(work: Promise<T>, action: string): Promise<T> {
    if (!Number.isFinite(this.timeout)) return work;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const began = performance.now();
    const silence = new Promise<never>((_, reject) => {
      const listen = () => {
        const left = Math.max(began, this.#heard) + 1000 * this.timeout - performance.now();
        if (left > 0) timer = setTimeout(listen, left);
        else reject(new DeviceTimeoutError(this.#device, this.timeout, action));
      };
      listen();
    });
    try {
      const answer = await Promise.race([work, silence]);
      this.#heard = performance.now();
      return answer;
    } finally {
      clearTimeout(timer);
    }
  }
}
