/**
 * @file Compiles kernels: all kernels of a program together, or one synchronously if a run needs it now. Errors name the
 * kernel and the user's source line.
 */
import { at } from "../compiler/graph/errors.ts";
import type { Kernel, Program } from "../compiler/plan/program.ts";
import { withErrorScopes } from "./error-scopes.ts";
import { shaderStage } from "./gpu-flags.ts";

export interface Pipeline {
  readonly kernel: Kernel;
  readonly layout: GPUBindGroupLayout;
  readonly pipeline: GPUComputePipeline;
}

const sizesBinding = 0;
const stepBinding = 1;
export const storageBinding = 2;

type Compiled = Omit<Pipeline, "kernel">;

/** A cached kernel, compiled or being compiled. */
interface CacheEntry {
  /** Rejects if the kernel does not compile. */
  readonly compiling: Promise<Compiled>;
  /** The result, once there is one. */
  compiled: Compiled | undefined;
}

/** Compiled kernels of each device, least recently used first: other programs, or the same again, can share a kernel. */
const cache = new WeakMap<GPUDevice, Map<string, CacheEntry>>();
/** Most cached kernels: each uses memory of the driver. */
export const mostKept = 256;

/** Creates the pipelines of these kernels of a program, by default of all, in order. */
export async function createPipelines(
  device: GPUDevice,
  program: Program,
  kernels: readonly number[] = [...program.kernels.keys()],
): Promise<Pipeline[]> {
  // The longest are started first, so that the driver's threads finish at about the same time.
  const order = [...kernels].sort((a, b) => lengthOf(program, b) - lengthOf(program, a));
  const started = new Map(order.map((i) => [i, createPipeline(device, at(program.kernels, i))]));
  return Promise.all(kernels.map((i) => started.get(i) as Promise<Pipeline>));
}

const lengthOf = ({ kernels }: Program, kernel: number) => at(kernels, kernel).wgsl.length;

async function createPipeline(device: GPUDevice, kernel: Kernel): Promise<Pipeline> {
  return { kernel, ...(await cached(device, kernel, compile).compiling) };
}

/**
 * Creates a pipeline synchronously, for a run that needs a kernel that is not compiled yet. The device can block the caller
 * meanwhile; whether the kernel compiled is known later, from `fault`.
 */
export function createPipelineNow(
  device: GPUDevice,
  kernel: Kernel,
): { readonly pipeline: Pipeline; readonly fault: Promise<Error | undefined> } {
  const known = cached(device, kernel, compileNow);
  // A pending compilation cannot be awaited here.
  const { compiled, compiling } = isCompiled(known) ? known : compileNow(device, kernel);
  const fault = compiling.then(
    () => undefined,
    (error: Error) => error,
  );
  return { pipeline: { kernel, ...compiled }, fault };
}

/** The cached kernel, or a new one compiled by `begin`. Kernels that do not compile are removed from the cache. */
function cached(
  device: GPUDevice,
  kernel: Kernel,
  begin: (device: GPUDevice, kernel: Kernel) => CacheEntry,
): CacheEntry {
  const pipelines = cache.get(device) ?? new Map<string, CacheEntry>();
  cache.set(device, pipelines);
  const key = `${JSON.stringify(layoutEntries(kernel))} ${kernel.wgsl}`;
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

function isCompiled(entry: CacheEntry): entry is CacheEntry & { readonly compiled: Compiled } {
  return entry.compiled !== undefined;
}

function compile(device: GPUDevice, kernel: Kernel): CacheEntry {
  // An error of the module is also an error of its pipeline, and reported there; outside a scope, hosts would print it.
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
  const entry: CacheEntry = { compiling, compiled: undefined };
  return entry;
}

function compileNow(device: GPUDevice, kernel: Kernel): CacheEntry & { readonly compiled: Compiled } {
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

/** The bindings of a kernel, in the order in which it declares them. */
export function layoutEntries(kernel: Kernel): GPUBindGroupLayoutEntry[] {
  const visibility = shaderStage.COMPUTE;
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
