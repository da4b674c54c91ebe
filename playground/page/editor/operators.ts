/** @file An operator of JavaScript on tensors, said as the functions of the library: `f * h` is `mul(f, h)`. */
import { ensureSyntaxTree } from "@codemirror/language";
import type { EditorState } from "@codemirror/state";

type SyntaxNode = NonNullable<ReturnType<typeof ensureSyntaxTree>>["topNode"];

const functions: Readonly<Record<string, string>> = {
  "+": "add",
  "-": "sub",
  "*": "mul",
  "/": "div",
  "**": "pow",
  "<": "less",
  ">": "greater",
  "<=": "lessEqual",
  ">=": "greaterEqual",
  "==": "equal",
  "!=": "notEqual",
  "+=": "add",
  "-=": "sub",
  "*=": "mul",
  "/=": "div",
};

/** Milliseconds for reading the source; more is not worth it. */
const patience = 50;

export interface Operation {
  /** As it stands in the source. */
  readonly written: string;
  /** With functions in place of operators. */
  readonly meant: string;
  readonly from: number;
  readonly to: number;
}

/** The expression around an operator at `offset`; undefined where there is none that has a function. */
export function operationAt(state: EditorState, offset: number): Operation | undefined {
  const tree = ensureSyntaxTree(state, state.doc.length, patience);
  let node: SyntaxNode | null | undefined = tree?.resolveInner(offset, 1);
  while (node !== null && node !== undefined && !isOperation(node)) node = node.parent;
  // Its readers may be operators too: then all of them are to be written otherwise.
  while (node?.parent !== null && node?.parent !== undefined && isOperation(outOfParentheses(node).parent ?? node))
    node = outOfParentheses(node).parent ?? node;
  if (node === null || node === undefined) return undefined;
  const { from, to } = node;
  const written = state.sliceDoc(from, to);
  const meant = withFunctions(state, node);
  return meant === written ? undefined : { written, meant, from, to };
}

function isOperation({ name }: SyntaxNode): boolean {
  return name === "BinaryExpression" || name === "UnaryExpression" || name === "AssignmentExpression";
}

/** The outermost pair of parentheses around a node, or itself. */
function outOfParentheses(node: SyntaxNode): SyntaxNode {
  let outer = node;
  while (outer.parent?.name === "ParenthesizedExpression") outer = outer.parent;
  return outer;
}

function withFunctions(state: EditorState, node: SyntaxNode): string {
  const text = state.sliceDoc(node.from, node.to);
  if (node.name === "ParenthesizedExpression") {
    const inner = node.firstChild?.nextSibling;
    const meant = inner === null || inner === undefined ? text : withFunctions(state, inner);
    return meant === state.sliceDoc(inner?.from ?? 0, inner?.to ?? 0) ? text : meant;
  }
  const [first, last] = [node.firstChild, node.lastChild];
  // Arithmetic of numbers alone stays as it is.
  if (first === null || last === null || !isOperation(node) || !/[A-Za-z_$]/.test(text)) return text;
  if (node.name === "UnaryExpression") {
    return state.sliceDoc(first.from, first.to) === "-" ? `neg(${withFunctions(state, last)})` : text;
  }
  const sign = state.sliceDoc(first.to, last.from).trim();
  const name = functions[sign];
  if (name === undefined) return text;
  const call = `${name}(${withFunctions(state, first)}, ${withFunctions(state, last)})`;
  return node.name === "AssignmentExpression" ? `${state.sliceDoc(first.from, first.to)} = ${call}` : call;
}
