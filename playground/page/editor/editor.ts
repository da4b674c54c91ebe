/** @file The editor of a cell's source: JavaScript and TypeScript, the library's names, and faults underlined in place. */
import {
  autocompletion,
  type CompletionContext,
  closeBrackets,
  closeBracketsKeymap,
  completionKeymap,
} from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap, isolateHistory } from "@codemirror/commands";
import { javascript } from "@codemirror/lang-javascript";
import { bracketMatching, indentOnInput, syntaxHighlighting } from "@codemirror/language";
import { lintGutter, setDiagnostics } from "@codemirror/lint";
import { Compartment, EditorState, Transaction } from "@codemirror/state";
import { drawSelection, EditorView, highlightActiveLine, keymap, lineNumbers } from "@codemirror/view";
import { classHighlighter } from "@lezer/highlight";
import type { SourceFault } from "../../sandbox/messages.ts";
import { isEquations } from "../equations-cell.ts";
import { equationLanguage } from "./equation-language.ts";
import { type PlacedFault, placeOf } from "./fault-place.ts";

export interface Editor {
  readonly element: HTMLElement;
  /**
   * Shows the source of a cell. Each cell has a history of its own, and where the source is another than the one shown
   * before, the difference is one edit that can be undone.
   */
  readonly open: (cell: number, source: string) => void;
  /** Underlines a fault where its place is known; what it says, and its line, come back. */
  readonly showFault: (fault: SourceFault | undefined) => PlacedFault | undefined;
  /** Puts the cursor on a line, from 1, and the focus into the editor. */
  readonly goTo: (line: number) => void;
  readonly completeNames: (names: readonly string[]) => void;
}

export interface EditorEvents {
  readonly onEdit: (source: string) => void;
  /** The line of the cursor, from 1. */
  readonly onLine: (line: number) => void;
}

const [code, equations] = [javascript({ typescript: true }), equationLanguage()];
const languageOf = (source: string) => (isEquations(source) ? equations : code);

export function createEditor({ onEdit, onLine }: EditorEvents): Editor {
  const language = new Compartment();
  let names: readonly string[] = [];
  /** Of the cells that are not shown. */
  const states = new Map<number, EditorState>();
  let shown: number | undefined;
  const complete = (context: CompletionContext) => {
    const word = context.matchBefore(/\w+/);
    if (word === null) return null;
    return { from: word.from, options: names.map((label) => ({ label, type: "function" })) };
  };
  // Tab leaves the editor, as it leaves any field.
  const extensions = [
    lineNumbers(),
    lintGutter(),
    history(),
    drawSelection(),
    indentOnInput(),
    bracketMatching(),
    closeBrackets(),
    highlightActiveLine(),
    autocompletion({ override: [complete] }),
    keymap.of([...closeBracketsKeymap, ...defaultKeymap, ...historyKeymap, ...completionKeymap]),
    language.of(languageOf("")),
    syntaxHighlighting(classHighlighter),
    EditorView.contentAttributes.of({ "aria-label": "Source of the cell", tabindex: "0", spellcheck: "false" }),
    EditorView.updateListener.of(({ docChanged, selectionSet, state }) => {
      if (docChanged) onEdit(state.doc.toString());
      // An update cannot begin within one.
      if (docChanged) queueMicrotask(() => matchLanguage(view.state.doc.toString()));
      if (docChanged || selectionSet) onLine(state.doc.lineAt(state.selection.main.head).number);
    }),
  ];
  const matchLanguage = (source: string) => {
    const wanted = languageOf(source);
    if (language.get(view.state) !== wanted) view.dispatch({ effects: language.reconfigure(wanted) });
  };
  const view = new EditorView({ state: EditorState.create({ extensions }) });

  return {
    element: view.dom,
    open: (cell, source) => {
      if (cell !== shown) {
        if (shown !== undefined) states.set(shown, view.state);
        shown = cell;
        view.setState(states.get(cell) ?? EditorState.create({ doc: source, extensions }));
      }
      const { doc } = view.state;
      if (doc.toString() !== source)
        view.dispatch({
          changes: { from: 0, to: doc.length, insert: source },
          annotations: [isolateHistory.of("full"), Transaction.userEvent.of("input.replace")],
        });
      matchLanguage(source);
      // The step itself stands last.
      view.dispatch({ effects: EditorView.scrollIntoView(source.length, { y: "end" }) });
    },
    showFault: (fault) => {
      const placed = fault && placeOf(view.state, fault);
      const underlined =
        placed?.range === undefined ? [] : [{ ...placed.range, severity: "error", message: placed.message } as const];
      view.dispatch(setDiagnostics(view.state, underlined));
      return placed;
    },
    goTo: (line) => {
      const { from } = view.state.doc.line(Math.min(Math.max(1, line), view.state.doc.lines));
      view.dispatch({ selection: { anchor: from }, effects: EditorView.scrollIntoView(from, { y: "center" }) });
      view.focus();
    },
    completeNames: (found) => {
      names = found;
    },
  };
}
