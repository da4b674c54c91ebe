/** @file The initial values of a .cell file's weights: `b_forget ~ 1`, `u ~ uniform(0, 1)`, `W ~ [glorot, orthogonal]`. */
import {
  chrono,
  constantInit,
  glorot,
  type Initializer,
  identity,
  normal,
  orthogonal,
  uniform,
} from "../../compiler/dsl/initializers.ts";
import { UserError } from "../../compiler/graph/errors.ts";
import type { Expression } from "./expression.ts";
import type { EquationError, Place } from "./fault.ts";
import { functions } from "./functions.ts";

interface InitializerEntry {
  /** How many numbers it may have. */
  readonly operands: readonly number[];
  readonly of: (...numbers: number[]) => Initializer;
}

/** By their names; a number is one too. */
export const initializers: Readonly<Record<string, InitializerEntry>> = {
  glorot: { operands: [0], of: () => glorot },
  orthogonal: { operands: [0, 1], of: (gain = 1) => orthogonal(gain) },
  identity: { operands: [0, 1], of: (gain = 1) => identity(gain) },
  normal: { operands: [1], of: (deviation = 1) => normal(deviation) },
  uniform: { operands: [2], of: (low = 0, high = 1) => uniform(low, high) },
  chrono: { operands: [1], of: (longest = 0) => chrono(longest) },
};

/** What a start can read, and its errors. */
export interface StartContext {
  readonly sizes: Readonly<Record<"units" | "features", number>>;
  readonly fault: (what: string, place: Place) => EquationError;
}

/** One initializer, or a list of them for the inputs of a matrix. */
export function startsOf(expression: Expression, context: StartContext): Initializer | readonly Initializer[] {
  if (expression.kind !== "list") return startOf(expression, context);
  return expression.items.map((item) => startOf(item, context));
}

function startOf(expression: Expression, context: StartContext): Initializer {
  const [name, operands] =
    expression.kind === "name"
      ? [expression.name.key, []]
      : expression.kind === "call"
        ? [expression.name, expression.operands]
        : ["", []];
  const entry = Object.hasOwn(initializers, name) ? initializers[name] : undefined;
  if (entry === undefined) return constantInit(numberOf(expression, context));
  const numbers = operands.map((operand) => numberOf(operand, context));
  if (!entry.operands.includes(numbers.length))
    throw context.fault(`${name} needs ${entry.operands.join(" or ")} numbers, not ${numbers.length}`, expression);
  try {
    return entry.of(...numbers);
  } catch (error) {
    throw error instanceof UserError ? context.fault(error.message, expression) : error;
  }
}

/** A number without values: of numbers, `units`, `features` and functions. */
function numberOf(expression: Expression, context: StartContext): number {
  const value = computed(expression, context);
  if (Number.isFinite(value)) return value;
  throw context.fault(`this is ${value}, not a number`, expression);
}

function computed(expression: Expression, context: StartContext): number {
  switch (expression.kind) {
    case "number":
      return expression.value;
    case "negative":
      return -numberOf(expression.operand, context);
    case "two": {
      const [a, b] = [numberOf(expression.left, context), numberOf(expression.right, context)];
      return arithmetic[expression.op](a, b);
    }
    case "call": {
      const entry = Object.hasOwn(functions, expression.name) ? functions[expression.name] : undefined;
      const [operand] = expression.operands;
      if (entry?.operands === 1 && entry.ofNumber !== undefined && operand !== undefined)
        return entry.ofNumber(numberOf(operand, context));
      break;
    }
    case "name": {
      const { key } = expression.name;
      if (key === "units" || key === "features") return context.sizes[key];
    }
  }
  throw context.fault(
    `a start is a number, ${Object.keys(initializers).join(", ")}, or a list of them; numbers can be computed from units and features`,
    expression,
  );
}

/** Of numbers. */
export const arithmetic: Readonly<Record<"+" | "-" | "*" | "/" | "^", (a: number, b: number) => number>> = {
  "+": (a, b) => a + b,
  "-": (a, b) => a - b,
  "*": (a, b) => a * b,
  "/": (a, b) => a / b,
  "^": (a, b) => a ** b,
};
