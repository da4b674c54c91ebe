/**
 * @file Runs a visitor's source as the module that it is: types are taken off, `import … from "cellgrad"` means the
 * library of this script, and nothing else can be imported. Lines stay where they are, so an error's line is right.
 */
import { parse } from "es-module-lexer/minimal/js";
import { transform } from "sucrase";
import * as library from "../../index.ts";
import { FaultyLine, positionOf } from "./fault.ts";

/** The file that errors and nodes name. */
export const sourceName = "cell.ts";

const holder = "cellgradLibrary";
Object.assign(globalThis, { [holder]: library });
export const libraryNames: readonly string[] = Object.keys(library);
const libraryModule = blobUrl(libraryNames.map((name) => `export const ${name} = ${holder}.${name};`).join("\n"));

/** What the module exports. Throws a FaultyLine, or whatever the code throws as it is loaded. */
export async function runSource(source: string): Promise<Readonly<Record<string, unknown>>> {
  const address = blobUrl(`${withLibrary(withoutTypes(source))}\n//# sourceURL=${sourceName}`);
  try {
    return (await import(/* @vite-ignore */ address)) as Record<string, unknown>;
  } catch (error) {
    throw missingExport(error, source) ?? error;
  } finally {
    URL.revokeObjectURL(address);
  }
}

function withoutTypes(source: string): string {
  try {
    return transform(source, { transforms: ["typescript"], disableESTransforms: true, keepUnusedImports: true }).code;
  } catch (error) {
    throw syntaxFault(error);
  }
}

/** Sucrase ends its messages with "(line:column)". */
function syntaxFault(error: unknown): unknown {
  const message = error instanceof Error ? error.message : String(error);
  const place = /\((\d+):(\d+)\)\s*$/.exec(message);
  if (place === null) return error;
  const words = message.replace(/^Error parsing \S+: /, "").replace(/\s*\(\d+:\d+\)\s*$/, "");
  return new FaultyLine(`syntax: ${words}`, Number(place[1]), Number(place[2]));
}

function withLibrary(code: string): string {
  let result = "";
  let done = 0;
  for (const { n: name, s: start, e: end, d: dynamic } of parse(code)[0]) {
    if (dynamic === -2) continue;
    const { line, column } = positionOf(code, start);
    if (dynamic >= 0)
      throw new FaultyLine('import(…) is not possible here; import from "cellgrad" at the top', line, column);
    if (name !== "cellgrad")
      throw new FaultyLine(`import from "${name}" is not possible here; only "cellgrad" can be imported`, line, column);
    result += code.slice(done, start) + libraryModule;
    done = end;
  }
  return result + code.slice(done);
}

/** A name that the library lacks, placed where it is imported: the browser tells the name alone. */
function missingExport(error: unknown, source: string): FaultyLine | undefined {
  if (!(error instanceof SyntaxError)) return undefined;
  const name =
    /export named '([\w$]+)'/.exec(error.message)?.[1] ?? /(?:import|export):? '?([\w$]+)'?/.exec(error.message)?.[1];
  const offset = name === undefined ? -1 : source.search(new RegExp(`\\b${name.replaceAll("$", "\\$")}\\b`));
  if (name === undefined || offset < 0) return new FaultyLine(`syntax: ${error.message}`);
  const { line, column } = positionOf(source, offset);
  return new FaultyLine(`cellgrad has no export ${name}`, line, column);
}

function blobUrl(text: string): string {
  return URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
}
