/** @file The source of a cell of this library as a person outside of it would write it. */

const lineWidth = 100;

/** What stands for a call of one of the library's own checks, given its arguments. */
const inlined: Readonly<Record<string, (args: readonly string[]) => string>> = {
  checkedOptions: ([, options = ""]) => options,
  wholeOption: ([, , value = ""]) => value,
  equalShare: ([, total = "", , parts = ""]) => `${total} / ${parts}`,
  at: ([list = "", index = ""]) => `${list}[${index}]`,
};

/**
 * The same source with one `import … from "cellgrad"` in place of imports by path, without the checks of options that only
 * the library has, and with the default form of a cell with options as the cell that is exported.
 */
export function asVisitorSource(source: string): string {
  const imports = /^import (type )?\{([^}]*)\} from "(?:\.[^"]*|cellgrad)";\n/gm;
  const imported = [...source.matchAll(imports)].flatMap(([, type = "", list = ""]) =>
    list
      .split(",")
      .map((name) => name.trim())
      .filter((name) => name !== "")
      .map((name) => (type === "" ? name : `type ${name}`)),
  );
  const place = source.search(imports);
  const rest = withoutChecks(source.slice(place).replaceAll(imports, ""));
  const used = imported.filter((name) => new RegExp(`\\b${name.replace("type ", "")}\\b`).test(rest)).sort(byName);
  return source.slice(0, place) + importOf(used) + rest + defaultOf(rest);
}

function byName(a: string, b: string): number {
  const plain = (name: string) => name.replace("type ", "").toLowerCase();
  return plain(a) < plain(b) ? -1 : 1;
}

function importOf(names: readonly string[]): string {
  const short = `import { ${names.join(", ")} } from "cellgrad";\n`;
  return short.length <= lineWidth
    ? short
    : `import {\n${names.map((name) => `  ${name},\n`).join("")}} from "cellgrad";\n`;
}

function withoutChecks(body: string): string {
  let text = body;
  for (const [name, write] of Object.entries(inlined)) {
    const call = new RegExp(`(?<![.\\w])${name}\\(`);
    for (let found = call.exec(text); found !== null; found = call.exec(text)) {
      const start = found.index + found[0].length;
      const { args, end } = argumentsAt(text, start);
      const statement = text.slice(0, found.index).endsWith("\n  ") && text.startsWith(";\n", end);
      // A check by itself leaves nothing.
      text = statement
        ? text.slice(0, found.index - 2) + text.slice(end + 2)
        : text.slice(0, found.index) + write(args) + text.slice(end);
    }
  }
  return text;
}

/** The arguments of a call whose first begins at `start`, and where the text goes on after it. */
function argumentsAt(text: string, start: number): { args: string[]; end: number } {
  const args: string[] = [];
  let depth = 0;
  let begin = start;
  for (let i = start; i < text.length; i++) {
    const character = text.charAt(i);
    if (character === '"') i = text.indexOf('"', i + 1);
    else if ("([{".includes(character)) depth++;
    else if (depth > 0 && ")]}".includes(character)) depth--;
    else if (depth === 0 && (character === "," || character === ")")) {
      args.push(text.slice(begin, i).trim());
      begin = i + 1;
      if (character === ")") return { args, end: i + 1 };
    }
  }
  throw new Error("the source of a cell has a call without an end");
}

/** What a file exports that makes its cell from options is called with none. */
function defaultOf(body: string): string {
  const [, factory] = /^export function (\w+)\(options\b/m.exec(body) ?? [];
  return factory === undefined ? "" : `\nexport default ${factory}();\n`;
}
