/** @file What was meant by a name that is not there: one that is near, one that was not imported, a method of a tensor. */
import { nearest } from "../../compiler/graph/options.ts";
import type { SourceFault } from "./messages.ts";

/** The fault with a suggestion where there is one; `exports` are the names that can be imported. */
export function withMeant(fault: SourceFault, source: string, exports: readonly string[]): SourceFault {
  const message = suggestion(fault.message, source, exports);
  return message === undefined ? fault : { ...fault, message };
}

function suggestion(message: string, source: string, exports: readonly string[]): string | undefined {
  // Chrome and Firefox; then Safari.
  const unknown = /^ReferenceError: (?:([\w$]+) is not defined|Can't find variable: ([\w$]+))/.exec(message);
  const name = unknown?.[1] ?? unknown?.[2];
  if (name !== undefined) {
    if (exports.includes(name)) return `${name} is not imported; add it to the import from "cellgrad"`;
    return didYouMean(`${name} is not defined`, name, [...declaredIn(source), ...exports]);
  }
  const missing = /^cellgrad has no export ([\w$]+)$/.exec(message)?.[1];
  if (missing !== undefined) return didYouMean(message, missing, exports);
  const method = /^TypeError: ([\w$.()]+)\.([\w$]+) is not a function/.exec(message);
  const [, object = "", called = ""] = method ?? [];
  return exports.includes(called) ? `${object} has no method ${called}; write ${called}(${object}, …)` : undefined;
}

function didYouMean(words: string, name: string, known: readonly string[]): string | undefined {
  const near = nearest(name, known);
  return near === undefined ? undefined : `${words}; did you mean ${near}?`;
}

/** Names that a source declares: of constants and functions, and what it takes apart in braces. */
function declaredIn(source: string): string[] {
  const single = [...source.matchAll(/\b(?:const|let|var|function|class)\s+([\w$]+)/g)].map(([, name = ""]) => name);
  const braces = [...source.matchAll(/(?:\(|const|let|var|import)\s*\{([^{}]*)\}/g)].flatMap(([, list = ""]) =>
    list.split(","),
  );
  const inBraces = braces.map(
    (part) =>
      part
        .split(/:|\bas\b/)
        .at(-1)
        ?.trim() ?? "",
  );
  return [...new Set([...single, ...inBraces])].filter((name) => /^[\w$]+$/.test(name));
}
