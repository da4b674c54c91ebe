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
    const key = `${op}(${operands.join(",")})${JSON.stringify(attrs, identity)}`;
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

/** Sites are no part of a node's identity; numbers that JSON would merge (NaN and infinities, 0 and -0) are. */
function identity(key: string, value: unknown): unknown {
  if (Object.is(value, -0)) return "-0";
  if (typeof value === "number" && !Number.isFinite(value)) return String(value);
  return key === "sites" ? undefined : value;
}
