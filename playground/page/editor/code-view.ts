/** @file Shows code that is read and not written: printed IR, WGSL. Long texts are cheap, since only what is seen is drawn. */
import { type Language, syntaxHighlighting } from "@codemirror/language";
import { Compartment, EditorState } from "@codemirror/state";
import { EditorView, lineNumbers } from "@codemirror/view";
import { classHighlighter } from "@lezer/highlight";

export interface CodeView {
  readonly element: HTMLElement;
  readonly show: (text: string, language: Language) => void;
}

export function createCodeView(label: string): CodeView {
  const language = new Compartment();
  const view = new EditorView({
    extensions: [
      lineNumbers(),
      EditorState.readOnly.of(true),
      EditorView.contentAttributes.of({ "aria-label": label, tabindex: "0" }),
      syntaxHighlighting(classHighlighter),
      language.of([]),
    ],
  });
  return {
    element: view.dom,
    show: (text, chosen) =>
      view.dispatch({
        changes: { from: 0, to: view.state.doc.length, insert: text },
        selection: { anchor: 0 },
        effects: [language.reconfigure(chosen), EditorView.scrollIntoView(0)],
      }),
  };
}
