/**
 * @file The equations of a cell's step as LaTeX, from its graph: one for each gate, each map with weights, each value that
 * is used more than once, and each state. Other values are written inline. Names are those of the cell's states and of the
 * scopes of its weights.
 */
import type { CellTrace } from "../../compiler/dsl/traced-cell.ts";
import { at } from "../../compiler/graph/errors.ts";
import { dependentsOf, type Graph, inputName, type NodeId, nodeAt } from "../../compiler/graph/graph.ts";
import { namedGates } from "../../train/gates.ts";
import { atom, type Expression, linesOf } from "./expression.ts";
import { ruleOf } from "./rules.ts";
import { parameterSymbol, symbolOf, withSubscript } from "./symbols.ts";
import { coreOf, type Term, Terms } from "./terms.ts";

/** One line of a cell's equations. */
export interface Equation {
  /** LaTeX of the name, such as `\mathrm{forget}_t`. */
  readonly left: string;
  /** LaTeX of the right-hand side, in one or more lines. */
  readonly right: readonly string[];
  /** The node with this value. */
  readonly node: NodeId;
  /** Nodes that only this equation contains, except constants and inputs. */
  readonly nodes: readonly NodeId[];
  /** The scope of the weights of a gate or a map, such as `forget`. */
  readonly scope?: string;
}

/**
 * The equations of a step, in the order of computation. Values of one sequence are column vectors, so that
 * `dense("forget", [x, h], units)` is W x + U h + b: W and U are the rows of the kernel for x and h, transposed. Lines are
 * broken before operators, at about `width` characters.
 */
export function equationsOf({ graph, states }: CellTrace, width = 64): Equation[] {
  return new Writer(
    graph,
    states.map(({ name }) => name),
    width,
  ).equations();
}

/** The equations as one block of LaTeX, aligned at the equals signs, for a display or `\[ … \]`. */
export function latexOf(equations: readonly Equation[]): string {
  const lines = equations.map(({ left, right }) => `${left} &= ${right.join(" \\\\\n&\\quad ")}`);
  return `\\begin{aligned}\n${lines.join(" \\\\\n")}\n\\end{aligned}`;
}

/** Letters for values without a name, in the order of use. */
const letters = ["u", "v", "p", "q", "r", "s", "w", "z", "d", "e", "g", "k", "l", "m", "n"];

class Writer {
  readonly #graph: Graph;
  readonly #states: readonly string[];
  readonly #width: number;
  readonly #terms: Terms;
  readonly #uses = new Map<Term, number>();
  readonly #readers = new Map<Term, Term[]>();
  /** Names of the values that have an equation. */
  readonly #names = new Map<Term, { readonly left: string; readonly scope?: string }>();
  readonly #taken = new Set<string>();
  readonly #recurrent: ReadonlySet<NodeId>;
  readonly #timed: ReadonlySet<NodeId>;

  constructor(graph: Graph, states: readonly string[], width: number) {
    this.#graph = graph;
    this.#states = states;
    this.#width = width;
    this.#terms = new Terms(graph);
    const [, ...before] = graph.inputs.slice(0, states.length + 1);
    this.#recurrent = dependentsOf(graph, before);
    this.#timed = dependentsOf(graph, graph.inputs.slice(0, states.length + 1));
  }

