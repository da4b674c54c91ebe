/**
 * @file Kernels of the IR as WebAssembly functions: one for each part of a kernel, which walks over workgroups of four
 * lanes, and one for each math function that they call, for scalars or vectors. `CpuKernel` says how they are called.
 * Only this folder writes WebAssembly.
 */
import { type Dim, dimCoefficient } from "../compiler/graph/dim.ts";
import { InternalError } from "../compiler/graph/errors.ts";
import type { KernelArray, KernelCode, KernelFunction, Part, Variable } from "../compiler/kernel/ir.ts";
import { arrayAt, sumAt } from "../compiler/kernel/places.ts";
import { expressionsOfFunction, statementsIn } from "../compiler/kernel/walk.ts";
import * as code from "./code.ts";
import type { Surroundings } from "./expression.ts";
import type { Local, WasmFunction } from "./instruction.ts";
import { Memory, type Places } from "./memory.ts";
import { StatementWriter } from "./statement.ts";
import { type Atom, addSums, alignmentOf, atomSum, constantSum, mostAlignment, type Sum } from "./sum.ts";
import { lanes, scalarOf, scalarType, type Value, vectorOf } from "./values.ts";
import { FunctionWriter } from "./writer.ts";

const bytes = 4;

const parameters: readonly Local[] = ["record", "scratch", "first", "end"].map((name) => ({ name, type: "i32" }));

/** The functions of a module, each once. */
export class ModuleWriter {
  readonly #functions = new Map<string, WasmFunction>();
  readonly #isFused: boolean;

  /** `isFused`: running sums use `f32x4.relaxed_madd`, which the engine must have. */
  constructor({ isFused = false }: { readonly isFused?: boolean } = {}) {
    this.#isFused = isFused;
  }

  get functions(): readonly WasmFunction[] {
    return [...this.#functions.values()];
  }

  /** Adds the functions of a kernel's parts, and returns their names and the bytes of scratch memory that they need. */
  addKernel(name: string, kernel: KernelCode): { readonly functions: string[]; readonly scratchBytes: number } {
    if (kernel.workgroupSize !== lanes)
      throw new InternalError(`${name} has ${kernel.workgroupSize} lanes; on a CPU a workgroup has ${lanes}`);
    const scratch = new Scratch(kernel);
    const functions = kernel.parts.map((part, i) => {
      const own = kernel.parts.length === 1 ? name : `${name}_${i}`;
      this.#functions.set(own, this.#part(own, kernel, part, scratch));
      return own;
    });
    return { functions, scratchBytes: scratch.bytes };
  }

  #part(name: string, kernel: KernelCode, part: Part, scratch: Scratch): WasmFunction {
    const w = new FunctionWriter();
    const end = w.fresh("group");
    const given = new Given(w, kernel);
    const places: Places = {
      base: (array) =>
        array.space === "global" ? given.base(arrayAt(array, part.places).buffer) : scratch.place(array),
      last: (array) =>
        array.space === "global" ? given.last(arrayAt(array, part.places).buffer) : scratch.last(array),
    };
    const functionOf = (callee: KernelFunction, isVector: boolean) => this.#functionOf(callee, isVector);
    const functions: StatementWriter = new StatementWriter(
      w,
      ofFunctions(functionOf, () => functions),
      { isVector: true, end },
    );
    const surroundings: Surroundings = {
      memory: new Memory(w, places),
      isFused: this.#isFused,
      uniform: (sum) => given.uniform(sumAt(sum, part.places)),
      functionOf,
      inlined: (callee, values) => (isShort(callee) ? inlined(functions, callee, values) : undefined),
    };
    const writer = new StatementWriter(w, surroundings, { isVector: true, end });
    const { counts, end: last } = kernel.steps;
    for (const [i, variable] of counts.entries()) writer.expressions.define(variable, index(given.count(i)));
    if (last !== undefined) writer.expressions.define(last, index(given.end()));
    const next = "next";
    const group = w.local("i32", "group");
    const looped = w.nested(() => {
      const body = w.nested(() => {
        const known: Atom = { name: group, depth: w.depth, alignment: 1 };
        writer.expressions.define(part.group, index(atomSum(known)));
        writer.expressions.define(part.lane, { kind: "index", sum: constantSum(0), stride: 1 });
        writer.overWorkgroups(part.body, [part.group, part.lane]);
      });
      w.write({ kind: "block", label: end, body });
      w.write(code.set(group, code.op("i32.add", code.get(group), code.i32(1))));
      w.write(code.jumpIf(next, code.op("i32.lt_u", code.get(group), code.get("end"))));
    });
    w.write(code.set(group, code.get("first")), { kind: "loop", label: next, body: looped });
    return w.finish({ name, isExported: true, parameters, result: undefined });
  }

