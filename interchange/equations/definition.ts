/** @file What the names of a .cell file mean: states, values and weights; all that can be wrong without knowing sizes. */

import { type Expression, type NameExpression, namesIn, type Statement } from "./expression.ts";
import { EquationError, type Place, type Source } from "./fault.ts";
import { isMatrix, type Name } from "./names.ts";
import { functionOf, readStatements } from "./read.ts";

/** What a name is where it is read. */
export type Meaning = "x" | "state" | "value" | "weight";

/** A cell as its equations say it. */
export class Definition {
  readonly source: Source;
  /** By the key of their name, in the order of the file. */
  readonly equations = new Map<string, Statement>();
  /** The initial values of weights, by key. */
  readonly starts = new Map<string, Statement>();
  /** Keys of the states, in the order of their equations. */
  readonly states: readonly string[];
  /** The key of the output. */
  readonly output: string;
  readonly #recurrent = new Map<string, boolean>();
  readonly #ordered = new Set<string>();

  constructor(source: Source) {
    this.source = source;
    for (const statement of readStatements(source)) this.#add(statement);
    const [...keys] = this.equations.keys();
    const last = keys.at(-1);
    if (last === undefined) throw this.fault("there is no equation, such as h_t = tanh(W [x_t, h_{t-1}] + b)", at(0));
    this.output = ["y", "output"].find((key) => this.equations.has(key)) ?? last;
    const read = [...this.equations.values()].flatMap(({ right }) => namesIn(right));
    const states = new Set(read.flatMap(({ name }) => (name.time === "before" ? [name.key] : [])));
    for (const [key, { left }] of this.equations) if (left.name.isNext) states.add(key);
    for (const name of read) this.meaning(name);
    this.states = keys.filter((key) => states.has(key));
    for (const key of this.states) this.#checkState(key);
    for (const key of keys) this.#checkOrder(key, []);
    const weights = new Set(read.flatMap((name) => (this.meaning(name) === "weight" ? [name.name.key] : [])));
    for (const { left } of this.starts.values())
      if (!weights.has(left.name.key)) throw this.fault(`no equation reads a weight ${left.name.text}`, left);
  }

  fault(what: string, place: Place): EquationError {
    return new EquationError(what, this.source, place);
  }

  #add(statement: Statement): void {
    const { kind, left } = statement;
    const { name } = left;
    const known = kind === "equation" ? this.equations : this.starts;
    if (known.has(name.key))
      throw this.fault(`${name.text} has two ${kind === "equation" ? "equations" : "starts"}`, left);
    if (kind === "equation") {
      if (name.key === "x") throw this.fault("x is the input; give the value another name", left);
      if (functionOf(name) !== undefined)
        throw this.fault(`${name.text} is a function; give the value another name`, left);
      if (name.time === "before") throw this.fault(`an equation gives the value at t: write ${timed(name, "t")}`, left);
    } else if (name.time !== undefined || name.isNext) throw this.fault("only weights have a start", left);
    known.set(name.key, statement);
  }

  #checkState(key: string): void {
    const left = this.#leftOf(key);
    if (["units", "features", "x"].includes(key))
      throw this.fault(`a state cannot be called ${key}; give it another name`, left);
  }

  #leftOf(key: string): NameExpression {
    const equation = this.equations.get(key);
    if (equation === undefined) throw new Error(`no equation ${key}`);
    return equation.left;
  }

  /** What a name is where it stands. Throws where it is nothing. */
  meaning(read: NameExpression): Meaning {
    const { name } = read;
    const { key, time, isNext, text } = name;
    if (key === "x") {
      if (time === "before" || isNext)
        throw this.fault(
          "x has no value in the step before: let a state keep it, such as p_t = W x_t, and read p_{t-1}",
          read,
        );
      return "x";
    }
    const equation = this.equations.get(key);
    if (equation === undefined) {
      if (time === "before") throw this.fault(`${text} needs an equation ${timed(name, "t")} = …`, read);
      if (time === "now" || isNext)
        throw this.fault(`${text} has no equation; a weight has no time: write ${name.stem}`, read);
      if (functionOf(name) !== undefined) throw this.fault(`${text} is a function: write ${text}(…)`, read);
      return "weight";
    }
    const { isNext: isPrimed } = equation.left.name;
    if (isNext && !isPrimed) throw this.fault(`${text} has no equation; there is ${equation.left.name.text}`, read);
    return time === "before" || (isPrimed && !isNext && time === undefined) ? "state" : "value";
  }

  /** Throws if a value reads itself, by itself or by others. */
  #checkOrder(key: string, above: readonly string[]): void {
    const equation = this.equations.get(key);
    if (equation === undefined || this.#ordered.has(key)) return;
    for (const read of namesIn(equation.right)) {
      const { name } = read;
      if (this.meaning(read) !== "value") continue;
      if (name.key === key || above.includes(name.key))
        throw this.fault(
          `${name.text} needs its own value here; the one of the step before is ${timed(name, "t-1")}`,
          read,
        );
      this.#checkOrder(name.key, [...above, key]);
    }
    this.#ordered.add(key);
  }

  /** Whether a value depends on a state. */
  isRecurrent(expression: Expression): boolean {
    return namesIn(expression).some((read) => {
      const meaning = this.meaning(read);
      if (meaning !== "value") return meaning === "state";
      const { key } = read.name;
      const equation = this.equations.get(key);
      const known = this.#recurrent.get(key) ?? (equation !== undefined && this.isRecurrent(equation.right));
      this.#recurrent.set(key, known);
      return known;
    });
  }
}

const at = (from: number): Place => ({ from, to: from });

const timed = ({ stem, scope }: Name, time: string) => `${stem}${scope ?? ""}_${time === "t" ? "t" : `{${time}}`}`;

/** The matrix that is the left-hand side of a product, if it is one. */
export function matrixOf(definition: Definition, left: Expression): NameExpression | undefined {
  if (left.kind !== "name" || definition.meaning(left) !== "weight") return undefined;
  return isMatrix(left.name) ? left : undefined;
}
