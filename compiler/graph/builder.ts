/**
 * @file Builds one graph, node by node. Equal nodes (same op, operands and attributes) are interned (hash-consed), so
 * no pass has to look for common subexpressions.
 */

import { at, InternalError } from "./errors.ts";
import type { Aval, Graph, Node, NodeId, OpAttrs, OpName, Site } from "./graph.ts";

export class GraphBuilder {
  readonly name: string;
  readonly #nodes: Node[] = [];
  readonly #sites: (Site | undefined)[] = [];
  readonly #interned = new Map<string, NodeId>();
  #inputs = 0;

  constructor(name: string) {
    this.name = name;
  }

  /** Adds an input. Inputs with the same name are different values; a suffix tells them apart. */
  input(name: string, aval: Aval, site?: Site): NodeId {
    const taken = this.#nodes.some((node) => node.op === "input" && node.attrs.name === name);
    this.#inputs += 1;
    return this.#push("input", [], { name: taken ? `${name}.${this.#inputs}` : name, aval }, aval, site);
  }

  add<K extends OpName>(op: K, operands: readonly NodeId[], attrs: OpAttrs[K], aval: Aval, site?: Site): NodeId {
    for (const id of operands) {
      if (id >= this.#nodes.length) throw new InternalError(`${op} in ${this.name} reads node ${id} before it exists`);
    }
    const text = `${op}(${operands.join(",")})${textOfValue(attrs)}`;
    let key = text;
    for (let known = this.#interned.get(key); known !== undefined; known = this.#interned.get(key)) {
      if (sameGraphs(attrs, this.node(known).attrs)) return known;
      key += "'";
    }
    const id = this.#push(op, operands, attrs, aval, site);
    this.#interned.set(key, id);
    return id;
  }

  aval(id: NodeId): Aval {
    return at(this.#nodes, id).aval;
  }

  node(id: NodeId): Node {
    return at(this.#nodes, id);
  }

  site(id: NodeId): Site | undefined {
    return this.#sites[id];
  }

  finish(inputs: readonly NodeId[], outputs: readonly NodeId[]): Graph {
    return Object.freeze({
      name: this.name,
      nodes: Object.freeze([...this.#nodes]),
      inputs: Object.freeze([...inputs]),
      outputs: Object.freeze([...outputs]),
      sites: Object.freeze([...this.#sites]),
    });
  }

  #push<K extends OpName>(op: K, operands: readonly NodeId[], attrs: OpAttrs[K], aval: Aval, site?: Site): NodeId {
    // The generic K links op and attrs; the union of nodes cannot express that link by itself.
    const node = Object.freeze({ op, operands: Object.freeze([...operands]), attrs, aval }) as Node;
    this.#nodes.push(node);
    this.#sites.push(site);
    return this.#nodes.length - 1;
  }
}

/**
 * A key for plain data, such as attributes: numbers, strings, booleans, and lists, records, maps and sets of these. Equal
 * values have equal keys, and different ones collide only if they differ inside a graph, which the key describes by its size.
 * Sites are not part of it; 0 and -0 differ.
 */
export function textOfValue(value: unknown): string {
  switch (typeof value) {
    case "number":
      return Object.is(value, -0) ? "-0" : String(value);
    case "string":
      return `${value.length}'${value}`;
    case "object":
      return value === null ? "null" : textOfRecord(value);
    default:
      return String(value);
  }
}

function textOfRecord(value: object): string {
  if (Array.isArray(value)) {
    let list = "[";
    for (const item of value) list += `${textOfValue(item)},`;
    return `${list}]`;
  }
  if (value instanceof Map || value instanceof Set) return `of ${textOfRecord([...value])}`;
  if (isGraph(value)) return `graph ${value.nodes.length} ${value.inputs.length} ${value.outputs.join(",")}`;
  let text = "{";
  for (const name in value) {
    const field = (value as Readonly<Record<string, unknown>>)[name];
    if (field !== undefined) text += `${name}:${textOfValue(field)},`;
  }
  return `${text}}`;
}

function isGraph(value: unknown): value is Graph {
  return typeof value === "object" && value !== null && "nodes" in value && Array.isArray(value.nodes);
}

/** Whether the graphs among attributes with the same key are equal too. */
function sameGraphs(a: object, b: object): boolean {
  return Object.entries(a).every(([name, graph]) => {
    return !isGraph(graph) || sameValue(graph, (b as Readonly<Record<string, unknown>>)[name]);
  });
}

/** Whether two graphs are equal, ignoring the source lines. */
export function sameGraph(a: Graph, b: Graph): boolean {
  return sameValue(a, b);
}

function sameValue(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (Array.isArray(a)) return Array.isArray(b) && a.length === b.length && a.every((item, i) => sameValue(item, b[i]));
  const fields = (value: object) =>
    Object.entries(value).filter(([name, field]) => name !== "sites" && field !== undefined);
  const [left, right] = [fields(a), new Map(fields(b))];
  return (
    left.length === right.size && left.every(([name, field]) => right.has(name) && sameValue(field, right.get(name)))
  );
}
