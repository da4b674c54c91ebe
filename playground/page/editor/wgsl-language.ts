/** @file Colours for WGSL: its keywords, types, attributes, numbers and comments (WGSL specification, section 3). */
import { StreamLanguage, type StreamParser } from "@codemirror/language";

const keywords =
  /\b(?:alias|break|case|const|const_assert|continue|continuing|default|diagnostic|discard|else|enable|fn|for|if|let|loop|override|requires|return|struct|switch|var|while)\b/;
const types =
  /\b(?:bool|f16|f32|i32|u32|vec[234][fiuh]?|mat[234]x[234][fh]?|array|atomic|ptr|function|private|workgroup|uniform|storage|read|read_write|write)\b/;

interface State {
  /** How many comments are open: they nest. */
  comments: number;
}

const parser: StreamParser<State> = {
  name: "WGSL",
  startState: () => ({ comments: 0 }),
  token: (stream, state) => {
    if (state.comments > 0 || stream.match("/*", false)) {
      while (!stream.eol()) {
        if (stream.match("/*")) state.comments += 1;
        else if (stream.match("*/")) state.comments -= 1;
        else stream.next();
        if (state.comments === 0) break;
      }
      return "comment";
    }
    if (stream.match(/\/\/.*/)) return "comment";
    if (stream.match(/@\w+/)) return "attributeName";
    if (stream.match(/0[xX][0-9a-fA-F]+[iu]?|\d[\d.]*(?:[eE][+-]?\d+)?[fhiu]?/)) return "number";
    if (stream.match(/\b(?:true|false)\b/)) return "bool";
    if (stream.match(keywords)) return "keyword";
    if (stream.match(types)) return "typeName";
    if (stream.match(/[A-Za-z_]\w*(?=\s*\()/)) return "propertyName";
    if (stream.match(/[A-Za-z_]\w*/)) return "variableName";
    stream.next();
    return null;
  },
};

export const wgslLanguage = StreamLanguage.define(parser);
