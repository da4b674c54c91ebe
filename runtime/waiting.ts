/** @file Waiting for a device, for as long as it may be silent. */
import { DeviceTimeoutError } from "./device-errors.ts";

export class Waiting {
  /** Seconds for which the device may be silent while it is waited for. */
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
   * What `work` gives, which the device is to do; `action` names it in the infinitive.
   *
   * @throws DeviceTimeoutError where the device has answered nothing for as long as it may be silent.
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
