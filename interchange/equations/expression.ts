/** @file The expressions of .cell files. */
import type { Place } from "./fault.ts";
import type { Name } from "./names.ts";

export type Expression = Place &
  (
    | { readonly kind: "number"; readonly value: number }
    | { readonly kind: "name"; readonly name: Name }
    | { readonly kind: "call"; readonly name: string; readonly operands: readonly Expression[] }
    | { readonly kind: "product"; readonly left: Expression; readonly right: Expression }
    /** The product if the right-hand side does not have `units` numbers, or else the right-hand side. */
    | { readonly kind: "fit"; readonly left: NameExpression; readonly right: Expression }
    | { readonly kind: "list"; readonly items: readonly Expression[] }
    | { readonly kind: "two"; readonly op: Operator; readonly left: Expression; readonly right: Expression }
    | { readonly kind: "negative"; readonly operand: Expression }
  );
export type NameExpression = Place & { readonly kind: "name"; readonly name: Name };
export type Operator = "+" | "-" | "*" | "/" | "^";

export interface Statement {
  readonly kind: "equation" | "start";
  readonly left: NameExpression;
  readonly right: Expression;
}

/** All names in an expression, in its order. */
export function namesIn(expression: Expression): NameExpression[] {
  switch (expression.kind) {
    case "number":
      return [];
    case "name":
      return [expression];
    case "call":
      return expression.operands.flatMap(namesIn);
    case "list":
      return expression.items.flatMap(namesIn);
    case "negative":
      return namesIn(expression.operand);
    case "product":
    case "fit":
    case "two":
      return [...namesIn(expression.left), ...namesIn(expression.right)];
  }
}
