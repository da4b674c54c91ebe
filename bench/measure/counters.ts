/** @file Counts the calls of all contenders to WebGPU, by wrapping its interfaces. */

export interface Counts {
  dispatches: number;
  submits: number;
  pipelines: number;
}

const counts: Counts = { dispatches: 0, submits: 0, pipelines: 0 };

/** Wraps the methods; to be called once per page or process. */
export function installCounters(): void {
  const pass = GPUComputePassEncoder.prototype;
  const { dispatchWorkgroups, dispatchWorkgroupsIndirect } = pass;
  pass.dispatchWorkgroups = function (...args) {
    counts.dispatches += 1;
    return dispatchWorkgroups.apply(this, args);
  };
  pass.dispatchWorkgroupsIndirect = function (...args) {
    counts.dispatches += 1;
    return dispatchWorkgroupsIndirect.apply(this, args);
  };
  const queue = GPUQueue.prototype;
  const { submit } = queue;
  queue.submit = function (...args) {
    counts.submits += 1;
    return submit.apply(this, args);
  };
  const device = GPUDevice.prototype;
  const { createComputePipeline, createComputePipelineAsync } = device;
  device.createComputePipeline = function (...args) {
    counts.pipelines += 1;
    return createComputePipeline.apply(this, args);
  };
  device.createComputePipelineAsync = function (...args) {
    counts.pipelines += 1;
    return createComputePipelineAsync.apply(this, args);
  };
}

export async function counted<T>(body: () => Promise<T>): Promise<{ readonly value: T; readonly counts: Counts }> {
  const before = { ...counts };
  const value = await body();
  return {
    value,
    counts: {
      dispatches: counts.dispatches - before.dispatches,
      submits: counts.submits - before.submits,
      pipelines: counts.pipelines - before.pipelines,
    },
  };
}
