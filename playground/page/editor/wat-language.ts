/** @file Colours for WebAssembly's text format: its keywords, types, instructions, names and numbers (specification, section 6). */
import { StreamLanguage, type StreamParser } from "@codemirror/language";

const parser: StreamParser<null> = {
  name: "WebAssembly text",
  startState: () => null,
  token: (stream) => {
    if (stream.match(/;;.*/)) return "comment";
    if (stream.match(/"(?:[^"\\]|\\.)*"/)) return "string";
    if (stream.match(/\$[^\s()";]+/)) return "variableName";
    if (stream.match(/(?:offset|align)=\d+/)) return "attributeName";
    if (stream.match(/[-+]?(?:0x[\da-fA-F.p+-]+|\d[\d.e+-]*|inf|nan(?::0x[\da-fA-F]+)?)(?=[\s()])/)) return "number";
    if (stream.match(/(?:module|func|export|import|memory|param|result|local|block|loop|if|then|else)(?=[\s()])/))
      return "keyword";
    if (stream.match(/(?:[if](?:32|64)|v128|i8x16|i16x8|i32x4|f32x4)(?=[\s()])/)) return "typeName";
    if (stream.match(/[a-z][\w.]*/)) return "propertyName";
    stream.next();
    return null;
  },
};

export const watLanguage = StreamLanguage.define(parser);