  /** The name of a function for four lanes, or for a scalar that all lanes share. */
  #functionOf(given: KernelFunction, isVector: boolean): string {
    const callee = given.exact ?? given;
    const name = `${callee.name}${isVector ? "_4" : ""}`;
    if (this.#functions.has(name)) return name;
    const w = new FunctionWriter();
    const functionOf = (inner: KernelFunction, isOfVectors: boolean) => this.#functionOf(inner, isOfVectors);
    const writer: StatementWriter = new StatementWriter(
      w,
      ofFunctions(functionOf, () => writer),
      {
        isVector,
        end: "",
      },
    );
    const typeOf = ({ type }: { readonly type: Variable["type"] }) => (isVector ? "v128" : scalarType(type));
    const locals = callee.parameters.map((parameter): Local => ({ name: parameter.name, type: typeOf(parameter) }));
    for (const [i, parameter] of callee.parameters.entries()) {
      const local = locals[i]?.name ?? "";
      if (isVector) writer.expressions.define(parameter, { kind: "vector", code: code.get(local) });
      else if (parameter.type === "u32")
        writer.expressions.define(parameter, index(atomSum({ name: local, depth: 0, alignment: 1 })));
      else writer.expressions.define(parameter, { kind: "scalar", code: code.get(local) });
    }
    writer.statements(callee.body);
    const result = writer.expressions.value(callee.result);
    w.write(isVector ? vectorOf(w, result, callee.type) : scalarOf(w, result));
    this.#functions.set(name, w.finish({ name, isExported: false, parameters: locals, result: typeOf(callee) }));
    return name;
  }
}

/** Most expressions of a function that is inlined in kernels: tanh has 90, erf 125, and sin 247. */
const fewExpressions = 150;

/** The expressions of a function, and of all that it calls. */
const lengths = new WeakMap<KernelFunction, number>();

function lengthOf(callee: KernelFunction): number {
  const known = lengths.get(callee);
  if (known !== undefined) return known;
  const expressions = expressionsOfFunction(callee.exact ?? callee);
  const length = expressions.reduce((sum, each) => sum + (each.kind === "call" ? lengthOf(each.function) : 1), 0);
  lengths.set(callee, length);
  return length;
}

/** Whether a kernel is better off without calls of a function: they cost some instructions each, and all its registers. */
function isShort(callee: KernelFunction): boolean {
  return lengthOf(callee) <= fewExpressions;
}

/** What a math function can read and call; those that it calls are inlined by `writer`. Its sums are rounded as written. */
function ofFunctions(functionOf: Surroundings["functionOf"], writer: () => StatementWriter): Surroundings {
  return {
    memory: undefined,
    isFused: false,
    uniform: () => {
      throw new InternalError("a function reads a size");
    },
    functionOf,
    inlined: (callee, values) => inlined(writer(), callee, values),
  };
}

/** Writes the body of a function where it is called. */
function inlined(writer: StatementWriter, callee: KernelFunction, values: readonly Value[]): Value {
  const inner = callee.exact ?? callee;
  for (const [i, parameter] of inner.parameters.entries()) {
    const value = values[i];
    if (value === undefined) throw new InternalError(`a call of ${inner.name} has no ${parameter.name}`);
    writer.expressions.define(parameter, writer.expressions.kept(value, parameter.name, parameter));
  }
  writer.statements(inner.body);
  return writer.expressions.value(inner.result);
}

