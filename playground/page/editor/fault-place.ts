/** @file Where in the editor a fault is. Of a broken syntax the editor's own grammar knows the place better than others. */
import { ensureSyntaxTree } from "@codemirror/language";
import type { EditorState } from "@codemirror/state";
import type { SourceFault } from "../../sandbox/messages.ts";
import { operationAt } from "./operators.ts";

export interface PlacedFault {
  readonly message: string;
  /** From 1. */
  readonly line?: number;
  readonly range?: { readonly from: number; readonly to: number };
}

export function placeOf(state: EditorState, { message, line, column }: SourceFault): PlacedFault {
  const broken = message.startsWith("syntax") ? firstBroken(state) : undefined;
  if (broken !== undefined) return brokenAt(state, broken);
  if (line === undefined) return { message };
  const { from, to, text, number } = state.doc.line(Math.min(Math.max(1, line), state.doc.lines));
  const place = from + (column ?? 1) - 1;
  const operation = message.startsWith("an operator of JavaScript") ? operationAt(state, place) : undefined;
  if (operation !== undefined) {
    const { written, meant, ...range } = operation;
    return { message: `${written}: operators of JavaScript know no tensors; write ${meant}`, line: number, range };
  }
  const word = column === undefined || place >= to ? null : state.wordAt(place);
  const range = word ?? { from: from + text.search(/\S|$/), to };
  return { message, line: number, range: { from: range.from, to: range.to } };
}

/** Milliseconds for reading the source; more is not worth it. */
const patience = 50;

/** Offset at which the grammar stumbles first. */
function firstBroken(state: EditorState): number | undefined {
  let broken: number | undefined;
  ensureSyntaxTree(state, state.doc.length, patience)?.iterate({
    enter: ({ type, from }) => {
      if (type.isError) broken ??= from;
    },
  });
  return broken;
}

function brokenAt(state: EditorState, offset: number): PlacedFault {
  // Where something is missing, what follows it is what surprises: it may stand on the next line.
  const gap = /^\s*/.exec(state.sliceDoc(offset))?.[0].length ?? 0;
  const next = offset + gap;
  const token = /^(?:[\w$]+|.)/.exec(state.sliceDoc(next, next + 40))?.[0] ?? "";
  if (token === "") {
    const last = state.doc.lineAt(offset);
    return {
      message: "syntax: something is missing before the end",
      line: last.number,
      range: { from: last.from, to: last.to },
    };
  }
  return {
    message: `syntax: unexpected “${token}”`,
    line: state.doc.lineAt(next).number,
    range: { from: next, to: next + token.length },
  };
}
