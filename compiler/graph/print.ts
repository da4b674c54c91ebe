/**
 * @file Prints a graph, with names that are the same in every run: inputs by name, other values by position. `inspect`
 * shows this text and the golden tests compare it.
 */
import { at } from "./errors.ts";
import { checkGraph, formatAval, type Graph, type Node } from "./graph.ts";
import { checkedOptions } from "./options.ts";

export interface PrintOptions {
  /** Show the source line of each node. */
  readonly sites?: boolean;
}

/** The graph as text, one line per node; the bodies of scans are indented below them. */
export function printGraph(graph: Graph, options: PrintOptions = {}, indent = ""): string {
  checkedOptions("printGraph", options, { sites: "boolean" });
  checkGraph("printGraph", graph);
  const name = (id: number) => nameOf(graph, id);
  const inputs = graph.inputs.map((id) => `${name(id)}: ${formatAval(at(graph.nodes, id).aval)}`);
  const lines = [`${indent}graph ${graph.name}(${inputs.join(", ")}) {`];
  for (const [id, node] of graph.nodes.entries()) {
    if (node.op === "input") continue;
    const call = `${node.op}(${node.operands.map(name).join(", ")})${formatAttrs(node)}`;
    const site = options.sites ? graph.sites[id] : undefined;
    lines.push(`${indent}  ${name(id)} = ${call}: ${formatAval(node.aval)}${site ? `  // ${site}` : ""}`);
    if (node.op === "scan") lines.push(printGraph(node.attrs.body, options, `${indent}    `));
    if (node.op === "customGradient") lines.push(printGraph(node.attrs.vjp, options, `${indent}    `));
  }
  lines.push(`${indent}  return ${graph.outputs.map(name).join(", ")}`, `${indent}}`);
  return lines.join("\n");
}

function nameOf(graph: Graph, id: number): string {
  const node = at(graph.nodes, id);
  return node.op === "input" ? node.attrs.name : `%${id}`;
}

function formatAttrs(node: Node): string {
  if (node.op === "scan") {
    const { consts, carries, length, reverse } = node.attrs;
    return ` {consts=${consts}, carries=${carries}, length=${length}${reverse ? ", reverse" : ""}}`;
  }
  const entries = Object.entries(node.attrs).filter(
    ([key]) => key !== "vjp" && (!(key === "shape" || key === "dtype") || node.op === "iota"),
  );
  if (entries.length === 0) return "";
  return ` {${entries.map(([key, value]) => `${key}=${formatValue(value)}`).join(", ")}}`;
}

function formatValue(value: unknown): string {
  return Array.isArray(value) ? `[${value.join(",")}]` : String(value);
}
