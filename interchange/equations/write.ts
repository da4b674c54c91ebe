/**
 * @file `cellText`: a traced cell as the text of a .cell file, which `parseCell` reads as the same cell: the same weights by
 * the same paths, and the same operations in the same order.
 */
import type { Initializer } from "../../compiler/dsl/initializers.ts";
import type { ParameterSpec } from "../../compiler/dsl/parameters.ts";
import type { CellTrace } from "../../compiler/dsl/traced-cell.ts";
import { at, expectArgument, UserError } from "../../compiler/graph/errors.ts";
import { dependentsOf, type NodeId } from "../../compiler/graph/graph.ts";
import { namedGates } from "../../train/gates.ts";
import { type Term, Terms } from "../latex/terms.ts";
import { functions } from "./functions.ts";

/** How tight an expression binds; the grammar's rules in order. */
const level = { sum: 0, term: 1, signed: 2, product: 3, power: 4, value: 5 } as const;

interface Text {
  readonly text: string;
  readonly level: number;
}

/** What a rule reads: its operands as text. */
type Rule = (operands: readonly Text[], term: Term) => Text;

const first = (operands: readonly Text[]): Text => at(operands, 0);
const second = (operands: readonly Text[]): Text => at(operands, 1);
const value = (text: string): Text => ({ text, level: level.value });
const within = ({ text, level: own }: Text, least: number) => (own >= least ? text : `(${text})`);
const joined =
  (sign: string, own: number): Rule =>
  (operands) => ({ text: `${within(first(operands), own)} ${sign} ${within(second(operands), own + 1)}`, level: own });
const called =
  (name: string): Rule =>
  (operands) =>
    value(`${name}(${operands.map(({ text }) => text).join(", ")})`);

/** What can be written. Anything else has no words in a .cell file. */
const rules: Readonly<Partial<Record<Term["op"], Rule>>> = {
  add: joined("+", level.sum),
  sub: joined("-", level.sum),
  mul: joined("∘", level.term),
  div: joined("/", level.term),
  neg: (operands) => ({ text: `-${within(first(operands), level.signed)}`, level: level.signed }),
  square: (operands) => ({ text: `${within(first(operands), level.value)}^2`, level: level.power }),
  pow: (operands) => ({
    text: `${within(first(operands), level.value)}^${within(second(operands), level.value)}`,
    level: level.power,
  }),
  product: (operands) => {
    const inputs = operands.slice(0, -1);
    const [only] = inputs;
    const list =
      inputs.length === 1 && only !== undefined
        ? within(only, level.product)
        : `[${inputs.map(({ text }) => text).join(", ")}]`;
    return { text: `${at(operands, inputs.length).text} ${list}`, level: level.product };
  },
  sigmoid: called("σ"),
  ...Object.fromEntries(
    ["tanh", "relu", "softplus", "exp", "log", "sqrt", "sin", "cos", "erf", "abs", "max", "min"].map((name) => [
      name,
      called(name),
    ]),
  ),
};

/**
 * The text of a .cell file with the equations of a step, at the sizes of the trace. `traceCell` of `cellgrad/files` traces
 * a cell.
 *
 * @throws UserError if an op, a state or a weight of the cell cannot be written so; the message says which, and where.
 */
export function cellText(trace: CellTrace): string {
  expectArgument(
    typeof trace === "object" && trace !== null && "states" in trace && "graph" in trace,
    "cellText: the trace",
    trace,
    "one of the traces of traceCell(cell, sizes)",
  );
  return new Writer(trace).text();
}

/** Names that mean something else. */
const reserved: readonly string[] = ["x", "y", "output", "units", "features", ...Object.keys(functions)];
const letters = ["u", "v", "p", "q", "s", "w", "z", "d", "e", "k", "l", "m", "n"];

class Writer {
  readonly #trace: CellTrace;
  readonly #terms: Terms;
  readonly #uses = new Map<Term, number>();
  readonly #names = new Map<Term, string>();
  readonly #weights = new Map<NodeId, string>();
  readonly #taken = new Set(reserved);
  readonly #recurrent: ReadonlySet<NodeId>;

