/** @file What each pass does, in a line: for people who look at a compilation. */
import type { passes } from "./plan-program.ts";

const lines: Readonly<Record<(typeof passes)[number]["name"], string>> = {
  simplify: "drop additions of 0 and products with 1",
  dead: "drop what no output needs, in and out of loops",
  "invariant carries": "a loop-invariant carry becomes a const of its loop",
  "split products": "concat(a, b)·W becomes a·W_a + b·W_b",
  hoist: "products that wait for no carry move before the loop, over all time steps at once",
  sink: "products that no carry waits for, and sums over time, move behind the loop",
  lookups: "a product of rows looked up in a small table becomes a lookup in the table's product",
  "clean up": "simplify and drop what the moves left behind",
};

/** Undefined for what is no pass: the graph as it was traced. */
export function aboutPass(name: string): string | undefined {
  return Object.hasOwn(lines, name) ? lines[name as keyof typeof lines] : undefined;
}
