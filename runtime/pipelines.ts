/**
 * @file Compiles a program's kernels, all at once. Errors name the kernel and the line of the user's file that its ops
 * come from.
 */
import { at } from "../compiler/graph/errors.ts";
import type { Kernel, Program } from "../compiler/plan/program.ts";
import { withErrorScopes } from "./error-scopes.ts";

export interface Pipeline {
  readonly kernel: Kernel;
  readonly layout: GPUBindGroupLayout;
  readonly pipeline: GPUComputePipeline;
}

const sizesBinding = 0;
const stepBinding = 1;
export const storageBinding = 2;

type Compiled = Omit<Pipeline, "kernel">;

/** Compiled kernels of a device, the last used at the end: another program, or the same again, may have the same kernel. */
const kept = new WeakMap<GPUDevice, Map<string, Promise<Compiled>>>();
/** Each takes memory of the driver's. */
export const mostKept = 256;

/** Pipelines in the order of the program's kernels. */
export async function createPipelines(device: GPUDevice, program: Program): Promise<Pipeline[]> {
  // The longest are begun first, so that the driver's threads end together and none waits for a late long one.
  const order = [...program.kernels.keys()].sort((a, b) => lengthOf(program, b) - lengthOf(program, a));
  const begun = new Map(order.map((i) => [i, createPipeline(device, at(program.kernels, i))]));
  return Promise.all(program.kernels.map((_, i) => begun.get(i) as Promise<Pipeline>));
}

const lengthOf = ({ kernels }: Program, kernel: number) => at(kernels, kernel).wgsl.length;

/** What a kernel is called and where it comes from stand in comments: equal layers share their pipelines. */
function withoutComments(wgsl: string): string {
  return wgsl.replace(/^\/\/.*\n/gm, "");
}

async function createPipeline(device: GPUDevice, kernel: Kernel): Promise<Pipeline> {
  const pipelines = kept.get(device) ?? new Map<string, Promise<Compiled>>();
  kept.set(device, pipelines);
  const layout = layoutEntries(kernel);
  const key = JSON.stringify([withoutComments(kernel.wgsl), layout]);
  const compiling = pipelines.get(key) ?? compile(device, kernel, layout);
  pipelines.delete(key);
  pipelines.set(key, compiling);
  for (const oldest of pipelines.keys()) {
    if (pipelines.size <= mostKept) break;
    pipelines.delete(oldest);
  }
  try {
    return { kernel, ...(await compiling) };
  } catch (error) {
    pipelines.delete(key);
    throw error;
  }
}

async function compile(device: GPUDevice, kernel: Kernel, entries: GPUBindGroupLayoutEntry[]): Promise<Compiled> {
  const limit = device.limits.maxStorageBuffersPerShaderStage;
  if (kernel.bindings.length > limit) {
    throw new Error(
      `internal: ${describe(kernel)} binds ${kernel.bindings.length} buffers, this device allows ${limit}`,
    );
  }
  // What is wrong with a module is an error of its pipeline too, and told there: outside of a scope, hosts would print it.
  const { result, errors } = withErrorScopes(device, () => {
    const module = device.createShaderModule({ label: kernel.name, code: kernel.wgsl });
    const layout = device.createBindGroupLayout({ label: kernel.name, entries });
    const compiling = device.createComputePipelineAsync({
      label: kernel.name,
      layout: device.createPipelineLayout({ label: kernel.name, bindGroupLayouts: [layout] }),
      compute: { module, entryPoint: "main" },
    });
    return { module, layout, compiling };
  });
  errors.catch(() => {});
  const { module, layout, compiling } = result;
  try {
    return { layout, pipeline: await compiling };
  } catch (error) {
    const { messages } = await module.getCompilationInfo();
    const details = messages.map(({ type, lineNum, message }) => `${type} in line ${lineNum}: ${message}`).join("; ");
    throw new Error(`internal: ${describe(kernel)} does not compile: ${details || String(error)}`);
  }
}

export function describe(kernel: Kernel): string {
  return `kernel ${kernel.name} (${kernel.label}${kernel.site === undefined ? "" : `, from ${kernel.site}`})`;
}

function layoutEntries(kernel: Kernel): GPUBindGroupLayoutEntry[] {
  const visibility = GPUShaderStage.COMPUTE;
  const sizes: GPUBindGroupLayoutEntry = { binding: sizesBinding, visibility, buffer: { type: "uniform" } };
  const step: GPUBindGroupLayoutEntry = {
    binding: stepBinding,
    visibility,
    buffer: { type: "uniform", hasDynamicOffset: true },
  };
  const storage = kernel.bindings.map(({ access }, i): GPUBindGroupLayoutEntry => {
    return {
      binding: storageBinding + i,
      visibility,
      buffer: { type: access === "read" ? "read-only-storage" : "storage" },
    };
  });
  return [...(kernel.uniforms.length > 0 ? [sizes] : []), ...(kernel.loops > 0 ? [step] : []), ...storage];
}
