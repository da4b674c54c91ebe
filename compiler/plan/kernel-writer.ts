/**
 * @file Writes one kernel: blocks of lines, names, bindings and uniforms.
 *
 * Every value and index is bound once, in the outermost block in which it can be computed: a block knows its depth, an
 * expression the depth of the innermost variable that it reads. So what does not change inside a loop stands before it,
 * whether or not the driver's compiler would move it there.
 */
import { type Dim, dimCoefficient, dimFactors } from "../graph/dim.ts";
import { at } from "../graph/errors.ts";
import type { DType } from "../graph/graph.ts";
import { type Index, IndexBuilder, indexText } from "./index-expression.ts";
import type { Binding, BufferSpec, Location, Size, UniformField } from "./program.ts";

/** A value in the shader: its text and the depth at which it is known. */
export interface Bound {
  readonly text: string;
  readonly depth: number;
}

interface Block {
  readonly lines: string[];
  readonly memo: Map<string, string>;
}

export class KernelWriter {
  readonly index: IndexBuilder;
  readonly #buffers: readonly BufferSpec[];
  readonly #bindings = new Map<number, "read" | "read_write">();
  readonly #uniforms = new Map<string, UniformField>();
  readonly #dims = new Map<Dim, string>();
  #blocks: Block[] = [{ lines: [], memo: new Map() }];
  readonly #functions: string[] = [];
  readonly #declarations: string[] = [];
  #names = 0;
  #loops = 0;
  #isChunked = false;
  #workgroupBytes = 0;

  /** Terms that one turn of a product's loop should add, so that accumulators are read and written less often. */
  readonly termsPerTurn: number;

