/**
 * @file Programs whose values are in several buffers, on devices that bound the size of one. The program of a graph is made for
 * all sizes of batch and time; where a run's sizes need more than one buffer can have, another one is made for just these.
 */
import { bindShape, type DimSizes } from "../compiler/graph/dim.ts";
import { at, UserError } from "../compiler/graph/errors.ts";
import { type Graph, inputName, nodeAt } from "../compiler/graph/graph.ts";
import type { Population } from "../compiler/graph/models.ts";
import { type NdArray, sizeOfNumbers } from "../compiler/graph/ndarray.ts";
import { pageShape } from "../compiler/graph/pages.ts";
import { inPages, type PagedGraph } from "../compiler/passes/in-pages.ts";
import { inRowChunks } from "../compiler/passes/row-chunks.ts";
import { specialize } from "../compiler/passes/specialize.ts";
import type { Program } from "../compiler/plan/program.ts";
import type { CompileProgramOptions } from "../compiler/plan-program.ts";
import { megabytes } from "../runtime/buffers.ts";
import type { Inputs } from "../runtime/program-inputs.ts";
import { evaluateSize } from "../runtime/walk.ts";
import type { CompileOptions, DeviceArray, Executable } from "./device.ts";
import { PagedArray } from "./paged-array.ts";

/** A graph as it is planned: in pages if some value of it is larger than a buffer. */
interface PagedPlan {
  readonly graph: Graph;
  readonly options: CompileProgramOptions;
  readonly readback: readonly number[];
  readonly paged: PagedGraph | undefined;
}

/** Plans the buffers of a graph, for all sizes or for given ones. */
function planPages(
  graph: Graph,
  { parts, readback = [], sizes: _, ...given }: CompileOptions,
  bufferBytes: number,
  sizes: DimSizes | undefined,
): PagedPlan {
  const { population } = given;
  const bytesOfOne = Math.floor(bufferBytes / (population?.models ?? 1));
  const most = Math.floor(bytesOfOne / 16) * 4;
  const sized = sizes === undefined ? graph : specialize(graph, sizes);
  const known = inRowChunks(sized, { most }) ?? sized;
  const paged = inPages(known, { most, parts, donate: given.donate });
  if (population !== undefined && paged !== undefined) throw tooManyModels(known, population, bufferBytes);
  const options = { ...given, maxBufferBytes: bytesOfOne };
  if (paged === undefined) return { graph: known, options, readback, paged };
  const places = (outputs: readonly number[]) => outputs.flatMap((output) => at(paged.outputs, output));
  const phases = given.phases && {
    forward: places(given.phases.forward),
    backward: places(given.phases.backward),
  };
  return {
    graph: paged.graph,
    options: { ...options, donate: paged.donate, isPaged: true, ...(phases && { phases }) },
    readback: places(readback),
    paged,
  };
}

/** Values in pages have no stride from one model to the next. */
function tooManyModels({ name, inputs, nodes }: Graph, { models }: Population, bufferBytes: number): UserError {
  const largest = Math.max(...inputs.map((id) => 4 * sizeOfNumbers((nodes[id]?.aval.shape ?? []).map(Number)) || 0));
  const most = Math.floor(bufferBytes / Math.max(largest, 1));
  return new UserError(
    `${name}: the arrays of ${models} models do not fit into buffers of ${megabytes(bufferBytes)}, the most of this device; ${most > 0 && most < models ? `train at most ${most} models at once` : "train fewer models at once, or shorter sequences"}`,
  );
}

type Loaded = Omit<Executable, "graph">;

/** The program of a plan, loaded: it takes arrays in pages, and returns them. */
function pagedProgram(graph: Graph, { paged }: PagedPlan, loaded: Loaded): Loaded {
  if (paged === undefined) return loaded;
  const split = (inputs: Inputs): Inputs => {
    const all = graph.inputs.map((id) => inputName(graph, id));
    return Object.fromEntries(
      all.flatMap((name): readonly (readonly [string, NdArray | DeviceArray])[] => {
        const given = inputs[name];
        const pages = paged.inputs[name];
        if (given === undefined) return [];
        if (pages === undefined) return [[name, given]];
        return pagesOfInput(graph, name, given, pages).map((array, i) => [at(pages, i).name, array]);
      }),
    );
  };
  const together = (outputs: readonly DeviceArray[]): DeviceArray[] =>
    graph.outputs.map((id, i) => {
      const arrays = at(paged.outputs, i).map((place) => at(outputs, place));
      const { dtype, shape } = nodeAt(graph, id).aval;
      return arrays.length === 1 ? at(arrays, 0) : new PagedArray(dtype, shape.map(Number), arrays);
    });
  return {
    run: (inputs) => {
      checkPaged(graph, inputs, paged);
      return together(loaded.run(split(inputs)));
    },
    encode: (encoder, inputs) => {
      checkPaged(graph, inputs, paged);
      return together(loaded.encode(encoder, split(inputs) as Readonly<Record<string, DeviceArray>>));
    },
    profile: (inputs) => {
      checkPaged(graph, inputs, paged);
      return loaded.profile(split(inputs));
    },
    destroy: () => loaded.destroy(),
  };
}

/** Inputs in pages are checked by the graph, the others by the program. */
function checkPaged(graph: Graph, inputs: Inputs, { inputs: paged }: PagedGraph): void {
  for (const id of graph.inputs) {
    const name = inputName(graph, id);
    if (paged[name] === undefined) continue;
    const given = inputs[name];
    if (given === undefined) throw new UserError(`${graph.name}: input ${name} is missing`);
    const { aval } = nodeAt(graph, id);
    const problem =
      given.dtype === aval.dtype ? bindShape(aval.shape, given.shape, {}) : `it is ${given.dtype}, not ${aval.dtype}`;
    if (problem !== undefined) throw new UserError(`${graph.name}: input ${name}: ${problem}`);
  }
}

