/**
 * @file Checks the form of a graph from outside: that each part has the right type. `verify` then checks how the parts
 * fit together.
 */
import { canonicalDim, type Dim } from "./dim.ts";
import { isDType } from "./graph.ts";
import { type AttrKind, isOpName, type OpForm, opSchema } from "./op-schema.ts";

/** What an attribute must be, and the words for it in messages. */
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
const mark = form("true or absent", (value) => value === true || value === undefined);
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

/** The form of each kind of attribute. */
const formOf: Readonly<Record<AttrKind, Form>> = {
  text,
  number,
  integer: whole,
  count,
  counts: listOf(count),
  flag: truth,
  mark,
  dtype,
  dim,
  shape,
  aval,
  graph: record,
};

/** A sentence about what is wrong with the form, or undefined. */
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

/** Missing sites are null in JSON. */
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
  if (!isOpName(op)) return `there is no op ${JSON.stringify(op) ?? "without a name"}`;
  const fault = partsFault(node, { operands: listOf(whole), attrs: record, aval });
  if (fault !== undefined) return `the ${fault} (${op})`;
  const { operands, attrs }: OpForm = opSchema[op];
  const given = (node.operands as readonly unknown[]).length;
  if (given < operands.least || given > operands.most) return `${op} takes ${countOf(operands)} operands, got ${given}`;
  const forms = Object.fromEntries(Object.entries(attrs).map(([name, kind]) => [name, formOf[kind]]));
  const problem = partsFault(node.attrs as Readonly<Record<string, unknown>>, forms);
  return problem && `${op}'s ${problem}`;
}

/** The number of operands, in words for messages. */
export function countOf({ least, most }: OpForm["operands"]): string {
  return least === most ? `${least}` : `at least ${least}`;
}
