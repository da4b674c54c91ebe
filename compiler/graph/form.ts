/**
 * @file The form of a graph that comes from outside: that it is made of the right parts, before anything is asked of
 * them. What the parts must be to each other is `verify`'s matter.
 */
import type { OpAttrs } from "./attrs.ts";
import { canonicalDim, type Dim } from "./dim.ts";
import { isDType, type OpName } from "./graph.ts";

/** What an attribute must be, and how to say so. */
interface Form {
  readonly words: string;
  readonly fits: (value: unknown) => boolean;
}

function form(words: string, fits: (value: unknown) => boolean): Form {
  return { words, fits };
}

function listOf(items: Form): Form {
  return form(`a list, each item ${items.words}`, (value) => Array.isArray(value) && value.every(items.fits));
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const record = form("a record", isRecord);
const text = form("a text", (value) => typeof value === "string");
const number = form("a number", (value) => typeof value === "number");
const truth = form("true or false", (value) => typeof value === "boolean");
const whole = form("a whole number", Number.isInteger);
const count = form("a whole number from 0", (value) => Number.isInteger(value) && Number(value) >= 0);
const dtype = form("a dtype", isDType);
const dim = form("a dimension", (value) => {
  return (typeof value === "number" || typeof value === "string") && canonicalDim(value as Dim) === value;
});
const shape = listOf(dim);
const aval = form(
  "a dtype and a shape",
  (value) => isRecord(value) && dtype.fits(value.dtype) && shape.fits(value.shape),
);

type OpForm<K extends OpName> = {
  /** How many operands; at least one where undefined. */
  readonly operands: number | undefined;
  readonly attrs: { readonly [A in keyof OpAttrs[K]]: Form };
};

function plain(operands: number): { readonly operands: number; readonly attrs: Record<string, never> } {
  return { operands, attrs: {} };
}

const forms: { readonly [K in OpName]: OpForm<K> } = {
  input: { operands: 0, attrs: { name: text, aval } },
  constant: { operands: 0, attrs: { value: number, dtype } },
  iota: { operands: 0, attrs: { dtype, shape, axis: count } },
  dimSize: { operands: 0, attrs: { dim } },
  neg: plain(1),
  exp: plain(1),
  log: plain(1),
  sqrt: plain(1),
  abs: plain(1),
  sin: plain(1),
  cos: plain(1),
  tanh: plain(1),
  sigmoid: plain(1),
  softplus: plain(1),
  floor: plain(1),
  not: plain(1),
  finite: plain(1),
  stopGradient: plain(1),
  cast: { operands: 1, attrs: { dtype } },
  add: plain(2),
  sub: plain(2),
  mul: plain(2),
  div: plain(2),
  min: plain(2),
  max: plain(2),
  less: plain(2),
  equal: plain(2),
  and: plain(2),
  or: plain(2),
  where: plain(3),
  randomBits: plain(4),
  reshape: { operands: 1, attrs: { shape } },
  transpose: { operands: 1, attrs: { permutation: listOf(count) } },
  broadcast: { operands: 1, attrs: { shape, axes: listOf(count) } },
  slice: { operands: 1, attrs: { axis: count, start: whole, size: dim } },
  pad: { operands: 1, attrs: { axis: count, start: whole, size: dim } },
  concat: { operands: undefined, attrs: { axis: count } },
  sum: { operands: 1, attrs: { axes: listOf(count) } },
  reduceMax: { operands: 1, attrs: { axes: listOf(count) } },
  dot: { operands: 2, attrs: { transposeA: truth, transposeB: truth } },
  gather: plain(2),
  scatterAdd: { operands: 2, attrs: { rows: count } },
  scan: { operands: undefined, attrs: { body: record, consts: count, carries: count, length: dim, reverse: truth } },
  result: { operands: 1, attrs: { index: count } },
};

/** A sentence that says what of the form is wrong, or undefined. */
export function formFault(graph: unknown): string | undefined {
  if (!isRecord(graph)) return "a graph must be a record";
  const parts = {
    name: text,
    nodes: listOf(record),
    inputs: listOf(count),
    outputs: listOf(count),
    sites: listOf(site),
  };
  const fault = partsFault(graph, parts);
  if (fault !== undefined) return `its ${fault}`;
  for (const [id, node] of (graph.nodes as readonly Readonly<Record<string, unknown>>[]).entries()) {
    const problem = nodeFault(node);
    if (problem !== undefined) return `node %${id}: ${problem}`;
  }
  return undefined;
}

/** Sites without a place are null in JSON. */
const site = form("a text or nothing", (value) => value === undefined || value === null || typeof value === "string");

function partsFault(
  whole: Readonly<Record<string, unknown>>,
  parts: Readonly<Record<string, Form>>,
): string | undefined {
  const wrong = Object.entries(parts).find(([key, { fits }]) => !fits(whole[key]));
  return wrong === undefined ? undefined : `${wrong[0]} must be ${wrong[1].words}`;
}

function nodeFault(node: Readonly<Record<string, unknown>>): string | undefined {
  const { op } = node;
  if (typeof op !== "string" || !Object.hasOwn(forms, op))
    return `there is no op ${JSON.stringify(op) ?? "without a name"}`;
  const fault = partsFault(node, { operands: listOf(whole), attrs: record, aval });
  if (fault !== undefined) return `the ${fault} (${op})`;
  const { operands, attrs } = forms[op as OpName];
  const given = (node.operands as readonly unknown[]).length;
  if (operands === undefined ? given === 0 : given !== operands) {
    return `${op} takes ${operands ?? "at least 1"} operands, got ${given}`;
  }
  const problem = partsFault(node.attrs as Readonly<Record<string, unknown>>, attrs as Readonly<Record<string, Form>>);
  return problem && `${op}'s ${problem}`;
}
