/** @file Polynomials by Horner's scheme. */
import type { Expressions } from "../expressions.ts";
import type { Expr } from "../ir.ts";

/** c0 + x (c1 + x (c2 + ...)), with coefficients in ascending order of powers. */
export function polynomial(e: Expressions, x: Expr, coefficients: readonly number[]): Expr {
  const [first = 0, ...rest] = coefficients;
  if (rest.length === 0) return e.f32(first);
  return e.add(e.f32(first), e.mul(x, polynomial(e, x, rest)));
}
