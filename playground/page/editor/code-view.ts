/** @file Shows code that is read and not written: printed IR, WGSL. Long texts are cheap, since only what is seen is drawn. */
import { type Language, syntaxHighlighting } from "@codemirror/language";
import { EditorState } from "@codemirror/state";
import { EditorView, lineNumbers } from "@codemirror/view";
import { classHighlighter } from "@lezer/highlight";

export interface CodeView {
  readonly element: HTMLElement;
  readonly show: (text: string, language: Language) => void;
}

export function createCodeView(label: string): CodeView {
  const stateOf = (doc: string, language?: Language) =>
    EditorState.create({
      doc,
      extensions: [
        lineNumbers(),
        EditorState.readOnly.of(true),
        EditorView.contentAttributes.of({ "aria-label": label }),
        syntaxHighlighting(classHighlighter),
        ...(language === undefined ? [] : [language]),
      ],
    });
  const view = new EditorView({ state: stateOf("") });
  return { element: view.dom, show: (text, language) => view.setState(stateOf(text, language)) };
}
