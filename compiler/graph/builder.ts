/**
 * @file Builds one graph, node by node. Equal nodes (op, operands, attributes) are interned, so hash-consing holds by
 * construction and no pass has to look for common subexpressions.
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

  /** A new input; inputs of the same name are different values, told apart by a suffix. */
  input(name: string, aval: Aval, site?: Site): NodeId {
    const taken = this.#nodes.some((node) => node.op === "input" && node.attrs.name === name);
    this.#inputs += 1;
    return this.#push("input", [], { name: taken ? `${name}.${this.#inputs}` : name, aval }, aval, site);
  }

  add<K extends OpName>(op: K, operands: readonly NodeId[], attrs: OpAttrs[K], aval: Aval, site?: Site): NodeId {
    for (const id of operands) {
      if (id >= this.#nodes.length) throw new InternalError(`${op} in ${this.name} reads node ${id} before it exists`);
    }
    const key = `${op}(${operands.join(",")})${identityOf(attrs)}`;
    const known = this.#interned.get(key);
    if (known !== undefined) return known;
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
    // The generic K keeps op and attrs together; the union of nodes cannot express that correlation by itself.
    const node = Object.freeze({ op, operands: Object.freeze([...operands]), attrs, aval }) as Node;
    this.#nodes.push(node);
    this.#sites.push(site);
    return this.#nodes.length - 1;
  }
}

/** Texts of bodies: a pass that leaves a loop alone adds the same body again. */
const identities = new WeakMap<object, string>();

/** A text that two values share exactly when they are equal. Sites are no part of it; 0 and -0 differ. */
function identityOf(value: unknown): string {
  switch (typeof value) {
    case "number":
      return Object.is(value, -0) ? "-0" : String(value);
    case "string":
      return `${value.length}'${value}`;
    case "object":
      return value === null ? "null" : identityOfRecord(value);
    default:
      return String(value);
  }
}

function identityOfRecord(value: object): string {
  if (Array.isArray(value)) return `[${value.map(identityOf).join(",")}]`;
  const known = identities.get(value);
  if (known !== undefined) return known;
  let text = "{";
  for (const [name, field] of Object.entries(value)) {
    if (name !== "sites" && field !== undefined) text += `${name}:${identityOf(field)},`;
  }
  text += "}";
  // Only a graph is frozen and long enough.
  if ("nodes" in value && Object.isFrozen(value)) identities.set(value, text);
  return text;
}
