/**
 * @file Compiles a CPU program at fixed sizes to a self-contained module: it owns its memory, constants are data segments,
 * and one function runs all dispatches. The dispatch records, which a device builds at run time, are data too.
 *
 *   memory ::= constants | carried inputs | other inputs | slabs | scratch memory | records
 */
import { cpuKernels } from "../../compiler/compile-cpu.ts";
import type { DimSizes } from "../../compiler/graph/dim.ts";
import { at, InternalError, UserError } from "../../compiler/graph/errors.ts";
import { margins } from "../../compiler/graph/margins.ts";
import { unmetRequirement } from "../../compiler/graph/requirements.ts";
import type { CpuKernel, Location, PlannedKernel, Program } from "../../compiler/plan/program.ts";
import { evaluateSize, walkSteps } from "../../runtime/walk.ts";
import * as code from "../../wasm/code.ts";
import type { DataSegment, Instruction, MemoryLimits, WasmFunction } from "../../wasm/instruction.ts";

const pageBytes = 65536;
const mostPages = 65536;
const wordBytes = 4;
/** Bytes of a cache line. */
const line = 64;

/** A block of memory, in bytes. */
export interface Place {
  readonly address: number;
  readonly bytes: number;
}

export interface BakedProgram {
  readonly functions: readonly WasmFunction[];
  readonly data: readonly DataSegment[];
  readonly memory: MemoryLimits;
  /** Location of each input, by name. */
  readonly inputs: Readonly<Record<string, Place>>;
  /** Location of all carried inputs (states), with only padding between them. */
  readonly carried: Place;
  readonly outputs: readonly Place[];
}

export interface BakeOptions {
  readonly sizes: DimSizes;
  /** Inputs that never change. */
  readonly constants: Readonly<Record<string, Float32Array<ArrayBuffer>>>;
  /** Inputs whose memory outputs reuse. */
  readonly carried: readonly string[];
}

/** The name of the function that runs all dispatches. */
const runName = "run";

/**
 * Lays out the memory and generates the module.
 *
 * @throws UserError if a size is too small for the program's reads, or the memory exceeds 32-bit addresses.
 */
export function bakeProgram(planned: Program<PlannedKernel>, options: BakeOptions): BakedProgram {
  const { sizes, constants, carried } = options;
  const unmet = unmetRequirement(planned.requires, sizes);
  if (unmet !== undefined) throw new UserError(`${planned.name}: ${unmet}`);
  const { kernels, functions } = cpuKernels(planned);
  const program: Program<CpuKernel> = { ...planned, kernels };
  const lengths = program.buffers.map(({ size }) => evaluateSize(size, sizes));
  const memory = new Layout();
  const places = new Map<number, Place>();
  const take = (buffer: number) => {
    const place = memory.take(at(program.buffers, buffer).bytes * at(lengths, buffer));
    places.set(buffer, place);
    return place;
  };
  const inputs: Record<string, Place> = {};
  const place = (names: readonly string[]): Place => {
    const start = memory.end;
    for (const { name, buffer } of program.inputs) if (names.includes(name)) inputs[name] = take(buffer);
    return { address: start, bytes: memory.end - start };
  };
  place(Object.keys(constants));
  const carriedPlace = place(carried);
  place(program.inputs.map(({ name }) => name).filter((name) => inputs[name] === undefined));
  for (const [buffer, { role }] of program.buffers.entries()) if (role === "slab") take(buffer);
  const scratch = memory.take(kernels.reduce((most, { scratchBytes }) => Math.max(most, scratchBytes), 0));
  const records = new Records(memory.end);

  const placeOf = ({ buffer, offset, size }: Location): Place => {
    const { bytes } = at(program.buffers, buffer);
    const found = places.get(buffer);
    if (found === undefined) throw new InternalError(`buffer ${buffer} has no place`);
    return { address: found.address + bytes * evaluateSize(offset, sizes), bytes: bytes * evaluateSize(size, sizes) };
  };
  const body: Instruction[] = [];
  for (const step of walkSteps(program.steps, sizes)) {
    if ("kind" in step) {
      const [from, to] = [placeOf(step.from), placeOf(step.to)];
      body.push(code.op("memory.copy", code.i32(to.address), code.i32(from.address), code.i32(from.bytes)));
      continue;
    }
    const { dispatch, groups, entry } = step;
    const kernel = at(kernels, dispatch.kernel);
    if (dispatch.indirect !== undefined) throw new InternalError(`${kernel.name} has an indirect dispatch`);
    const record = records.add([
      ...kernel.bindings.map(({ buffer }) => places.get(buffer)?.address ?? 0),
      ...kernel.bindings.map(({ buffer }) => at(lengths, buffer)),
      ...kernel.uniforms.map(({ value }) => evaluateSize(value, sizes)),
      ...entry.slice(0, kernel.loops + (kernel.chunked ? 1 : 0)),
    ]);
    for (const [part, count] of groups.entries())
      if (count > 0)
        body.push(code.call(at(kernel.functions, part), [record, scratch.address, 0, count].map(code.i32)));
  }
  memory.take(records.bytes);
  const run: WasmFunction = {
    ...{ name: runName, isExported: true, parameters: [], result: undefined, locals: [], body },
  };
  const constantSegments = Object.entries(constants).map(([name, numbers]): DataSegment => {
    const { address } = inputs[name] ?? { address: 0 };
    return { address, bytes: new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength) };
  });
  const pages = memory.pages;
  return {
    functions: [...functions.map((each) => ({ ...each, isExported: false })), run],
    data: [...constantSegments, records.segment()],
    memory: { initialPages: pages, maximumPages: pages, isShared: false, isOwn: true },
    inputs,
    carried: carriedPlace,
    outputs: program.outputs.map(({ location }) => placeOf(location)),
  };
}

/** Allocates blocks of memory one after the other. */
class Layout {
  #end: number = margins.before;

  /** Address of the next block. */
  get end(): number {
    return this.#end;
  }

  get pages(): number {
    const pages = Math.ceil((this.#end + margins.behind) / pageBytes);
    if (pages <= mostPages) return pages;
    throw new UserError(
      `the model needs ${Math.ceil(this.#end / 2 ** 20)} MiB of memory, above WebAssembly's limit of 4096: make the batch smaller`,
    );
  }

  take(bytes: number): Place {
    const place = { address: this.#end, bytes };
    this.#end += line * Math.ceil(bytes / line);
    return place;
  }
}

/** The records of dispatches; equal records are stored once. */
class Records {
  readonly #start: number;
  readonly #known = new Map<string, number>();
  readonly #words: number[] = [];

  constructor(start: number) {
    this.#start = start;
  }

  get bytes(): number {
    return wordBytes * this.#words.length;
  }

  /** The address of a record. */
  add(words: readonly number[]): number {
    const key = words.join(",");
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const address = this.#start + this.bytes;
    this.#words.push(...words);
    this.#known.set(key, address);
    return address;
  }

  segment(): DataSegment {
    return { address: this.#start, bytes: new Uint8Array(Uint32Array.from(this.#words).buffer) };
  }
}