  constructor(trace: CellTrace) {
    this.#trace = trace;
    const { graph, states, parameters } = trace;
    this.#terms = new Terms(graph);
    this.#recurrent = dependentsOf(graph, graph.inputs.slice(1, states.length + 1));
    for (const { name, shape } of states) this.#nameState(name, shape);
    for (const [i, spec] of parameters.entries()) this.#nameWeight(at(graph.inputs, states.length + 1 + i), spec);
  }

  text(): string {
    const { graph, states } = this.#trace;
    const results = graph.outputs.map((id) => this.#terms.of(id));
    for (const term of results) this.#read(term);
    const aliases: string[] = [];
    for (const [i, { name }] of states.entries()) {
      const term = at(results, i);
      if (this.#names.has(term) || isGiven(term)) aliases.push(name);
      else this.#names.set(term, name);
    }
    this.#nameValues();
    const named = [...this.#names].toSorted(([a], [b]) => a.id - b.id);
    const lines = named.map(([term, name]) => `${name}_t = ${this.#written(term).text}`);
    for (const name of aliases)
      lines.push(
        `${name}_t = ${
          this.#reference(
            at(
              results,
              states.findIndex((one) => one.name === name),
            ),
          ).text
        }`,
      );
    const output = at(results, states.length);
    const last = aliases.at(-1) ?? named.at(-1)?.[1];
    if (last === undefined || aliases.length > 0 || this.#names.get(output) !== last)
      lines.push(`y_t = ${this.#reference(output).text}`);
    const starts = this.#starts();
    return `${[...lines, ...(starts.length > 0 ? ["", ...starts] : [])].join("\n")}\n`;
  }

  #fault(what: string): UserError {
    return new UserError(`${this.#trace.graph.name} cannot be a .cell file: ${what}`);
  }

  #nameState(name: string, shape: readonly number[]): void {
    if (!/^[A-Za-z][A-Za-z0-9]*$/.test(name) || reserved.includes(name))
      throw this.#fault(`its state ${JSON.stringify(name)} has a name that no equation can have`);
    if (shape.length !== 1 || shape[0] !== this.#trace.units)
      throw this.#fault(`its state ${name} is [${shape.join(", ")}]; a state there is [units]`);
    this.#taken.add(name);
  }

  #nameWeight(id: NodeId, { path, shape }: ParameterSpec): void {
    const isMatrix = shape.length === 2;
    if (shape.length > 2 || shape[shape.length - 1] !== this.#trace.units)
      throw this.#fault(`its weight ${path} is [${shape.join(", ")}]; a weight there is [units] or [rows, units]`);
    const [own = "", ...above] = path.split("/").reverse();
    const stem = own === "kernel" ? "W" : own === "bias" ? "b" : own;
    const letter = isMatrix ? stem.slice(0, 1).toUpperCase() : stem.slice(0, 1).toLowerCase();
    const plain = `${letter}${stem.slice(1)}`.replace(/[^A-Za-z0-9]/g, "");
    const scope = above
      .reverse()
      .join("/")
      .replace(/[^A-Za-z0-9/-]/g, "");
    const subscript = /^[A-Za-z0-9]*$/.test(scope) ? scope : `{${scope}}`;
    this.#weights.set(id, this.#unique(scope === "" ? plain : `${plain}_${subscript}`));
  }

  #unique(name: string): string {
    let free = name;
    for (let n = 2; this.#taken.has(free); n++) free = `${name}${n}`;
    this.#taken.add(free);
    return free;
  }

  #read(term: Term): void {
    const uses = (this.#uses.get(term) ?? 0) + 1;
    this.#uses.set(term, uses);
    if (uses === 1) for (const operand of term.operands) this.#read(operand);
  }

  /** Names gates and what is read more than once. */
  #nameValues(): void {
    const { graph, parameters, states } = this.#trace;
    const paths = new Map(parameters.map(({ path }, i) => [graph.inputs[states.length + 1 + i], path]));
    for (const { node, scope } of namedGates(graph, (id) => paths.get(id))) {
      const term = this.#terms.of(node);
      const plain = scope?.replace(/.*\//, "").replace(/[^A-Za-z0-9]/g, "") ?? "";
      if (/^[A-Za-z]/.test(plain) && this.#uses.has(term) && !this.#names.has(term))
        this.#names.set(term, this.#unique(reserved.includes(plain) ? plain.slice(0, 1) : plain));
    }
    for (const [term, uses] of [...this.#uses].toSorted(([a], [b]) => a.id - b.id)) {
      if (uses < 2 || isGiven(term) || this.#names.has(term)) continue;
      this.#names.set(term, this.#unique(letters.find((one) => !this.#taken.has(one)) ?? "value"));
    }
  }

  #reference(term: Term): Text {
    const name = this.#names.get(term);
    return name === undefined ? this.#written(term) : value(`${name}_t`);
  }

  #written(term: Term): Text {
    const { graph, states } = this.#trace;
    const { node, id } = term;
    if (node.op === "input") {
      const place = graph.inputs.indexOf(id);
      const state = states[place - 1];
      return value(place === 0 ? "x_t" : state ? `${state.name}_{t-1}` : (this.#weights.get(id) ?? ""));
    }
    if (node.op === "constant") return numberText(Number(node.attrs.value));
    const rule = rules[term.op];
    const site = graph.sites[id]?.replace(/:\d+$/, "");
    if (rule === undefined) throw this.#fault(`it uses ${node.op}${site === undefined ? "" : ` at ${site}`}`);
    const operands = term.operands.map((operand) => this.#reference(operand));
    if (term.op === "product") this.#checkWeight(at(term.operands, operands.length - 1));
    return rule(operands, term);
  }

  /** A product is with a weight; one of two values, or with a transposed weight, cannot be written. */
  #checkWeight({ id, node }: Term): void {
    if (!this.#weights.has(id) || node.op !== "input")
      throw this.#fault("it has a product with a matrix that is no weight");
  }

  /** The initial values that are not those by default. */
  #starts(): string[] {
    const { graph, parameters, states } = this.#trace;
    const inputs = this.#inputsOfMatrices();
    return parameters.flatMap(({ path, shape, initializer }, i) => {
      const name = this.#weights.get(at(graph.inputs, states.length + 1 + i)) ?? "";
      const text = initializer.kind === "rows" ? undefined : this.#startText(initializer, path);
      const parts =
        initializer.kind === "rows" ? initializer.parts.map((part) => this.#startText(part.initializer, path)) : [];
      const given = text ?? `[${parts.join(", ")}]`;
      const usual = inputs.get(name)?.map((isRecurrent) => (isRecurrent ? "orthogonal" : "glorot"));
      const plain =
        shape.length === 1
          ? /^b(_|$)|^bias$/.test(name)
            ? "0"
            : "uniform(-1, 1)"
          : usual?.length === 1
            ? usual[0]
            : `[${usual?.join(", ")}]`;
      return given === plain ? [] : [`${name} ~ ${given}`];
    });
  }

  /** For each matrix, which of its inputs depend on a state. */
  #inputsOfMatrices(): ReadonlyMap<string, readonly boolean[]> {
    const found = new Map<string, readonly boolean[]>();
    for (const term of this.#uses.keys()) {
      if (term.op !== "product") continue;
      const inputs = term.operands.slice(0, -1);
      const name = this.#weights.get(at(term.operands, inputs.length).id);
      if (name !== undefined && !found.has(name))
        found.set(
          name,
          inputs.map(({ id }) => this.#recurrent.has(id)),
        );
    }
    return found;
  }

  #startText(initializer: Initializer, path: string): string {
    switch (initializer.kind) {
      case "constant":
        return numberText(initializer.value).text;
      case "glorot":
        return "glorot";
      case "orthogonal":
      case "identity":
        return initializer.gain === 1 ? initializer.kind : `${initializer.kind}(${initializer.gain})`;
      case "normal":
        return `normal(${initializer.deviation})`;
      case "uniform":
        return `uniform(${initializer.low}, ${initializer.high})`;
      case "chrono":
        return `chrono(${initializer.longest})`;
      default:
        throw this.#fault(`its weight ${path} starts by ${initializer.kind}, which has no name there`);
    }
  }
}

const isGiven = ({ node }: Term) => node.op === "input" || node.op === "constant";

function numberText(number: number): Text {
  return { text: String(number), level: number < 0 ? level.signed : level.value };
}
