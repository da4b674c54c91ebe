/** @file Equations in the editor: their own grammar colours them. */
import { LanguageSupport, LRLanguage } from "@codemirror/language";
import { styleTags, tags } from "@lezer/highlight";
import { parser } from "../../../interchange/equations/parser.ts";

export function equationLanguage(): LanguageSupport {
  const coloured = parser.configure({
    props: [
      styleTags({
        Name: tags.variableName,
        "Call/Name": tags.function(tags.variableName),
        "Equation/Name Start/Name": tags.definition(tags.variableName),
        Numeral: tags.number,
        Comment: tags.lineComment,
        "Plus Minus Times Dot Divide Caret Equals Tilde Question": tags.operator,
      }),
    ],
  });
  return new LanguageSupport(LRLanguage.define({ parser: coloured, languageData: { commentTokens: { line: "#" } } }));
}
