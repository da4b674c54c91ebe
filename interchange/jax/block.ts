/**
 * @file Writes the nodes of a graph as the statements of one Python function. A value that is read once is written where it
 * is read; one that is read several times, has a name in the user's source, or would make a line too long, has a statement.
 */
import { type Dim, type Shape, symbolsOf } from "../../compiler/graph/dim.ts";
import { at, InternalError, UserError } from "../../compiler/graph/errors.ts";
import { type OpNode, opNodeAt } from "../../compiler/graph/fold.ts";
import { type Aval, ancestorsOf, type Graph, type Node, type NodeId, nodeAt } from "../../compiler/graph/graph.ts";
import { evaluateNode } from "../../compiler/ops/interpret.ts";
import type { ModuleWriter } from "./module.ts";
import type { Names } from "./names.ts";
import { type Code, code, lineWidth, readsName, statement } from "./python.ts";
import { ruleOf } from "./rules.ts";
import { sourceNames } from "./source-names.ts";
import { numberText, type Value, type Writer } from "./values.ts";

/** Longer expressions get a name of their own, wherever they are read. */
const longestInline = 120;

/** Where the sizes of symbols and the dtype of floats are known from, as Python expressions. */
export interface Known {
  /** Arrays with a shape, in the order of preference. */
  readonly shapes: readonly { readonly text: string; readonly shape: Shape }[];
  /** An array of floats. */
  readonly float: string | undefined;
}

/** A Python function: its statements, and the names of sizes and of the dtype that they use. */
export class FunctionWriter implements Writer {
  readonly module: ModuleWriter;
  readonly names: Names;
  readonly indent: number;
  readonly lines: string[] = [];
  readonly #outer: FunctionWriter | undefined;
  readonly #unpacked: { readonly names: readonly string[]; readonly whole: string }[] = [];
  readonly #locals: { readonly name: string; readonly text: string }[] = [];
  #known: Known = { shapes: [], float: undefined };
  readonly #symbols = new Set<string>();
  #usesDType = false;
  #lastComment = "";

  constructor(module: ModuleWriter, names: Names, indent: number, outer?: FunctionWriter) {
    this.module = module;
    this.names = names;
    this.indent = indent;
    this.#outer = outer;
  }

  /** Where sizes and the dtype are known from; a function within another one knows what that one knows. */
  know(known: Known): void {
    this.#known = known;
  }

  /** A first statement, if something reads its name. */
  local(name: string, text: string): void {
    this.#locals.push({ name, text });
  }

  /** A first statement, which takes a tuple apart. */
  unpack(names: readonly string[], whole: string): void {
    this.#unpacked.push({ names, whole });
  }

  dim = (dim: Dim): string => {
    for (const symbol of symbolsOf(dim)) this.#needSymbol(symbol);
    return typeof dim === "number" ? String(dim) : dim.replaceAll("*", " * ");
  };

  dtype = (dtype: Aval["dtype"]): string => {
    if (dtype !== "f32") return dtype === "bool" ? "bool" : dtype === "i32" ? "jnp.int32" : "jnp.uint32";
    const owner = this.#owner();
    owner.#usesDType = true;
    return owner.#known.float === undefined ? "float" : "dtype";
  };

