/** @file The forms of all carries of a graph's loops, for people and for tools: what `inspect` shows. */
import { at } from "../graph/errors.ts";
import { type Graph, inputName, nodeAt, type ScanNode } from "../graph/graph.ts";
import { type CarryForm, carryForms, type FormCause } from "./carry-forms.ts";

/** Carries of one loop that are computed together. */
export interface CarryReport {
  /** The name of the loop's body, such as `lstm`, or `lstm.vjp` for its backward pass. */
  readonly scan: string;
  /** Names of the carries: those of the graph's inputs where they start, else `carry0`, `carry1`, … */
  readonly carries: readonly string[];
  readonly form: CarryForm;
  /** The op because of which the form is diagonal or dense; absent otherwise. */
  readonly cause?: FormCause;
}

/** The carries of all loops of a graph, in the order of the graph; loops inside loops follow the loop around them. */
export function carryReports(graph: Graph): CarryReport[] {
  return graph.nodes.flatMap((node) => {
    if (node.op !== "scan") return [];
    const own = carryForms(node.attrs).map(({ carries, form, cause }): CarryReport => {
      const names = carries.map((carry) => nameOf(graph, node, carry));
      return { scan: node.attrs.body.name, carries: names, form, ...(cause && { cause }) };
    });
    return [...own, ...carryReports(node.attrs.body)];
  });
}

function nameOf(graph: Graph, { attrs, operands }: ScanNode, carry: number): string {
  const initial = at(operands, attrs.consts + carry);
  return nodeAt(graph, initial).op === "input" ? inputName(graph, initial) : `carry${carry}`;
}

const equations: Readonly<Record<CarryForm, string>> = {
  delayed: "delayed: a value of the step before",
  affine: "affine: s' = a s + b",
  blocks: "affine in blocks: s' = A s + b",
  "max-plus": "max-plus: s' = max(s + a, b)",
  "min-plus": "min-plus: s' = min(s + a, b)",
  diagonal: "diagonal",
  dense: "dense",
};

/** One line, such as `sru: carry0 diagonal, because of sigmoid, cells/sru.ts:25:41`. */
export function carryLine({ scan, carries, form, cause }: CarryReport): string {
  const because =
    cause === undefined ? "" : `, because of ${cause.op}${cause.site === undefined ? "" : `, ${cause.site}`}`;
  return `${scan}: ${carries.join(", ")} ${equations[form]}${because}`;
}
