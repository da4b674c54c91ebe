/** @file The source of a cell of this library as a person outside of it would write it. */

const lineWidth = 100;

/** The same source with one `import … from "cellgrad"` in place of imports by path, and without the note to its users. */
export function asVisitorSource(source: string): string {
  const imports = /^import \{([^}]*)\} from "(?:\.[^"]*|cellgrad)";\n/gm;
  const names = [...source.matchAll(imports)].flatMap(([, list = ""]) => list.split(",").map((name) => name.trim()));
  const sorted = names.filter((name) => name !== "").sort();
  const place = source.search(imports);
  const rest = source.replaceAll(imports, "");
  return rest.slice(0, place) + importOf(sorted) + rest.slice(place);
}

function importOf(names: readonly string[]): string {
  const short = `import { ${names.join(", ")} } from "cellgrad";\n`;
  return short.length <= lineWidth
    ? short
    : `import {\n${names.map((name) => `  ${name},\n`).join("")}} from "cellgrad";\n`;
}
