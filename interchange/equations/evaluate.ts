/** @file Evaluates the equations of a .cell file on symbolic tensors. */
import type { CellResult, State, StepInput } from "../../compiler/dsl/cell.ts";
import { glorot, type Initializer, orthogonal, uniform, zerosInit } from "../../compiler/dsl/initializers.ts";
import { parameter } from "../../compiler/dsl/parameters.ts";
import { at } from "../../compiler/graph/errors.ts";
import { matmul } from "../../compiler/ops/contractions.ts";
import { add, div, mul, neg, sub } from "../../compiler/ops/elementwise.ts";
import { concat } from "../../compiler/ops/pieces.ts";
import { pow } from "../../compiler/ops/transcendental.ts";
import { fill } from "../../compiler/ops/views.ts";
import { atSite } from "../../compiler/trace/site.ts";
import { Tensor } from "../../compiler/trace/tensor.ts";
import { type Definition, matrixOf } from "./definition.ts";
import type { Expression, NameExpression, Operator } from "./expression.ts";
import { lineAt, type Place } from "./fault.ts";
import { functions } from "./functions.ts";
import { type Name, pathOf } from "./names.ts";
import { arithmetic, startsOf } from "./starts.ts";

type Float = Tensor<"f32">;
type Value = Float | number;

const ops: Readonly<Record<Operator, (a: Value, b: Value) => Float>> = {
  "+": (a, b) => add(a, b) as Float,
  "-": (a, b) => sub(a, b) as Float,
  "*": (a, b) => mul(a, b) as Float,
  "/": (a, b) => div(a, b) as Float,
  "^": (a, b) => pow(a, b) as Float,
};

/** The next states and the output of a step. */
export function stepOf(definition: Definition, input: StepInput<string>): CellResult<string> {
  return new Step(definition, input).result();
}

class Step {
  readonly #definition: Definition;
  readonly #input: StepInput<string>;
  readonly #values = new Map<string, Float>();
  /** Rows of each matrix, from its first product. */
  readonly #rows = new Map<string, number>();

  constructor(definition: Definition, input: StepInput<string>) {
    this.#definition = definition;
    this.#input = input;
  }

  result(): CellResult<string> {
    const { equations, states, output } = this.#definition;
    for (const key of equations.keys()) this.#valueOf(key);
    const state: State = Object.fromEntries(states.map((key) => [key, this.#stateOf(key)]));
    return { state, output: this.#valueOf(output) };
  }

  #fault(what: string, place: Place) {
    return this.#definition.fault(what, place);
  }

  #site({ from }: Place): string {
    const { path, text } = this.#definition.source;
    const { line, column } = lineAt(text, from);
    return `${path}:${line}:${column}`;
  }

  #stateOf(key: string): Float {
    const value = this.#valueOf(key);
    const { units } = this.#input;
    if (widthOf(value) === units) return value;
    const { left } = this.#equation(key);
    throw this.#fault(
      `${left.name.text} has ${widthOf(value)} numbers, and a state has as many as units: ${units}`,
      left,
    );
  }