  constructor(
    buffers: readonly BufferSpec[],
    { termsPerTurn = 2 }: { readonly termsPerTurn?: number | undefined } = {},
  ) {
    this.#buffers = buffers;
    this.termsPerTurn = termsPerTurn;
    this.index = new IndexBuilder((dim) => this.#dimText(dim));
  }

  /** Depth of the block being written; the kernel's outermost is 0. */
  get depth(): number {
    return this.#blocks.length - 1;
  }

  get bindings(): Binding[] {
    return [...this.#bindings].sort(([a], [b]) => a - b).map(([buffer, access]) => ({ buffer, access }));
  }

  get uniforms(): UniformField[] {
    return [...this.#uniforms.values()];
  }

  /** How many loops around the kernel it reads the step of. */
  get loops(): number {
    return this.#loops;
  }

  /** Whether it runs a chunk of the innermost of these loops itself. */
  get isChunked(): boolean {
    return this.#isChunked;
  }

  get workgroupBytes(): number {
    return this.#workgroupBytes;
  }

  get declarations(): readonly string[] {
    return this.#declarations;
  }

  /** Functions that the body calls. */
  get functions(): readonly string[] {
    return this.#functions;
  }

  /** Writes a function of its own: names bound inside are not seen outside, and the other way round. */
  function(header: string, body: () => void): void {
    const outside = this.#blocks;
    this.#blocks = [{ lines: [], memo: new Map() }];
    body();
    this.#functions.push([`${header} {`, ...this.body.map((line) => `  ${line}`), "}"].join("\n"));
    this.#blocks = outside;
  }

  get body(): readonly string[] {
    return at(this.#blocks, 0).lines;
  }

  fresh(prefix: string): string {
    this.#names += 1;
    return `${prefix}${this.#names}`;
  }

  line(text: string): void {
    at(this.#blocks, this.depth).lines.push(text);
  }

  /** Writes `header {`, what `body` writes, and `}`. Bindings that do not depend on the block go before it. */
  block(header: string, body: () => void): void {
    this.#blocks.push({ lines: [], memo: new Map() });
    body();
    const inner = this.#blocks.pop();
    this.line(`${header} {`);
    for (const text of inner?.lines ?? []) this.line(`  ${text}`);
    this.line("}");
  }

  /** Binds an expression to a name, once for each key, at the depth where it is known. */
  bind(key: string, type: string, text: string, depth: number): Bound {
    const block = at(this.#blocks, Math.min(depth, this.depth));
    const known = block.memo.get(key);
    if (known !== undefined) return { text: known, depth };
    const name = this.fresh(type === "u32" ? "n" : "v");
    block.lines.push(`let ${name}: ${type} = ${text};`);
    block.memo.set(key, name);
    return { text: name, depth };
  }

  /** What was bound under a key in this block or one around it. */
  known(key: string): Bound | undefined {
    for (const [depth, { memo }] of this.#blocks.entries()) {
      const name = memo.get(key);
      if (name !== undefined) return { text: name, depth };
    }
    return undefined;
  }

  /** Lets a name stand for a key from here on, in the block being written. */
  remember(key: string, name: string): void {
    at(this.#blocks, this.depth).memo.set(key, name);
  }

  /** The text of an index, each part bound where it is known. */
  indexText(index: Index): string {
    const { form } = index;
    if (form.kind === "leaf" || form.kind === "size") return index.text;
    if (form.kind === "add") return this.#sumText(index);
    const text = indexText(form.kind, this.indexText(form.a), this.indexText(form.b));
    return this.bind(`index ${index.text}`, "u32", text, index.depth).text;
  }

  /** A sum, what changes least added first: in a loop one addition remains. */
  #sumText(index: Index): string {
    const terms = termsOf(index).sort((a, b) => a.depth - b.depth);
    const [first, ...rest] = terms;
    if (first === undefined) return index.text;
    let total = { text: this.indexText(first), depth: first.depth };
    for (const term of rest) {
      const text = indexText("add", total.text, this.indexText(term));
      total = this.bind(`index ${text}`, "u32", text, Math.max(total.depth, term.depth));
    }
    return total.text;
  }

  uniform(value: Size): string {
    const key = value.join(" + ");
    const known = this.#uniforms.get(key);
    if (known !== undefined) return `sizes.${known.name}`;
    const name = `at${this.#uniforms.size}`;
    this.#uniforms.set(key, { name, value });
    return `sizes.${name}`;
  }

  /** How many steps the loop at `nesting` (0 is the outermost) has done before this one. */
  stepCount(nesting: number): string {
    this.#loops = Math.max(this.#loops, nesting + 1);
    return `step.count${nesting}`;
  }

  /** The steps of the outermost loop that the kernel runs itself: from `first` on, to before `end`. */
  chunk(): { readonly first: string; readonly end: string } {
    this.#isChunked = true;
    return { first: this.stepCount(0), end: "step.end" };
  }

  workgroupArray(element: string, length: number): string {
    const name = this.fresh("shared");
    // No array may be empty; that of a state of no elements is never read.
    const count = Math.max(1, length);
    this.#declarations.push(`var<workgroup> ${name}: array<${element}, ${count}>;`);
    this.#workgroupBytes += (element.startsWith("vec4") ? 16 : 4) * count;
    return name;
  }

  load(location: Location, index: Index, dtype: DType): Bound {
    const spec = at(this.#buffers, location.buffer);
    const raw = `${this.#buffer(location.buffer, "read")}[${this.indexText(this.#address(location, index))}]`;
    const text = fromStorage(raw, spec.element, dtype);
    return this.bind(`load ${location.buffer} ${location.offset.join("+")} ${index.text}`, dtype, text, index.depth);
  }

  store(location: Location, index: Index, dtype: DType, value: string, how: "=" | "+=" = "="): void {
    const spec = at(this.#buffers, location.buffer);
    const name = this.#buffer(location.buffer, "read_write");
    this.line(
      `${name}[${this.indexText(this.#address(location, index))}] ${how} ${toStorage(value, spec.element, dtype)};`,
    );
  }

  #address(location: Location, index: Index): Index {
    if (location.offset.every((dim) => dim === 0)) return index;
    const offset = location.offset.every((dim) => typeof dim === "number")
      ? this.index.dim(location.offset.reduce<number>((sum, dim) => sum + Number(dim), 0))
      : this.index.variable(this.uniform(location.offset), 0);
    return this.index.add(index, offset);
  }

  #buffer(buffer: number, access: "read" | "read_write"): string {
    if (access === "read_write" || !this.#bindings.has(buffer)) this.#bindings.set(buffer, access);
    return at(this.#buffers, buffer).name;
  }

  #dimText(dim: Dim): string {
    const known = this.#dims.get(dim);
    if (known !== undefined) return known;
    const factors = dimFactors(dim).map((symbol) => this.uniform([symbol]));
    const coefficient = dimCoefficient(dim);
    const text = [...(coefficient === 1 ? [] : [`${coefficient}u`]), ...factors].join(" * ");
    const whole = factors.length + (coefficient === 1 ? 0 : 1) > 1 ? `(${text})` : text;
    this.#dims.set(dim, whole);
    return whole;
  }
}

function termsOf(index: Index): Index[] {
  return index.form.kind === "add" ? [...termsOf(index.form.a), ...termsOf(index.form.b)] : [index];
}

function fromStorage(raw: string, element: BufferSpec["element"], dtype: DType): string {
  if (dtype === "bool") return `(${raw} != 0)`;
  return element === dtype ? raw : `bitcast<${dtype}>(${raw})`;
}

function toStorage(value: string, element: BufferSpec["element"], dtype: DType): string {
  if (dtype === "bool") return `select(0u, 1u, ${value})`;
  return element === dtype ? value : `bitcast<${element}>(${value})`;
}
