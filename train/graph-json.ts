/**
 * @file Graphs as versioned JSON, for model files. A graph is plain data already; what this file adds is distrust. Every
 * field of what was read is checked against a schema before `verify` checks what it means, so a file that was made up
 * ends in one line and not in a crash somewhere else.
 */
import type { OpAttrs } from "../compiler/graph/attrs.ts";
import { canonicalDim, type Dim, dimCoefficient, type Shape, sizeOf, symbolsOf } from "../compiler/graph/dim.ts";
import { UserError } from "../compiler/graph/errors.ts";
import type { Aval, DType, Graph, Node, OpName, Site } from "../compiler/graph/graph.ts";
import { verify } from "../compiler/ops/verify.ts";
import { repeatedKey } from "./repeated-key.ts";

/** Raised whenever a graph of an older version would be read wrongly. */
export const graphVersion = 1;

/** Scans may be nested, but nobody nests them deeper. */
const deepest = 8;
/** Elements of one value at batch 1: a graph that wants more would only exhaust memory. */
const largest = 2 ** 28;

/** Nodes of one graph, bodies of its scans not counted: above it no tool here is of use. */
const mostNodes = 20_000;

/** Source lines are left out: they tell of somebody's disk. */
export function encodeGraph(graph: Graph): string {
  return textWithGraphs({ version: graphVersion, graph }, { sites: false });
}

/** A document that holds graphs, as JSON that `graphFrom` reads; with or without the lines their nodes come from. */
export function textWithGraphs(document: object, { sites }: { readonly sites: boolean }): string {
  return JSON.stringify(document, (key, value: unknown) => {
    if (key === "sites" && !sites) return undefined;
    // JSON has no word for these numbers.
    return typeof value === "number" && (!Number.isFinite(value) || Object.is(value, -0))
      ? { number: Object.is(value, -0) ? "-0" : String(value) }
      : value;
  });
}

/**
 * The graph in a text made by `encodeGraph`, verified. `symbols` are the dimensions that may be symbolic. Throws a
 * UserError of one line otherwise.
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

/** The graph in a part of a document that JSON.parse gave, verified; a UserError of one line otherwise. */
export function graphFrom(value: unknown, symbols: readonly string[]): Graph {
  return verify(new Decoder(new Set(symbols)).graph(value, "graph", 0));
}

type Check<T> = (decoder: Decoder, value: unknown, where: string, depth: number) => T;
type Schema = { readonly [K in OpName]: { readonly [A in keyof OpAttrs[K]]-?: Check<OpAttrs[K][A]> } };

const text: Check<string> = (_, value, where) =>
  typeof value === "string" && value.length <= 200 ? value : wrong(where, "a short text");
const sourceLine: Check<Site> = (_, value, where) =>
  typeof value === "string" && value.length <= 1000 && !/\p{Cc}/u.test(value)
    ? value
    : wrong(where, "a line of a file");
const flag: Check<boolean> = (_, value, where) => (typeof value === "boolean" ? value : wrong(where, "true or false"));
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

/** What the attributes of each op are; the mapped type makes the checker name one that is missing. */
const schema: Schema = {
  input: {
    name: text,
    aval: (decoder, value, where) => decoder.aval(value, where),
  },
  constant: { value: real, dtype },
  iota: { dtype, shape, axis: count },
  dimSize: { dim },
  neg: {},
  exp: {},
  log: {},
  sqrt: {},
  abs: {},
  sin: {},
  cos: {},
  tanh: {},
  sigmoid: {},
  softplus: {},
  floor: {},
  not: {},
  finite: {},
  stopGradient: {},
  cast: { dtype },
  add: {},
  sub: {},
  mul: {},
  div: {},
  min: {},
  max: {},
  less: {},
  equal: {},
  and: {},
  or: {},
  where: {},
  randomBits: {},
  reshape: { shape },
  transpose: { permutation: counts },
  broadcast: { shape, axes: counts },
  slice: { axis: count, start: integer, size: dim },
  pad: { axis: count, start: integer, size: dim },
  concat: { axis: count },
  sum: { axes: counts },
  reduceMax: { axes: counts },
  dot: { transposeA: flag, transposeB: flag },
  gather: {},
  scatterAdd: { rows: count },
  scan: {
    body: (decoder, value, where, depth) => decoder.graph(value, where, depth + 1),
    consts: count,
    carries: count,
    length: dim,
    reverse: flag,
  },
  result: { index: count },
};

/** How many operands an op takes, where it is not one; concat and scan take any number. */
const arity: Readonly<Partial<Record<OpName, number>>> = {
  ...{ input: 0, constant: 0, iota: 0, dimSize: 0 },
  ...{
    add: 2,
    sub: 2,
    mul: 2,
    div: 2,
    min: 2,
    max: 2,
    less: 2,
    equal: 2,
    and: 2,
    or: 2,
    dot: 2,
    gather: 2,
    scatterAdd: 2,
  },
  ...{ where: 3, randomBits: 4 },
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

  /** Files of models have none. JSON writes null for a node without a line. */
  sites(value: unknown, where: string, length: number): (Site | undefined)[] {
    if (value === undefined) return new Array<undefined>(length).fill(undefined);
    const list = asList(value, where);
    if (list.length !== length) wrong(where, "one for each node");
    return list.map((item, i) => (item === null ? undefined : sourceLine(this, item, `${where}[${i}]`, 0)));
  }

  node(value: unknown, where: string, depth: number): Node {
    const { op, operands, attrs, aval } = asRecord(value, where);
    if (typeof op !== "string" || !Object.hasOwn(schema, op)) return wrong(`${where}.op`, "an op of this release");
    const known = op as OpName;
    const ids = counts(this, operands, `${where}.operands`, depth);
    const wanted = known === "concat" ? Math.max(1, ids.length) : known === "scan" ? ids.length : (arity[known] ?? 1);
    if (ids.length !== wanted) wrong(`${where}.operands`, `${wanted} operands of ${op}`);
    const given = asRecord(attrs, `${where}.attrs`);
    const checks = Object.entries(schema[known]) as [string, Check<unknown>][];
    const stranger = Object.keys(given).find((key) => !Object.hasOwn(schema[known], key));
    if (stranger !== undefined) wrong(`${where}.attrs`, `none but the attributes of ${op}`);
    const checked = checks.map(([key, check]) => [key, check(this, given[key], `${where}.${key}`, depth)] as const);
    const node = {
      op: known,
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
    return stranger === undefined ? value : wrong(where, `no symbols but ${[...this.#symbols].join(", ")}`);
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
