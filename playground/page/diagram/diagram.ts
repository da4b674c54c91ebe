/**
 * @file A traced step as a drawing shows it: inputs, gates, the arithmetic between them, and the states that go round.
 * Weights, constants and changes of shape are no parts of their own; the labels of others tell of them. It follows from
 * the graph alone, so it is right for any cell.
 */
import type { CellTrace } from "../../../compiler/dsl/traced-cell.ts";
import { at } from "../../../compiler/graph/errors.ts";
import { type Graph, inputName, type Node, type NodeId } from "../../../compiler/graph/graph.ts";
import { scopeOf, shortNumber, signOf, withConstant, wordsOf } from "./labels.ts";

/** "gate": weights and a function that squashes. "map": weights alone. "next": a state after the step. */
export type PartKind = "x" | "state" | "gate" | "map" | "op" | "next" | "output";

export interface Part {
  readonly id: number;
  readonly kind: PartKind;
  readonly label: string;
  /** What it is, in words. */
  readonly about: string;
  /** Of gates and maps: the scope of the weights, such as "forget". */
  readonly scope?: string;
  /** Of gates: the sign of the function, such as "σ". */
  readonly squash?: string;
  /** Line of the cell's source, from 1. */
  readonly line?: number;
}

export interface Link {
  readonly from: number;
  readonly to: number;
}

export interface Loop {
  readonly state: string;
  /** The state after the step. */
  readonly from: number;
  /** The state before the step. */
  readonly to: number;
}

export interface Diagram {
  readonly parts: readonly Part[];
  readonly links: readonly Link[];
  readonly loops: readonly Loop[];
}

export function diagramOf({ graph, states }: CellTrace): Diagram {
  const drawing = new Drawing(graph);
  drawing.input(at(graph.inputs, 0), { kind: "x", label: "x", about: "the input of this time step" });
  const before = states.map(({ name }, i) =>
    drawing.input(at(graph.inputs, i + 1), {
      kind: "state",
      label: name,
      about: `${name}, as the step before left it`,
    }),
  );
  const output = at(graph.outputs, states.length);
  const isOutput = (i: number) => graph.outputs[i] === output;
  const loops = states.map(({ name }, i) => {
    const about = `${name} after this step, which the next step reads${isOutput(i) ? "; also the output" : ""}`;
    return {
      state: name,
      from: drawing.result(at(graph.outputs, i), { kind: "next", label: `${name}′`, about }),
      to: at(before, i),
    };
  });
  if (!states.some((_, i) => isOutput(i)))
    drawing.result(output, { kind: "output", label: "out", about: "the output, which the next layer reads" });
  return { parts: drawing.parts, links: drawing.links, loops };
}

/** What a node is to a drawing. */
type Term =
  | { readonly kind: "constant"; readonly text: string }
  /** Made of parameters alone. */
  | { readonly kind: "weights"; readonly scope: string }
  /** The parts that hold it; more than one where they are joined. */
  | { readonly kind: "parts"; readonly parts: readonly number[] }
  /** A product with weights that no part shows yet: its reader decides whether it is a gate. */
  | { readonly kind: "affine"; readonly scope: string; readonly from: readonly number[]; readonly id: NodeId };

/** Ops that change the form of a value and not what a person would call it. */
const transparent: ReadonlySet<string> = new Set(["reshape", "broadcast", "cast", "transpose"]);
const squashing: ReadonlySet<string> = new Set(["sigmoid", "tanh", "softplus", "exp"]);

class Drawing {
  readonly parts: Part[] = [];
  readonly links: Link[] = [];
  readonly #graph: Graph;
  readonly #terms = new Map<NodeId, Term>();
  /** Parts made of products with weights, by node. */
  readonly #maps = new Map<NodeId, number>();

  constructor(graph: Graph) {
    this.#graph = graph;
  }

  input(id: NodeId, shown: Omit<Part, "id">): number {
    const part = this.#part(shown, []);
    this.#terms.set(id, { kind: "parts", parts: [part] });
    return part;
  }

