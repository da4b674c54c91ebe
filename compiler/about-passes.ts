/** @file One line per pass on what it does, for `inspect`. */
import type { halfPass, passes } from "./optimize.ts";

const lines: Readonly<Record<(typeof passes)[number]["name"] | (typeof halfPass)["name"], string>> = {
  "custom gradients": "replace results of custom gradients by their values",
  simplify: "drop additions of 0 and products with 1",
  dead: "drop nodes that no output needs, inside loops too",
  "invariant carries": "a loop-invariant carry becomes a const of its loop",
  stacks: "stacks of products, such as one for each head, get one form",
  "split products": "concat(a, b)·W becomes a·W_a + b·W_b",
  hoist: "products that depend on no carry move before the loop, over all time steps at once",
  sink: "products that no carry depends on, and sums over time, move after the loop",
  "batch in front": "values that enter or leave a loop have the batch as their first axis",
  lookups: "a product of rows looked up in a small table becomes a lookup in the table's product",
  "clean up": "simplify, and drop nodes that are no longer needed",
  half: "round what loops store in every step to f16: the only pass that changes values",
};

/** The line for a pass; undefined for a name that is not a pass, such as that of the traced graph. */
export function aboutPass(name: string): string | undefined {
  return Object.hasOwn(lines, name) ? lines[name as keyof typeof lines] : undefined;
}
