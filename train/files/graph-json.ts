/**
 * @file Graphs as versioned JSON, for model files. A graph is plain data already; this file adds validation. Every field is
 * checked against a schema before `verify` checks its meaning, so a malicious or damaged file ends in a one-line error and
 * not in a crash elsewhere.
 */
import { canonicalDim, type Dim, dimCoefficient, type Shape, sizeOf, symbolsOf } from "../../compiler/graph/dim.ts";
import { UserError } from "../../compiler/graph/errors.ts";
import { countOf } from "../../compiler/graph/form.ts";
import type { Aval, DType, Graph, Node, Site } from "../../compiler/graph/graph.ts";
import { type AttrKind, type AttrTypes, isOpName, type OpForm, opSchema } from "../../compiler/graph/op-schema.ts";
import { verify } from "../../compiler/ops/verify.ts";
import { repeatedKey } from "./repeated-key.ts";

/** Increased whenever a graph of an older version would be read wrongly. */
export const graphVersion = 1;

/** Maximum nesting depth of scans. */
const deepest = 8;
/** Maximum number of elements of one value at batch 1: more would only exhaust memory. */
const largest = 2 ** 28;

/** Maximum number of nodes of one graph, without the bodies of its scans: compiling more is not practical. */
const mostNodes = 20_000;

/** A graph as JSON, without source lines: they would reveal paths on the author's disk. */
export function encodeGraph(graph: Graph): string {
  return textWithGraphs({ version: graphVersion, graph }, { sites: false });
}

/** A document that contains graphs, as JSON that `graphFrom` reads; with or without the source lines of nodes. */
export function textWithGraphs(document: object, { sites }: { readonly sites: boolean }): string {
  return JSON.stringify(document, (key, value: unknown) => {
    if (key === "sites" && !sites) return undefined;
    // JSON cannot represent these numbers.
    return typeof value === "number" && (!Number.isFinite(value) || Object.is(value, -0))
      ? { number: Object.is(value, -0) ? "-0" : String(value) }
      : value;
  });
}

/**
 * Reads and verifies a graph written by `encodeGraph`. `symbols` are the allowed symbolic dimensions. Throws a UserError of
 * one line if it is invalid.
 */
export function decodeGraph(text: string, symbols: readonly string[]): Graph {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new UserError("the graph is not JSON");
  }
  const twice = repeatedKey(text);
  if (twice !== undefined) throw new UserError(`the graph names ${JSON.stringify(twice.slice(0, 60))} twice`);
  const { version, graph } = asRecord(value, "the graph");
  if (version !== graphVersion) {
    const found = typeof version === "number" ? `version ${version}` : "no version";
    throw new UserError(`the graph has ${found}; this release reads version ${graphVersion}`);
  }
  return graphFrom(graph, symbols);
}

/** Reads and verifies a graph in a document from JSON.parse; throws a UserError of one line if it is invalid. */
export function graphFrom(value: unknown, symbols: readonly string[]): Graph {
  return verify(new Decoder(new Set(symbols)).graph(value, "graph", 0));
}

type Check<T> = (decoder: Decoder, value: unknown, where: string, depth: number) => T;

const text: Check<string> = (_, value, where) =>
  typeof value === "string" && value.length <= 200 ? value : wrong(where, "a short text");
const sourceLine: Check<Site> = (_, value, where) =>
  typeof value === "string" && value.length <= 1000 && !/\p{Cc}/u.test(value)
    ? value
    : wrong(where, "a line of a file");
const flag: Check<boolean> = (_, value, where) => (typeof value === "boolean" ? value : wrong(where, "true or false"));
const mark: Check<true | undefined> = (_, value, where) =>
  value === true || value === undefined ? value : wrong(where, "true or absent");
const integer: Check<number> = (_, value, where) =>
  Number.isSafeInteger(value) ? (value as number) : wrong(where, "a whole number");
const count: Check<number> = (decoder, value, where, depth) => {
  const number = integer(decoder, value, where, depth);
  return number >= 0 ? number : wrong(where, "0 or more");
};
const counts: Check<number[]> = (decoder, value, where, depth) =>
  asList(value, where).map((item, i) => count(decoder, item, `${where}[${i}]`, depth));
const dtype: Check<DType> = (_, value, where) =>
  value === "f32" || value === "i32" || value === "u32" || value === "bool" ? value : wrong(where, "a dtype");
const dim: Check<Dim> = (decoder, value, where) => decoder.dim(value, where);
const shape: Check<Shape> = (decoder, value, where) => decoder.shape(value, where);
const real: Check<number> = (_, value, where) => {
  if (typeof value === "number") return value;
  const { number } = asRecord(value, where);
  return number === "NaN" || number === "Infinity" || number === "-Infinity" || number === "-0"
    ? Number(number)
    : wrong(where, "a number");
};

