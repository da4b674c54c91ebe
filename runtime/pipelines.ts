/**
 * @file Compiles kernels: all that a program needs together, or one at once, where a run cannot wait for it. Errors name
 * the kernel and the line of the user's file that its ops come from.
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

/** A kernel that is compiled, or being compiled. */
interface Kept {
  /** Rejects where the kernel does not compile. */
  readonly compiling: Promise<Compiled>;
  /** As soon as there is one. */
  compiled: Compiled | undefined;
}

/** Compiled kernels of a device, the last used at the end: another program, or the same again, may have the same kernel. */
const kept = new WeakMap<GPUDevice, Map<string, Kept>>();
/** Each takes memory of the driver's. */
export const mostKept = 256;

/** Pipelines of some of a program's kernels, or of all, in their order. */
export async function createPipelines(
  device: GPUDevice,
  program: Program,
  kernels: readonly number[] = [...program.kernels.keys()],
): Promise<Pipeline[]> {
  // The longest are begun first, so that the driver's threads end together and none waits for a late long one.
  const order = [...kernels].sort((a, b) => lengthOf(program, b) - lengthOf(program, a));
  const begun = new Map(order.map((i) => [i, createPipeline(device, at(program.kernels, i))]));
  return Promise.all(kernels.map((i) => begun.get(i) as Promise<Pipeline>));
}

const lengthOf = ({ kernels }: Program, kernel: number) => at(kernels, kernel).wgsl.length;

async function createPipeline(device: GPUDevice, kernel: Kernel): Promise<Pipeline> {
  return { kernel, ...(await keptOf(device, kernel, compile).compiling) };
}

/**
 * A pipeline at once, for a run that comes to a kernel that is not compiled yet. The device may hold the caller up until it
 * is, and says only later, through `fault`, whether it is.
 */
export function createPipelineNow(
  device: GPUDevice,
  kernel: Kernel,
): { readonly pipeline: Pipeline; readonly fault: Promise<Error | undefined> } {
  const known = keptOf(device, kernel, compileNow);
  // One that is being compiled cannot be waited for.
  const { compiled, compiling } = isCompiled(known) ? known : compileNow(device, kernel);
  const fault = compiling.then(
    () => undefined,
    (error: Error) => error,
  );
  return { pipeline: { kernel, ...compiled }, fault };
}

/** A kernel that is kept, or begun by `begin`. What does not compile is not kept. */
function keptOf(device: GPUDevice, kernel: Kernel, begin: (device: GPUDevice, kernel: Kernel) => Kept): Kept {
  const pipelines = kept.get(device) ?? new Map<string, Kept>();
  kept.set(device, pipelines);
  const key = JSON.stringify([kernel.wgsl, layoutEntries(kernel)]);
  const entry = pipelines.get(key) ?? begin(device, kernel);
  pipelines.delete(key);
  pipelines.set(key, entry);
  for (const oldest of pipelines.keys()) {
    if (pipelines.size <= mostKept) break;
    pipelines.delete(oldest);
  }
  entry.compiling.catch(() => {
    if (pipelines.get(key) === entry) pipelines.delete(key);
  });
  return entry;
}

function isCompiled(entry: Kept): entry is Kept & { readonly compiled: Compiled } {
  return entry.compiled !== undefined;
}

function compile(device: GPUDevice, kernel: Kernel): Kept {
  // What is wrong with a module is an error of its pipeline too, and told there: outside of a scope, hosts would print it.
  const { result, errors } = withErrorScopes(device, () => {
    const { layout, module, descriptor } = partsOf(device, kernel);
    return { layout, module, made: device.createComputePipelineAsync(descriptor) };
  });
  errors.catch(() => {});
  const { layout, module, made } = result;
  const compiling = made.then(
    (pipeline) => {
      entry.compiled = { layout, pipeline };
      return entry.compiled;
    },
    async (error) => {
      throw await faultOf(kernel, module, String(error));
    },
  );
  const entry: Kept = { compiling, compiled: undefined };
  return entry;
}

function compileNow(device: GPUDevice, kernel: Kernel): Kept & { readonly compiled: Compiled } {
  const { result, errors } = withErrorScopes(device, () => {
    const { layout, module, descriptor } = partsOf(device, kernel);
    return { layout, module, pipeline: device.createComputePipeline(descriptor) };
  });
  const { layout, module, pipeline } = result;
  const compiled = { layout, pipeline };
  const compiling = errors.then(async ({ invalid }) => {
    if (invalid !== null) throw await faultOf(kernel, module, invalid.message);
    return compiled;
  });
  return { compiling, compiled };
}

function partsOf(device: GPUDevice, kernel: Kernel) {
  const limit = device.limits.maxStorageBuffersPerShaderStage;
  if (kernel.bindings.length > limit) {
    throw new Error(
      `internal: ${describe(kernel)} binds ${kernel.bindings.length} buffers, this device allows ${limit}`,
    );
  }
  const module = device.createShaderModule({ label: kernel.name, code: kernel.about + kernel.wgsl });
  const layout = device.createBindGroupLayout({ label: kernel.name, entries: layoutEntries(kernel) });
  const descriptor: GPUComputePipelineDescriptor = {
    label: kernel.name,
    layout: device.createPipelineLayout({ label: kernel.name, bindGroupLayouts: [layout] }),
    compute: { module, entryPoint: "main" },
  };
  return { module, layout, descriptor };
}

async function faultOf(kernel: Kernel, module: GPUShaderModule, otherwise: string): Promise<Error> {
  const { messages } = await module.getCompilationInfo();
  const details = messages.map(({ type, lineNum, message }) => `${type} in line ${lineNum}: ${message}`).join("; ");
  return new Error(`internal: ${describe(kernel)} does not compile: ${details || otherwise}`);
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
