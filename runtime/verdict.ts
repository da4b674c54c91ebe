/** @file What a device finds wrong with the calls that it was given: it says so later, through error scopes. */

export interface Verdict {
  /** There was no memory for a buffer. */
  readonly shortage: GPUError | null;
  /** A call that breaks WebGPU's rules: our fault, or what follows from a buffer that could not be made. */
  readonly invalid: GPUError | null;
}

export interface Judged<T> {
  readonly result: T;
  /** Rejects where the device is gone. */
  readonly verdict: Promise<Verdict>;
}

/** What `calls` gives, and what the device finds wrong with them. */
export function judged<T>(device: GPUDevice, calls: () => T): Judged<T> {
  device.pushErrorScope("out-of-memory");
  device.pushErrorScope("validation");
  let result: T;
  try {
    result = calls();
  } catch (error) {
    verdictOf(device).catch(() => {});
    throw error;
  }
  return { result, verdict: verdictOf(device) };
}

async function verdictOf(device: GPUDevice): Promise<Verdict> {
  const [invalid, shortage] = await Promise.all([device.popErrorScope(), device.popErrorScope()]);
  return { invalid, shortage };
}
