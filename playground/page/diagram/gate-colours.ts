/**
 * @file Colours of gates: each scope of a cell's parameters has one, in the order in which the cell asks for them, so that
 * a gate looks the same in the drawing and in the heat map.
 */
import type { CellTrace } from "../../../compiler/dsl/traced-cell.ts";

/** Colour variables by scope, such as "forget". */
export type ScopeColours = ReadonlyMap<string, string>;

const colours = 6;

export function coloursOf(scopes: readonly string[]): ScopeColours {
  return new Map([...new Set(scopes)].map((scope, i) => [scope, `var(--gate-${i % colours})`]));
}

export function gateColours(trace: CellTrace | undefined): ScopeColours {
  return coloursOf((trace?.parameters ?? []).map(({ path }) => path.split("/").slice(0, -1).join("/") || path));
}
