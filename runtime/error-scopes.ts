/** @file What a device finds wrong with the calls that it was given: it says so later, through error scopes. */

export interface ScopeErrors {
  /** There was no memory for a buffer. */
  readonly shortage: GPUError | null;
  /** A call that breaks WebGPU's rules: our fault, or what follows from a buffer that could not be made. */
  readonly invalid: GPUError | null;
}

export interface Scoped<T> {
  readonly result: T;
  /** Rejects where the device is gone. */
  readonly errors: Promise<ScopeErrors>;
}

/** What `calls` gives, and what the device finds wrong with them. */
export function withErrorScopes<T>(device: GPUDevice, calls: () => T): Scoped<T> {
  device.pushErrorScope("out-of-memory");
  device.pushErrorScope("validation");
  let result: T;
  try {
    result = calls();
  } catch (error) {
    poppedErrors(device).catch(() => {});
    throw error;
  }
  return { result, errors: poppedErrors(device) };
}

async function poppedErrors(device: GPUDevice): Promise<ScopeErrors> {
  const [invalid, shortage] = await Promise.all([device.popErrorScope(), device.popErrorScope()]);
  return { invalid, shortage };
}