  #equation(key: string) {
    const equation = this.#definition.equations.get(key);
    if (equation === undefined) throw new Error(`no equation ${key}`);
    return equation;
  }

  #valueOf(key: string): Float {
    const known = this.#values.get(key);
    if (known !== undefined) return known;
    const { right } = this.#equation(key);
    const value = this.#value(right);
    const { x, units } = this.#input;
    const tensor = typeof value === "number" ? fill([at(x.shape, 0), units], value) : value;
    this.#values.set(key, tensor);
    return tensor;
  }

  #value(expression: Expression): Value {
    return atSite(this.#site(expression), () => this.#computed(expression));
  }

  #tensor(expression: Expression, what: string): Float {
    const value = this.#value(expression);
    if (value instanceof Tensor) return value;
    throw this.#fault(`${what} is a number; expected a value of the step`, expression);
  }

  #computed(expression: Expression): Value {
    switch (expression.kind) {
      case "number":
        return expression.value;
      case "name":
        return this.#read(expression);
      case "negative": {
        const operand = this.#value(expression.operand);
        return typeof operand === "number" ? -operand : neg(operand);
      }
      case "call":
        return this.#call(expression);
      case "two":
        return this.#two(expression);
      case "product":
        return this.#product(expression);
      case "fit": {
        const right = this.#tensor(expression.right, "what a matrix multiplies");
        const matrix = this.#matrix(expression.left);
        return widthOf(right) === this.#input.units ? right : this.#times(matrix, [expression.right], [right]);
      }
      case "list":
        throw this.#fault("a list stands behind a matrix: W [x_t, h_{t-1}]", expression);
    }
  }

  #call(expression: Expression & { kind: "call" }): Value {
    const entry = functions[expression.name];
    const values = expression.operands.map((operand) => this.#value(operand));
    const [a, b] = values;
    if (entry === undefined || a === undefined) throw new Error(`no function ${expression.name}`);
    if (entry.operands === 1) {
      if (typeof a !== "number") return entry.apply(a);
      if (entry.ofNumber !== undefined) return entry.ofNumber(a);
    } else if (b !== undefined && (typeof a !== "number" || typeof b !== "number")) {
      this.#checkWidths(a, b, expression.name, expression);
      return entry.apply(a, b);
    }
    throw this.#fault(`${expression.name} of numbers alone; write its value`, expression);
  }

  #two({ op, left, right, ...place }: Expression & { kind: "two" }): Value {
    const [a, b] = [this.#value(left), this.#value(right)];
    if (typeof a === "number" && typeof b === "number") return arithmetic[op](a, b);
    this.#checkWidths(a, b, op, place);
    return ops[op](a, b);
  }

  #checkWidths(a: Value, b: Value, op: string, place: Place): void {
    if (typeof a === "number" || typeof b === "number" || widthOf(a) === widthOf(b)) return;
    throw this.#fault(
      `${op} of ${widthOf(a)} and ${widthOf(b)} numbers (there are ${this.#input.features} features and ${this.#input.units} units); multiply x by a matrix`,
      place,
    );
  }

  #read(expression: NameExpression): Value {
    const { name } = expression;
    switch (this.#definition.meaning(expression)) {
      case "x":
        return this.#input.x;
      case "state":
        return at(
          [this.#input[name.key]].filter((one) => one instanceof Tensor),
          0,
        );
      case "value":
        return this.#valueOf(name.key);
      case "weight":
        if (matrixOf(this.#definition, expression) !== undefined)
          throw this.#fault(
            `${name.text} is a matrix, since it begins with a capital letter; write ${name.text} x_t`,
            expression,
          );
        return parameter(
          pathOf(name),
          [this.#input.units],
          this.#start(name, () => vectorStart(name)),
        );
    }
  }

  #product({ left, right, ...place }: Expression & { kind: "product" }): Value {
    const matrix = matrixOf(this.#definition, left);
    if (matrix !== undefined) {
      const items = right.kind === "list" ? right.items : [right];
      return this.#times(
        matrix,
        items,
        items.map((item) => this.#tensor(item, "what a matrix multiplies")),
      );
    }
    const a = this.#value(left);
    if (typeof a !== "number")
      throw this.#fault("a product of two values without a sign; write ∘ or * for each number by itself", {
        ...place,
        from: right.from,
      });
    const b = this.#value(right);
    return typeof b === "number" ? a * b : mul(a, b);
  }

  #matrix(expression: NameExpression): NameExpression {
    const matrix = matrixOf(this.#definition, expression);
    if (matrix !== undefined) return matrix;
    throw this.#fault(`${expression.name.text} is no matrix: the name of one begins with a capital letter`, expression);
  }

  #times(matrix: NameExpression, items: readonly Expression[], operands: readonly Float[]): Float {
    const { name } = matrix;
    const { units } = this.#input;
    const widths = operands.map(widthOf);
    const rows = widths.reduce((a, b) => a + b, 0);
    const known = this.#rows.get(name.key) ?? rows;
    if (known !== rows)
      throw this.#fault(
        `${name.text} multiplies ${rows} numbers here, and ${known} elsewhere; use another matrix`,
        matrix,
      );
    this.#rows.set(name.key, rows);
    const parts = items.map((item) => (this.#definition.isRecurrent(item) ? orthogonal() : glorot));
    const start = this.#start(name, () => parts, widths);
    const weights = parameter(pathOf(name), [rows, units], start);
    return matmul(operands.length === 1 ? at(operands, 0) : concat(operands), weights);
  }

  /** The start of a weight: the file's, or the usual one. For a matrix, one for each input or one for all. */
  #start(name: Name, usual: () => Initializer | readonly Initializer[], widths: readonly number[] = []): Initializer {
    const given = this.#definition.starts.get(name.key);
    const { units, features } = this.#input;
    const context = { sizes: { units, features }, fault: (what: string, place: Place) => this.#fault(what, place) };
    const start = given === undefined ? usual() : startsOf(given.right, context);
    if ("kind" in start) return start;
    const [only] = start;
    if (start.length === 1 && widths.length === 1 && only !== undefined) return only;
    if (start.length !== widths.length)
      throw this.#fault(
        `${start.length} starts for ${widths.length || "no"} inputs`,
        given?.right ?? { from: 0, to: 0 },
      );
    return { kind: "rows", parts: widths.map((rows, i) => ({ rows, initializer: at(start, i) })) };
  }
}

const widthOf = ({ shape }: Float): number => Number(shape[shape.length - 1]);

/** Biases start at 0; other vectors multiply something, and would hide it. */
function vectorStart({ stem }: Name): Initializer {
  return stem === "b" || stem === "bias" ? zerosInit : uniform(-1, 1);
}
