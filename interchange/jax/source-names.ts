/**
 * @file Names and comments from the lines where a graph's nodes were written: `const gate = sigmoid(…)` makes the value of
 * that line `gate`, with the line as comment above it.
 */
import type { Graph, NodeId, Site } from "../../compiler/graph/graph.ts";

/** The text of the line at a site; undefined if it is not known. */
export type SourceLine = (site: Site) => string | undefined;

export interface SourceNames {
  readonly names: ReadonlyMap<NodeId, string>;
  readonly comments: ReadonlyMap<NodeId, string>;
}

const declaration =
  /^\s*(?:export\s+)?(?:const|let|var)\s+(?:(\w+)\s*(?::[^=]+)?|\[([^\]]*)\]\s*(?::[^=]+)?)\s*=\s*(.*)$/;

/** The left-hand side of an equation of a .cell file. */
const equation = /^\s*(\w+)()\s*=\s*(.*)$/;

export function sourceNames(graph: Graph, needed: ReadonlySet<NodeId>, lineOf: SourceLine | undefined): SourceNames {
  const names = new Map<NodeId, string>();
  const comments = new Map<NodeId, string>();
  if (lineOf === undefined) return { names, comments };
  for (const [line, ids] of nodesByLine(graph, needed)) {
    const text = lineOf(line);
    if (text === undefined) continue;
    for (const id of ids) comments.set(id, equationOf(text));
    const [, one, several, value = ""] = (/\.cell:\d+$/.test(line) ? equation : declaration).exec(text) ?? [];
    // A function's line is where it was written, not a value.
    if (value.includes("=>") || value.startsWith("function")) continue;
    const declared = one !== undefined ? [one] : (several ?? "").split(",").map((name) => name.trim());
    const tops = topsOf(graph, ids);
    if (declared.length !== tops.length) continue;
    for (const [i, id] of tops.entries()) {
      const name = declared[i] ?? "";
      if (/^\w+$/.test(name)) names.set(id, name);
    }
  }
  return { names, comments };
}

/** A line without what JavaScript needs around an equation. */
function equationOf(line: string): string {
  return line
    .trim()
    .replace(/^(?:export\s+)?(?:const|let|var)\s+/, "")
    .replace(/;$/, "");
}

function nodesByLine(graph: Graph, needed: ReadonlySet<NodeId>): Map<Site, NodeId[]> {
  const found = new Map<Site, NodeId[]>();
  for (const [id, node] of graph.nodes.entries()) {
    const site = graph.sites[id];
    if (!needed.has(id) || site === undefined || node.op === "input" || node.op === "constant") continue;
    const line = site.replace(/:\d+$/, "");
    found.set(line, [...(found.get(line) ?? []), id]);
  }
  return found;
}

/** The nodes of a line that no other node of it reads: the results of what is written there. */
function topsOf(graph: Graph, ids: readonly NodeId[]): NodeId[] {
  const read = new Set(ids.flatMap((id) => graph.nodes[id]?.operands ?? []));
  return ids.filter((id) => !read.has(id) && graph.nodes[id]?.op !== "scan");
}