/** One check for each kind of attribute. */
const checkOf: { readonly [K in AttrKind]: Check<AttrTypes<Graph>[K]> } = {
  text,
  number: real,
  integer,
  count,
  counts,
  flag,
  mark,
  dtype,
  dim,
  shape,
  aval: (decoder, value, where) => decoder.aval(value, where),
  graph: (decoder, value, where, depth) => decoder.graph(value, where, depth + 1),
};

class Decoder {
  readonly #symbols: ReadonlySet<string>;

  constructor(symbols: ReadonlySet<string>) {
    this.#symbols = symbols;
  }

  graph(value: unknown, where: string, depth: number): Graph {
    if (depth > deepest) wrong(where, `scans nested at most ${deepest} deep`);
    const record = asRecord(value, where);
    const list = asList(record.nodes, `${where}.nodes`);
    if (list.length > mostNodes) wrong(`${where}.nodes`, `at most ${mostNodes} nodes`);
    const nodes = list.map((node, i) => this.node(node, `${where}.nodes[${i}]`, depth));
    const ids = (key: "inputs" | "outputs") => counts(this, record[key], `${where}.${key}`, depth);
    const name = text(this, record.name, `${where}.name`, depth);
    return Object.freeze({
      name,
      nodes: Object.freeze(nodes),
      inputs: Object.freeze(ids("inputs")),
      outputs: Object.freeze(ids("outputs")),
      sites: Object.freeze(this.sites(record.sites, `${where}.sites`, nodes.length)),
    });
  }

  /** Model files have no sites. In JSON a node without a line has null. */
  sites(value: unknown, where: string, length: number): (Site | undefined)[] {
    if (value === undefined) return new Array<undefined>(length).fill(undefined);
    const list = asList(value, where);
    if (list.length !== length) wrong(where, "one for each node");
    return list.map((item, i) => (item === null ? undefined : sourceLine(this, item, `${where}[${i}]`, 0)));
  }

  node(value: unknown, where: string, depth: number): Node {
    const { op, operands, attrs, aval } = asRecord(value, where);
    if (!isOpName(op)) return wrong(`${where}.op`, "an op of this release");
    const form: OpForm = opSchema[op];
    const ids = counts(this, operands, `${where}.operands`, depth);
    const given = asRecord(attrs, `${where}.attrs`);
    const stranger = Object.keys(given).find((key) => !Object.hasOwn(form.attrs, key));
    if (stranger !== undefined) wrong(`${where}.attrs`, `only the attributes of ${op}`);
    const checked = Object.entries(form.attrs).flatMap(([key, kind]) => {
      const value = checkOf[kind](this, given[key], `${where}.${key}`, depth);
      return value === undefined ? [] : [[key, value] as const];
    });
    if (ids.length < form.operands.least || ids.length > form.operands.most)
      wrong(`${where}.operands`, `${countOf(form.operands)} operands of ${op}`);
    const node = {
      op,
      operands: Object.freeze(ids),
      attrs: Object.freeze(Object.fromEntries(checked)),
      aval: this.aval(aval, `${where}.aval`),
    } as Node;
    if (node.op === "scan" && node.attrs.consts + node.attrs.carries > node.attrs.body.inputs.length)
      wrong(where, "at least as many inputs of its body as consts and carries");
    return Object.freeze(node);
  }

  aval(value: unknown, where: string): Aval {
    const record = asRecord(value, where);
    return { dtype: dtype(this, record.dtype, `${where}.dtype`, 0), shape: this.shape(record.shape, `${where}.shape`) };
  }

  shape(value: unknown, where: string): Shape {
    const dims = asList(value, where).map((item, i) => this.dim(item, `${where}[${i}]`));
    if (dimCoefficient(sizeOf(dims)) > largest) wrong(where, `at most ${largest} elements`);
    return dims;
  }

  dim(value: unknown, where: string): Dim {
    const isDim = typeof value === "number" || (typeof value === "string" && value.length <= 100);
    if (!isDim || canonicalDim(value) !== value || dimCoefficient(value) > largest) return wrong(where, "a dimension");
    const stranger = symbolsOf(value).find((symbol) => !this.#symbols.has(symbol));
    return stranger === undefined ? value : wrong(where, `only the symbols ${[...this.#symbols].join(", ")}`);
  }
}

function wrong(where: string, expected: string): never {
  throw new UserError(`${where}: expected ${expected}`);
}

function asRecord(value: unknown, where: string): Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return wrong(where, "an object");
  return value as Readonly<Record<string, unknown>>;
}

function asList(value: unknown, where: string): readonly unknown[] {
  return Array.isArray(value) ? value : wrong(where, "a list");
}
