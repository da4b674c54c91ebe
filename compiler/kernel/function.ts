/**
 * @file Functions written in the kernel IR, once for all targets, because some targets lack them or define them
 * loosely. Their bodies contain values, conditions and tables of numbers, but no loops and no memory of the kernel.
 */
import { Expressions } from "./expressions.ts";
import type { Expr, KernelFunction, Scalar, Statement, Variable } from "./ir.ts";

/** Writes the body of a function. */
export class FunctionBuilder extends Expressions {
  #body: Statement[] = [];

  get body(): readonly Statement[] {
    return this.#body;
  }

  /** Binds a value to a name. */
  let(name: string, value: Expr): Variable {
    const variable = this.variable(name, value.type, 0);
    this.#body.push({ kind: "let", variable, value });
    return variable;
  }

  /** Declares a register that `assign` changes. */
  var(name: string, value: Expr): Variable {
    const variable = this.variable(name, value.type, 0);
    this.#body.push({ kind: "var", variable, value });
    return variable;
  }

  assign(variable: Variable, value: Expr): void {
    this.#body.push({ kind: "assign", variable, value });
  }

  if(condition: Expr, write: () => void): void {
    const outside = this.#body;
    this.#body = [];
    write();
    outside.push({ kind: "if", condition, body: this.#body });
    this.#body = outside;
  }

  /** Declares a table; the result loads the number at `index`, which must be in range. */
  table(name: string, values: readonly number[]): (index: Expr) => Expr {
    const array = { space: "registers", name, element: "u32", length: values.length, slots: 1 } as const;
    this.#body.push({ kind: "registers", array, values: values.map(this.u32) });
    return (index) => this.load(array, index);
  }
}

type Write<P extends readonly Scalar[]> = (f: FunctionBuilder, ...parameters: { [K in keyof P]: Variable }) => Expr;

/**
 * A function of scalars: `write` receives a builder and the parameters, and returns the result. `exact` may write the same
 * function for targets whose arithmetic is that of IEEE 754; it gives the same bits.
 */
export function kernelFunction<P extends readonly Scalar[]>(
  name: string,
  parameters: P,
  type: Scalar,
  write: Write<P>,
  exact?: Write<P>,
): KernelFunction {
  const f = new FunctionBuilder();
  const given = parameters.map((scalar, i) => f.variable(parameterNames[i] ?? `p${i}`, scalar, 0));
  const result = write(f, ...(given as { [K in keyof P]: Variable }));
  const written = { name, parameters: given, type, body: f.body, result };
  return exact === undefined ? written : { ...written, exact: kernelFunction(name, parameters, type, exact) };
}

const parameterNames = ["x", "y", "z", "w"];