  result(id: NodeId, shown: Omit<Part, "id">): number {
    return this.#part(shown, this.#partsOf(this.#term(id)));
  }

  #part(shown: Omit<Part, "id">, from: readonly number[]): number {
    const id = this.parts.length;
    this.parts.push({ id, ...shown });
    for (const source of new Set(from)) this.links.push({ from: source, to: id });
    return id;
  }

  #term(id: NodeId): Term {
    const known = this.#terms.get(id);
    if (known !== undefined) return known;
    const node = at(this.#graph.nodes, id);
    const operands = node.operands.map((operand) => this.#term(operand));
    const term = this.#folded(id, node, operands) ?? this.#shown(id, node, operands);
    this.#terms.set(id, term);
    return term;
  }

  /** The term of a node that is no part of its own. */
  #folded(id: NodeId, node: Node, operands: readonly Term[]): Term | undefined {
    const [first, second] = operands;
    if (node.op === "input") return { kind: "weights", scope: scopeOf(inputName(this.#graph, id)) };
    if (node.op === "constant") return { kind: "constant", text: shortNumber(node.attrs.value) };
    if (first === undefined) return { kind: "constant", text: node.op };
    if (transparent.has(node.op)) return first;
    if (node.op === "customGradient") return operands[node.attrs.index];
    const weights = operands.find((term) => term.kind === "weights");
    if (operands.every((term) => term.kind === "weights" || term.kind === "constant")) {
      return weights ?? { kind: "constant", text: signOf(node.op) };
    }
    if (node.op === "concat") return { kind: "parts", parts: operands.flatMap((term) => this.#partsOf(term)) };
    if (node.op === "dot" && weights !== undefined) {
      const other = weights === first ? second : first;
      return { kind: "affine", scope: weights.scope, from: this.#partsOf(other), id };
    }
    // A bias; and two products that are one affine map, written apart.
    if (node.op === "add" && second !== undefined) {
      const [map, rest] = first.kind === "affine" ? [first, second] : [second, first];
      if (map.kind !== "affine") return undefined;
      if (rest.kind === "weights") return { ...map, id };
      if (rest.kind === "affine" && rest.scope === map.scope) return { ...map, from: [...map.from, ...rest.from], id };
    }
    return undefined;
  }

  #shown(id: NodeId, node: Node, operands: readonly Term[]): Term {
    const place = this.#lineOf(id);
    const [first, second] = operands;
    if (squashing.has(node.op) && first?.kind === "affine" && !this.#maps.has(first.id)) {
      const { scope } = first;
      const about = `${scope}: ${wordsOf(node.op)}, of a product with its weights`;
      const squash = signOf(node.op);
      return parts(this.#part({ kind: "gate", label: scope, about, scope, squash, ...place }, first.from));
    }
    const constant = operands.find((term) => term.kind === "constant");
    const single = operands.length === 2 && constant !== undefined;
    const label = single ? withConstant(node.op, constant.text, constant === first) : signOf(node.op);
    const weights = [first, second].find((term) => term?.kind === "weights");
    const about = `${wordsOf(node.op)}${weights === undefined ? "" : `, with weights ${weights.scope}`}`;
    const from = operands.flatMap((term) => this.#partsOf(term));
    return parts(this.#part({ kind: "op", label, about, ...place }, from));
  }

  #partsOf(term: Term | undefined): readonly number[] {
    if (term?.kind === "parts") return term.parts;
    if (term?.kind !== "affine") return [];
    const { scope, id } = term;
    const known = this.#maps.get(id);
    if (known !== undefined) return [known];
    const about = `${scope}: a product with its weights`;
    const map = this.#part({ kind: "map", label: scope, about, scope, ...this.#lineOf(id) }, term.from);
    this.#maps.set(id, map);
    return [map];
  }

  #lineOf(id: NodeId): { line?: number } {
    const line = /:(\d+):\d+$/.exec(this.#graph.sites[id] ?? "")?.[1];
    return line === undefined ? {} : { line: Number(line) };
  }
}

function parts(...ids: readonly number[]): Term {
  return { kind: "parts", parts: ids };
}