function index(sum: Sum) {
  return { kind: "index", sum, stride: 0 } as const;
}

/** The arguments of a dispatch, each loaded once. */
class Given {
  readonly #w: FunctionWriter;
  readonly #kernel: KernelCode;
  readonly #known = new Map<number, Atom>();
  readonly #last = new Map<number, Atom>();

  constructor(w: FunctionWriter, kernel: KernelCode) {
    this.#w = w;
    this.#kernel = kernel;
  }

  #word(i: number, hint: string, alignment = 1): Atom {
    const load = code.at("i32.load", code.get("record"), i * bytes);
    const known = this.#known.get(i) ?? this.#w.outermost(() => this.#w.atom(hint, load, alignment));
    this.#known.set(i, known);
    return known;
  }

  #binding(buffer: number): number {
    const place = this.#kernel.buffers.findIndex(({ array }) => array.buffer === buffer);
    if (place < 0) throw new InternalError(`buffer ${buffer} is not bound by the kernel`);
    return place;
  }

  base(buffer: number): Sum {
    const place = this.#binding(buffer);
    return atomSum(this.#word(place, "buffer", 16));
  }

  /** The index of a buffer's last element, or 0 if there is none. */
  last(buffer: number): Sum {
    const place = this.#binding(buffer);
    const length = code.get(this.#word(this.#kernel.buffers.length + place, "length").name);
    const isSome = code.op("i32.ne", length, code.i32(0));
    const last =
      this.#last.get(place) ?? this.#w.outermost(() => this.#w.atom("last", code.op("i32.sub", length, isSome)));
    this.#last.set(place, last);
    return atomSum(last);
  }

  uniform(sum: readonly Dim[]): Sum {
    const name = sum.join(" + ");
    const i = this.#kernel.uniforms.findIndex((each) => each.join(" + ") === name);
    if (i < 0) throw new InternalError(`${name} is not a uniform of the kernel`);
    const alignment = sum.reduce<number>(
      (least, dim) => Math.min(least, alignmentOf(dimCoefficient(dim))),
      mostAlignment,
    );
    return atomSum(this.#word(2 * this.#kernel.buffers.length + i, "size", alignment));
  }

  count(nesting: number): Sum {
    const { buffers, uniforms } = this.#kernel;
    return atomSum(this.#word(2 * buffers.length + uniforms.length + nesting, "count"));
  }

  end(): Sum {
    const { buffers, uniforms, steps } = this.#kernel;
    return atomSum(this.#word(2 * buffers.length + uniforms.length + steps.counts.length, "until"));
  }
}

const scratchAddress: Atom = { name: "scratch", depth: 0, alignment: 16 };

/** Where a kernel's own arrays are in its thread's scratch memory. Parts do not run together, so they share it. */
class Scratch {
  readonly #offsets = new Map<KernelArray, number>();
  readonly bytes: number;

  constructor(kernel: KernelCode) {
    let shared = 0;
    for (const array of kernel.shared) {
      this.#offsets.set(array, shared);
      // Neighbours past the last element are read too.
      shared += aligned(array.length * array.slots * bytes) + lanes * bytes;
    }
    let most = shared;
    for (const { body } of kernel.parts) {
      let own = shared;
      for (const statement of statementsIn(body)) {
        if (statement.kind !== "registers") continue;
        this.#offsets.set(statement.array, own);
        own += statement.array.length * lanes * bytes;
      }
      most = Math.max(most, own);
    }
    this.bytes = most;
  }

  place(array: KernelArray): Sum {
    const offset = this.#offsets.get(array);
    if (offset === undefined) throw new InternalError(`${array.name} has no scratch memory`);
    return addSums(atomSum(scratchAddress), constantSum(offset));
  }

  last(array: KernelArray): Sum {
    if (array.space === "global") throw new InternalError("a buffer is not in scratch memory");
    return constantSum(Math.max(0, array.length * array.slots - 1));
  }
}

function aligned(size: number): number {
  return Math.ceil(size / 16) * 16;
}
