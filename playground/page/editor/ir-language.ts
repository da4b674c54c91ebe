/** @file Colours for printed IR: `%3 = mul(%1, %2): f32[B,8]  // cell.ts:12:9`. */
import { StreamLanguage, type StreamParser } from "@codemirror/language";

const parser: StreamParser<null> = {
  name: "cellgrad IR",
  startState: () => null,
  token: (stream) => {
    if (stream.match(/\/\/.*/)) return "comment";
    if (stream.match(/%\w+/)) return "variableName";
    if (stream.match(/\b(?:graph|return)\b/)) return "keyword";
    if (stream.match(/\b(?:f32|i32|u32|bool)\b(?=\[)/)) return "typeName";
    if (stream.match(/\b\w+(?=\()/)) return "propertyName";
    if (stream.match(/-?\d+(?:\.\d+)?(?:e[+-]?\d+)?/)) return "number";
    if (stream.match(/\b(?:true|false)\b/)) return "bool";
    if (stream.match(/\w+(?==)/)) return null;
    if (stream.match(/[\w/-]+/)) return null;
    stream.next();
    return null;
  },
};

export const irLanguage = StreamLanguage.define(parser);
