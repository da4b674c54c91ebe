/** @file The arguments of a checked function: shapes with the symbols B and T, and domains. */
import { canonicalDim, type Shape, symbolsOf } from "../../compiler/graph/dim.ts";
import { inWords, UserError } from "../../compiler/graph/errors.ts";
import type { CellDefinition } from "../../index.ts";
import type { Argument, DifferentiableFunction, Domain } from "./programs.ts";

/** Shape of an argument, optionally with the range of its values: a logarithm is undefined below 0. */
export type ArgumentSpec = Shape | ({ readonly shape: Shape } & Domain);
/** Arguments by name. */
export type ArgumentSpecs<Names extends string = string> = Readonly<Record<Names, ArgumentSpec>>;

/** Whether a function is checked rather than a cell. */
export function isFunctionCheck<F extends { readonly arguments: ArgumentSpecs }>(options: object): options is F {
  return "arguments" in options && options.arguments !== undefined;
}

/** @throws UserError unless the subject is a cell, or a function with the option `arguments`. */
export function holdSubject(
  caller: string,
  subject: CellDefinition | DifferentiableFunction,
  options: object | null,
): void {
  const given: unknown = subject;
  if (typeof given !== "function")
    throw new UserError(`${caller}: the first argument is ${inWords(given)}; expected a cell or a function`);
  if (typeof options !== "object" || options === null)
    throw new UserError(`${caller}: the options are ${inWords(options)}; expected an object such as { cases: 20 }`);
  const isFunction = isFunctionCheck(options);
  if (isFunction && "cellName" in given)
    throw new UserError(`${caller}: ${String(given.cellName)} is a cell; leave the option arguments out`);
  if (!isFunction && !("cellName" in given))
    throw new UserError(
      `${caller}: ${given.name || "the function"} is not a cell; for a function, give its arguments, such as { arguments: { x: ["B", 3] } }`,
    );
}

/** @throws UserError for an invalid shape. */
export function argumentsOf(caller: string, specs: ArgumentSpecs): Argument[] {
  const given: unknown = specs;
  if (typeof given !== "object" || given === null || Object.keys(given).length === 0)
    throw new UserError(
      `${caller}: arguments are ${given !== null && typeof given === "object" ? "empty" : inWords(given)}; expected at least one, such as { x: ["B", 3] }`,
    );
  const args = Object.entries(specs).map(([name, spec]) => argumentOf(caller, name, spec));
  const axes = args.flatMap(({ aval }) => aval.shape);
  for (const { name, aval } of args) {
    for (const symbol of aval.shape.flatMap(symbolsOf)) {
      if (!axes.includes(symbol))
        throw new UserError(
          `${caller}: the shape of ${name} is ${JSON.stringify(aval.shape)}; ${symbol} must also be a whole axis of some argument, so that its size is known`,
        );
    }
  }
  return args;
}

function argumentOf(caller: string, name: string, spec: ArgumentSpec): Argument {
  const { shape, from, to }: { shape: Shape; from?: number; to?: number } = isShape(spec) ? { shape: spec } : spec;
  const axes: unknown = shape;
  const sizes = Array.isArray(axes) ? axes.map(dimOf) : [undefined];
  if (!sizes.every((size) => size !== undefined && size !== 0))
    throw new UserError(
      `${caller}: the shape of ${name} is ${Array.isArray(axes) ? JSON.stringify(axes) : inWords(axes)}; expected a list of whole numbers above 0, "B" and "T", such as ["B", 3]`,
    );
  const argument = { name, aval: { dtype: "f32", shape: sizes as Shape }, role: "argument" } as const;
  if (from === undefined && to === undefined) return argument;
  if (!(Number.isFinite(from) && Number.isFinite(to) && Number(from) < Number(to)))
    throw new UserError(`${caller}: the range of ${name} is ${from} to ${to}; expected two numbers, the smaller first`);
  return { ...argument, domain: { from: Number(from), to: Number(to) } };
}

function isShape(spec: ArgumentSpec): spec is Shape {
  return Array.isArray(spec) || typeof spec !== "object" || spec === null;
}

/** The dimension in canonical form; undefined if it has symbols other than B and T. */
function dimOf(dim: unknown) {
  if (typeof dim !== "number" && typeof dim !== "string") return undefined;
  const known = canonicalDim(dim);
  return known !== undefined && symbolsOf(known).every((symbol) => symbol === "B" || symbol === "T")
    ? known
    : undefined;
}