  equations(): Equation[] {
    const outputs = this.#graph.outputs.map((id) => this.#terms.of(id));
    for (const term of outputs) this.#read(term);
    const results = this.#nameResults(outputs);
    this.#nameGates();
    this.#nameOthers();
    const named = [...this.#names].toSorted(([a], [b]) => a.id - b.id);
    return [
      ...named.map(([term, { left, scope }]) => this.#equation(term, left, scope)),
      // A state that equals another value, or that the step does not change.
      ...results.map(([left, term]) => ({ left, right: [this.#reference(term).tex], node: term.id, nodes: [] })),
    ];
  }

  /** Counts the uses of each term. */
  #read(term: Term): void {
    const uses = (this.#uses.get(term) ?? 0) + 1;
    this.#uses.set(term, uses);
    if (uses > 1) return;
    for (const operand of term.operands) {
      this.#readers.set(operand, [...(this.#readers.get(operand) ?? []), term]);
      this.#read(operand);
    }
  }

  /** Names next states and the output; returns those that already have another name. */
  #nameResults(outputs: readonly Term[]): [string, Term][] {
    const others: [string, Term][] = [];
    for (const name of ["x", ...this.#states]) this.#taken.add(symbolOf(name));
    const output = this.#states.includes("y") ? "out" : "y";
    for (const [i, term] of outputs.entries()) {
      const isOutput = i === this.#states.length;
      const left = timed(symbolOf(isOutput ? output : at(this.#states, i)));
      const isNew = !this.#names.has(term) && !isGiven(term);
      if (isNew) this.#names.set(term, { left });
      else if (!isOutput || isGiven(term)) others.push([left, term]);
    }
    return others;
  }

  #nameGates(): void {
    const gates = namedGates(this.#graph, (id) => this.#parameterAt(id));
    for (const { name, node, scope } of gates) {
      const term = this.#terms.of(node);
      if (!this.#uses.has(term) || scope === undefined) continue;
      const known = this.#names.get(term);
      if (known !== undefined) this.#names.set(term, { ...known, scope });
      else this.#names.set(term, { left: this.#unique(symbolOf(name)), scope });
    }
  }

  #nameOthers(): void {
    const terms = [...this.#uses].toSorted(([a], [b]) => a.id - b.id);
    for (const [term, uses] of terms) {
      if (this.#names.has(term) || isShort(term)) continue;
      const scope = this.#scopeOf(term);
      const isMap = scope !== undefined && term.op === "add" && this.#isFactor(term);
      if (uses < 2 && !isMap) continue;
      const left = this.#freeName(scope, term);
      this.#names.set(term, scope === undefined ? { left } : { left, scope });
    }
  }

  /** Whether a term is a factor, which would need parentheses. */
  #isFactor(term: Term): boolean {
    return (this.#readers.get(term) ?? []).some(({ op }) => op === "mul" || op === "product" || op === "square");
  }

  /** The scope of the weights of a map: a product, with a bias or a factor. */
  #scopeOf(term: Term): string | undefined {
    const { op, operands } = term;
    if (op === "product") {
      const path = this.#pathOf(at(operands, operands.length - 1));
      return path?.includes("/") === true ? path.replace(/\/[^/]*$/, "") : undefined;
    }
    if (op !== "add" && op !== "sub" && op !== "neg" && op !== "mul") return undefined;
    const others = operands.filter((operand) => operand.op !== "constant");
    if (op === "mul" && others.length !== 1) return undefined;
    const scopes = others.flatMap((operand) => (operand.op === "input" ? [] : [this.#scopeOf(operand)]));
    return new Set(scopes).size === 1 ? scopes[0] : undefined;
  }

  #freeName(scope: string | undefined, { id }: Term): string {
    const isTimed = this.#timed.has(id);
    const dated = (symbol: string) => (isTimed ? timed(symbol) : symbol);
    if (scope !== undefined) {
      const symbol = symbolOf(scope);
      return this.#isFree(symbol) ? this.#unique(symbol, isTimed) : this.#unique(`{a^{${symbol}}}`, isTimed);
    }
    const letter = letters.find((one) => this.#isFree(one));
    if (letter !== undefined) this.#taken.add(letter);
    return letter === undefined ? this.#unique("u", isTimed) : dated(letter);
  }

  #isFree(symbol: string): boolean {
    return !this.#taken.has(symbol) && !this.#graph.inputs.some((id) => this.#inputTex(id) === symbol);
  }

  /** The symbol, with a superscript number if it is taken. */
  #unique(symbol: string, isTimed = true): string {
    let free = symbol;
    for (let n = 2; this.#taken.has(free); n++) free = `{${symbol}^{(${n})}}`;
    this.#taken.add(free);
    return isTimed ? timed(free) : free;
  }

  #equation(term: Term, left: string, scope: string | undefined): Equation {
    const nodes = new Set<NodeId>();
    const right = linesOf(this.#written(term, nodes), this.#width);
    return { left, right, node: term.id, nodes: [...nodes], ...(scope !== undefined && { scope }) };
  }

  /** A term as an operand: its name, or its expression. */
  #reference(term: Term, nodes = new Set<NodeId>()): Expression {
    const named = this.#names.get(term);
    if (named !== undefined) return atom(named.left);
    return this.#written(term, nodes);
  }

  #written(term: Term, nodes: Set<NodeId>): Expression {
    for (const id of term.nodes) nodes.add(id);
    if (term.node.op === "input") return atom(this.#inputTex(term.id));
    const operands = term.operands.map((operand) => this.#reference(operand, nodes));
    return ruleOf(term.op)({
      term,
      operands,
      attrs: term.node.attrs,
      pathOf: (of) => this.#pathOf(of),
      isRecurrent: ({ id }) => this.#recurrent.has(id),
    });
  }

  #inputTex(id: NodeId): string {
    const place = this.#graph.inputs.indexOf(id);
    if (place === 0) return timed("x");
    const state = this.#states[place - 1];
    if (state !== undefined) return timed(symbolOf(state), "t-1");
    return parameterSymbol(this.#parameterAt(id) ?? inputName(this.#graph, id));
  }

  #pathOf({ id, op }: Term): string | undefined {
    return op === "input" ? this.#parameterAt(id) : undefined;
  }

  /** The path of a parameter below its cell. */
  #parameterAt(id: NodeId): string | undefined {
    const node = nodeAt(this.#graph, id);
    const path = node.op === "input" ? /^parameters\/[^/]*\/(.+)$/.exec(node.attrs.name)?.[1] : undefined;
    return path;
  }
}

/** The symbol with a time as subscript. */
function timed(symbol: string, time = "t"): string {
  return withSubscript(symbol, time);
}

/** Whether a term is an input or a constant. */
function isGiven({ op }: Term): boolean {
  return op === "input" || op === "constant";
}

/** Whether a term can be written twice: inputs, slices and concatenations of them, and numbers from shapes. */
function isShort(term: Term): boolean {
  if (isGiven(term) || term.op === "iota" || term.op === "dimSize") return true;
  const isPart = term.op === "slice" || term.op === "concat" || term.op === "scan";
  return isPart && (term.op === "scan" || coreOf(term.node.aval.shape).length <= 1) && term.operands.every(isShort);
}