  /** The function that this one is written in, or itself. */
  #owner(): FunctionWriter {
    return this.#outer === undefined ? this : this.#outer.#owner();
  }

  #needSymbol(symbol: string): void {
    const owner = this.#owner();
    if (!owner.#known.shapes.some(({ shape }) => shape.includes(symbol)))
      throw new UserError(`no input has an axis of size ${symbol}, which the printed function needs; add one that has`);
    owner.#symbols.add(symbol);
  }

  assign(targets: string, value: Code): void {
    this.lines.push(...statement(`${targets} = `, value, this.indent));
  }

  comment(text: string | undefined): void {
    if (text === undefined || text === this.#lastComment) return;
    this.#lastComment = text;
    const line = `${" ".repeat(this.indent)}# ${text}`;
    this.lines.push(line.length > lineWidth ? `${line.slice(0, lineWidth - 1)}…` : line);
  }

  /** A function within this one, between blank lines. */
  nested(lines: readonly string[]): void {
    if (this.lines.length > 0 && this.lines.at(-1) !== "") this.lines.push("");
    this.lines.push(...lines, "");
  }

  /** The statements, after those that take arguments apart and find sizes and the dtype, below a docstring or not. */
  body(isBelowDocstring = false): string[] {
    const margin = " ".repeat(this.indent);
    const lines = [...this.lines];
    while (lines.at(-1) === "") lines.pop();
    const reads = (name: string) => readsName(lines, name);
    const header: string[] = [];
    const open = new Set([...this.#symbols].filter(reads));
    for (const { text, shape } of this.#known.shapes) {
      const found = shape.filter((dim): dim is string => typeof dim === "string" && open.has(dim));
      if (found.length === 0) continue;
      for (const symbol of found) open.delete(symbol);
      const isStart = found.every((symbol, i) => shape[i] === symbol);
      const all = shape.length === found.length ? "" : `[:${found.length}]`;
      if (isStart && found.length > 1) header.push(`${margin}${found.join(", ")} = ${text}.shape${all}`);
      else for (const symbol of found) header.push(`${margin}${symbol} = ${text}.shape[${shape.indexOf(symbol)}]`);
    }
    if (this.#usesDType && this.#known.float !== undefined && reads("dtype"))
      header.push(`${margin}dtype = ${this.#known.float}.dtype`);
    const read = [...header, ...lines];
    const unpacked = this.#unpacked.flatMap(({ names, whole }) =>
      statement(`${names.map((name) => (readsName(read, name) ? name : "_")).join(", ")} = `, code(whole), this.indent),
    );
    const whole = [...header, ...lines];
    const locals = this.#locals.filter(({ name }) => readsName(whole, name));
    const first = [
      ...unpacked,
      ...locals.flatMap(({ name, text }) => statement(`${name} = `, code(text), this.indent)),
      ...header,
    ];
    const startsNested = /^ *(?:def |@)/.test(lines[0] ?? "");
    return [...first, ...(startsNested && (isBelowDocstring || first.length > 0) ? [""] : []), ...lines];
  }
}

/** Ops that change only the shape: most are not written, so the value under them is what is read. */
const isTransparent = ({ op }: Node) => op === "reshape" || op === "broadcast";

type Structured<K extends Node["op"]> = (
  block: Block,
  node: Extract<Node, { readonly op: K }>,
  id: NodeId,
) => readonly (Value | undefined)[];

/** How nodes that contain graphs are written. */
export interface Structures {
  /** The results of a loop; undefined for those that nothing reads. */
  readonly loop: Structured<"scan">;
  /** All results of the function. */
  readonly customGradient: Structured<"customGradient">;
}

export interface BlockOptions {
  readonly writer: FunctionWriter;
  readonly structures: Structures;
  readonly graph: Graph;
  /** The values of the inputs. */
  readonly bound: ReadonlyMap<NodeId, Value>;
  /** Names for some nodes, such as outputs. */
  readonly wanted?: ReadonlyMap<NodeId, string>;
  /** The nodes to write; the graph's outputs by default. */
  readonly outputs?: readonly NodeId[];
}

export class Block {
  readonly writer: FunctionWriter;
  readonly structures: Structures;
  readonly graph: Graph;
  readonly needed: ReadonlySet<NodeId>;
  readonly #values = new Map<NodeId, Value>();
  readonly #results = new Map<NodeId, readonly (Value | undefined)[]>();
  readonly #uses: readonly number[];
  readonly #wanted: ReadonlyMap<NodeId, string>;
  readonly #comments: ReadonlyMap<NodeId, string>;
  readonly #fromSource: ReadonlyMap<NodeId, string>;
  /** Whether a part of an expression has been named since the expression was written. */
  #stale = false;

  constructor({ writer, structures, graph, bound, wanted = new Map(), outputs = graph.outputs }: BlockOptions) {
    this.writer = writer;
    this.structures = structures;
    this.graph = graph;
    this.needed = ancestorsOf(graph, outputs);
    const { names, comments } = sourceNames(graph, this.needed, writer.module.options.source);
    this.#wanted = wanted;
    this.#fromSource = names;
    this.#comments = comments;
    this.#uses = usesOf(graph, this.needed, outputs);
    for (const [id, value] of bound) this.#values.set(id, value);
  }

  /** Writes all statements; `value` then has the outputs. */
  write(): void {
    for (const [id, node] of this.graph.nodes.entries()) {
      if (!this.needed.has(id) || this.#values.has(id)) continue;
      if (node.op === "input") throw new InternalError(`input ${node.attrs.name} of ${this.graph.name} has no value`);
      if (node.op === "scan") this.#results.set(id, this.structures.loop(this, node, id));
      else if (node.op === "result") {
        const result = at(this.#results.get(at(node.operands, 0)) ?? [], node.attrs.index);
        if (result === undefined) throw new InternalError("a result of a loop has no value");
        this.#values.set(id, result);
      } else if (node.op === "customGradient") {
        const key = this.graph.nodes.findIndex((other) => isSameCall(node, other));
        const results = this.#results.get(key) ?? this.structures.customGradient(this, node, id);
        this.#results.set(key, results);
        this.#values.set(id, at(results, node.attrs.index) as Value);
      } else this.#node(id);
    }
  }

  value(id: NodeId): Value {
    const value = this.#values.get(id);
    if (value === undefined) throw new InternalError(`node %${id} of ${this.graph.name} has no value`);
    return value;
  }

  /** Gives a value a statement and a name. */
  bind(id: NodeId, wanted?: string): Value {
    const before = this.value(id);
    if (before.simple === true) return before;
    const name = this.writer.names.fresh(wanted ?? this.#nameOf(id));
    const start = this.writer.indent + name.length + 3;
    const value = this.#shortened(id, lineWidth - start);
    const form = at(value.forms, 0);
    this.writer.comment(this.#comments.get(id));
    this.writer.assign(name, form.code);
    const bound = named(value.aval, name, form.shape);
    this.#values.set(id, bound);
    return bound;
  }

  comment(id: NodeId): void {
    this.writer.comment(this.#comments.get(id));
  }

  #node(id: NodeId): void {
    const value = this.#written(id);
    this.#values.set(id, value);
    if (value.simple === true) return;
    const node = nodeAt(this.graph, id);
    if (this.#fromSource.has(id) || this.#isGate(id)) this.bind(id);
    else if ((this.#uses[id] ?? 0) > 1 && !isTransparent(node)) this.bind(id);
    else if (at(value.forms, 0).code.text.length > longestInline) this.bind(id);
  }

  /** Where the source is not known, a gate has the name of its weights. */
  #isGate(id: NodeId): boolean {
    const { op } = nodeAt(this.graph, id);
    const isBounded = op === "sigmoid" || op === "tanh";
    return isBounded && !this.#comments.has(id) && this.#scopeOf(id) !== undefined;
  }

  #scopeOf(id: NodeId): string | undefined {
    return scopeOf(this.graph, id, (of) => this.#values.get(of));
  }

  /** The value with parts of it named until its text is at most `width` long, as far as that is possible. */
  #shortened(id: NodeId, width: number): Value {
    for (;;) {
      const value = this.#written(id);
      this.#stale = false;
      const { length } = at(value.forms, 0).code.text;
      if (length <= width) return value;
      const part = this.#partToName(id, length - width);
      if (part === undefined) return value;
      this.bind(part);
      this.#stale = true;
    }
  }

  /** The part of an expression to name when it is `excess` too long: a map with weights, or else the longest that fits a line. */
  #partToName(id: NodeId, excess: number): NodeId | undefined {
    const room = lineWidth - this.writer.indent;
    const parts = [...this.#partsOf(id)].map((part) => {
      const { length } = at(this.value(part).forms, 0).code.text;
      const name = this.#nameOf(part).length + 1;
      const isMap = this.#scopeOf(part) !== undefined;
      const isLine = length + name + 3 <= room;
      return { part, length, rank: Number(isLine) * 4 + Number(isLine && length - name >= excess) * 2 + Number(isMap) };
    });
    return parts.sort((a, b) => b.rank - a.rank || b.length - a.length)[0]?.part;
  }

  /** The values that are written within the expression of a node. */
  #partsOf(id: NodeId, found = new Set<NodeId>()): Set<NodeId> {
    const node = nodeAt(this.graph, id);
    for (const operand of node.operands) {
      const value = this.#values.get(operand);
      if (value === undefined || value.simple === true || found.has(operand)) continue;
      const { op } = nodeAt(this.graph, operand);
      if (op !== "reshape" && op !== "broadcast" && op !== "neg") found.add(operand);
      this.#partsOf(operand, found);
    }
    return found;
  }

  #written(id: NodeId): Value {
    const node = nodeAt(this.graph, id);
    if (node.op === "customGradient" || node.op === "result" || node.op === "input" || node.op === "scan")
      return this.value(id);
    const operands = node.operands.map((operand) => this.#current(operand));
    return this.#folded(opNodeAt(this.graph, id), operands) ?? this.#ruled(node as OpNode, operands);
  }

  /** The value as it is written now, since parts of it may have been named. */
  #current(id: NodeId): Value {
    const value = this.value(id);
    if (value.simple === true || !this.#stale) return value;
    const written = this.#written(id);
    this.#values.set(id, written);
    return written;
  }

  #ruled(node: OpNode, operands: readonly Value[]): Value {
    return ruleOf(node.op)({
      writer: this.writer,
      operands,
      attrs: node.attrs as never,
      aval: node.aval,
      helper: (name) => this.writer.module.helper(name),
    });
  }

  /** An elementwise op of numbers is a number. */
  #folded(node: OpNode, operands: readonly Value[]): Value | undefined {
    if (operands.length === 0 || !foldable.has(node.op)) return undefined;
    if (operands.some(({ known }) => known === undefined)) return undefined;
    const scalars = operands.map(({ known = 0, aval: { dtype } }) => ({
      dtype,
      shape: [],
      data: Float64Array.of(known),
    }));
    const scalar = { ...node, aval: { dtype: node.aval.dtype, shape: [] } } as OpNode;
    const known = Number(evaluateNode(scalar, scalars, {}).data[0]);
    const { dtype } = node.aval;
    const forms = [{ shape: [], code: code(numberText(known, dtype)) }];
    return { aval: node.aval, forms, known, weak: true, simple: true };
  }

  #nameOf(id: NodeId): string {
    return this.#wanted.get(id) ?? this.#fromSource.get(id) ?? ownName(this.graph, id, (of) => this.#values.get(of));
  }
}

/** A name with a value of its aval's shape, or of a shape that broadcasts to it. */
export function named(aval: Aval, name: string, shape: Shape = aval.shape): Value {
  return { aval, forms: [{ shape, code: code(name) }], simple: true };
}

const foldable: ReadonlySet<string> = new Set(
  (
    "neg exp expm1 log log1p sqrt abs sin cos tanh sigmoid softplus erf round floor roundToHalf not finite stopGradient cast " +
    "add sub mul div pow min max less equal and or where randomBits"
  ).split(" "),
);

/** Two nodes are results of one call of a function with its own gradient if they differ only in which result they are. */
function isSameCall(node: Node & { readonly op: "customGradient" }, other: Node): boolean {
  return (
    other.op === "customGradient" &&
    other.attrs.vjp === node.attrs.vjp &&
    String(other.operands) === String(node.operands)
  );
}

/** How often each value is read; what reads a change of shape reads the value under it. */
function usesOf(graph: Graph, needed: ReadonlySet<NodeId>, outputs: readonly NodeId[]): number[] {
  const uses = new Array<number>(graph.nodes.length).fill(0);
  for (const id of outputs) uses[id] = (uses[id] ?? 0) + 1;
  for (let id = graph.nodes.length - 1; id >= 0; id--) {
    if (!needed.has(id)) continue;
    const node = nodeAt(graph, id);
    const times = isTransparent(node) ? (uses[id] ?? 0) : 1;
    // A square reads its operand twice, and is written with one.
    const operands = node.op === "mul" ? new Set(node.operands) : node.operands;
    for (const operand of operands) uses[operand] = (uses[operand] ?? 0) + times;
  }
  return uses;
}

const nameOfOp: Readonly<Partial<Record<Node["op"], string>>> = {
  ...{ add: "total", sub: "difference", mul: "product", div: "ratio", dot: "product", neg: "negated" },
  ...{ concat: "joined", sum: "total", reduceMax: "largest", where: "chosen", exp: "weight", gather: "rows" },
  ...{ less: "is_less", equal: "is_equal", and: "both", or: "either", not: "otherwise", finite: "is_finite" },
  ...{ slice: "part", pad: "padded", transpose: "turned", reshape: "reshaped", broadcast: "repeated" },
  ...{ cast: "number", iota: "positions", randomBits: "bits", scatterAdd: "scattered", abs: "size" },
  ...{ sigmoid: "gate", min: "smaller", max: "larger", sqrt: "root", pow: "power", stopGradient: "fixed" },
};

/** A name from what a value is computed from. */
function ownName(graph: Graph, id: NodeId, find: (id: NodeId) => Value | undefined): string {
  const node = nodeAt(graph, id);
  const scope = scopeOf(graph, id, find);
  if (scope !== undefined) return scope;
  if (node.op === "concat") {
    const parts = node.operands.map((operand) => find(operand)?.forms[0]?.code.text ?? "");
    if (parts.length <= 3 && parts.every((part) => /^[a-z]\w{0,9}$/i.test(part))) return parts.join("_");
  }
  return nameOfOp[node.op] ?? node.op;
}

/** The scope of the weights of a gate or of a map, such as `forget`. */
function scopeOf(graph: Graph, id: NodeId, find: (id: NodeId) => Value | undefined, depth = 0): string | undefined {
  if (depth > 5) return undefined;
  const node = nodeAt(graph, id);
  const path = find(id)?.path;
  if (path !== undefined) return /^(kernel|bias|gain|table)$/.test(path.at(-1) ?? "") ? path.at(-2) : undefined;
  if (find(id)?.simple === true) return undefined;
  if (!/^(dot|add|sigmoid|tanh|reshape|broadcast|gather)$/.test(node.op)) return undefined;
  const scopes = node.operands
    .map((operand) => scopeOf(graph, operand, find, depth + 1))
    .filter((scope) => scope !== undefined);
  return new Set(scopes).size === 1 ? scopes[0] : undefined;
}