function pagesOfInput(
  graph: Graph,
  name: string,
  given: NdArray | DeviceArray,
  pages: readonly { readonly from: number; readonly size: number; readonly name: string }[],
): readonly (NdArray | DeviceArray)[] {
  const input = graph.inputs.find((id) => inputName(graph, id) === name);
  const shape = nodeAt(graph, input ?? -1).aval.shape.map(Number);
  if (!("data" in given)) {
    const arrays = given instanceof PagedArray ? given.pages : [given];
    const isSame =
      arrays.length === pages.length && arrays.every((array, i) => sizeOfNumbers(array.shape) === at(pages, i).size);
    if (isSame) return arrays;
    throw new UserError(
      `${graph.name}: input ${name} is on the device in other pages than the program reads; upload it with the parts that it was compiled with`,
    );
  }
  return pages.map(({ from, size }) => ({
    dtype: given.dtype,
    shape: pageShape(shape, size),
    data: given.data.slice(from, from + size),
  }));
}

/** The sizes of a run, from the inputs that are given; undefined if one is missing or wrong, which the program reports. */
function sizesOfRun(graph: Graph, inputs: Inputs, population: Population | undefined): DimSizes | undefined {
  const sizes: Record<string, number> = {};
  for (const id of graph.inputs) {
    const name = inputName(graph, id);
    const given = inputs[name];
    if (given === undefined || !Array.isArray(given.shape)) return undefined;
    const isOfModels = population !== undefined && population.shared?.includes(name) !== true;
    const shape = isOfModels ? given.shape.slice(1) : given.shape;
    if (bindShape(nodeAt(graph, id).aval.shape, shape, sizes) !== undefined) return undefined;
  }
  return sizes;
}

/** How a device lowers and loads programs. */
export interface Loader {
  readonly lower: (graph: Graph, options: CompileProgramOptions) => Program;
  /** Loads a program and compiles its kernels. */
  readonly load: (program: Program, readback: readonly number[]) => Promise<Loaded>;
  /** The same, but its kernels are compiled when they first run. */
  readonly loadLater: (program: Program, readback: readonly number[]) => Loaded;
  /** Bytes of the largest buffer. */
  readonly bufferBytes: number;
}

/** The program of a graph, and the sizes that it is made for, if it is made for some. */
interface Planned {
  readonly plan: PagedPlan;
  readonly program: Program;
  readonly sizes: DimSizes | undefined;
}

function planned(graph: Graph, options: CompileOptions, loader: Loader, sizes?: DimSizes): Planned {
  const plan = planPages(graph, options, loader.bufferBytes, sizes);
  return { plan, program: loader.lower(plan.graph, plan.options), sizes };
}

/** The program for all sizes, unless it needs buffers that are too large at those of the options. */
function plannedFor(graph: Graph, options: CompileOptions, loader: Loader): readonly [any: Planned, used: Planned] {
  const any = planned(graph, options, loader);
  const { sizes } = options;
  if (sizes === undefined || fits(any.program, sizes, loader.bufferBytes)) return [any, any];
  return [any, planned(graph, options, loader, sizes)];
}

/** The program that runs at the sizes of the options. */
export function lowerPaged(graph: Graph, options: CompileOptions, loader: Loader): Program {
  const [, { program }] = plannedFor(graph, options, loader);
  return program;
}

/** Loads the program of a graph. Others are made for sizes at which it needs a buffer that is too large. */
export async function loadPaged(graph: Graph, options: CompileOptions, loader: Loader): Promise<Loaded> {
  const [any, used] = plannedFor(graph, options, loader);
  const keyOf = (sizes: DimSizes | undefined) => any.program.symbols.map((symbol) => sizes?.[symbol]).join(",");
  const ready = ({ plan, sizes }: Planned, loaded: Loaded): Loaded =>
    pagedProgram(sizes === undefined || plan.paged === undefined ? graph : specialize(graph, sizes), plan, loaded);
  const later = (each: Planned) => ready(each, loader.loadLater(each.program, each.plan.readback));
  const made = new Map([
    [used.sizes && keyOf(used.sizes), ready(used, await loader.load(used.program, used.plan.readback))],
  ]);
  const known = (key: string | undefined, make: () => Planned): Loaded => {
    const loaded = made.get(key) ?? later(make());
    made.set(key, loaded);
    return loaded;
  };
  const chosen = (inputs: Inputs): Loaded => {
    const sizes = any.program.symbols.length === 0 ? undefined : sizesOfRun(graph, inputs, options.population);
    return sizes === undefined || fits(any.program, sizes, loader.bufferBytes)
      ? known(undefined, () => any)
      : known(keyOf(sizes), () => planned(graph, options, loader, sizes));
  };
  return {
    run: (inputs) => chosen(inputs).run(inputs),
    encode: (encoder, inputs) => chosen(inputs).encode(encoder, inputs),
    profile: (inputs) => chosen(inputs).profile(inputs),
    destroy: () => {
      for (const each of made.values()) each.destroy();
      made.clear();
    },
  };
}

function fits({ buffers }: Program, sizes: DimSizes, bufferBytes: number): boolean {
  return buffers.every(({ bytes, size }) => bytes * evaluateSize(size, sizes) <= bufferBytes);
}
