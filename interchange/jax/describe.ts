/** @file Shapes and parameters in the words of docstrings, and parameters as Python expressions. */
import type { Shape } from "../../compiler/graph/dim.ts";
import type { Aval } from "../../compiler/graph/graph.ts";
import { quoted } from "./python.ts";

/** `f32 [B, 4]`; a scalar has no brackets. */
export function describeAval({ dtype, shape }: Aval): string {
  return shape.length === 0 ? dtype : `${dtype} ${describeShape(shape)}`;
}

export function describeShape(shape: Shape): string {
  return `[${shape.join(", ")}]`;
}

/** `c, h [B, 4]; n [B]`: names with equal shapes together. */
export function describeAll(entries: readonly (readonly [string, Aval])[]): string {
  const byAval = new Map<string, string[]>();
  for (const [name, aval] of entries) byAval.set(describeAval(aval), [...(byAval.get(describeAval(aval)) ?? []), name]);
  return [...byAval].map(([aval, names]) => `${names.join(", ")} ${aval}`).join("; ");
}

/** The expression of a parameter or of a tree of them. */
export function parameterText(root: string, path: readonly string[]): string {
  return `${root}${path.map((part) => `[${quoted(part)}]`).join("")}`;
}
