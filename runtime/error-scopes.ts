/** @file Error scopes: the device reports errors of calls later, through scopes around them. */

export interface ScopeErrors {
  /** There was no memory for a buffer. */
  readonly shortage: GPUError | null;
  /** A call that breaks WebGPU's rules: a bug of ours, or the consequence of a buffer that could not be created. */
  readonly invalid: GPUError | null;
}

export interface Scoped<T> {
  readonly result: T;
  /** Rejects if the device is lost. */
  readonly errors: Promise<ScopeErrors>;
}

/** Runs `calls` within error scopes; returns their result, and the errors that the device reports later. */
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
