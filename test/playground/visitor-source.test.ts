/** @file The sources that the editor starts from are the library's own files, written as a visitor would write them. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import * as library from "../../index.ts";
import { asVisitorSource } from "../../playground/page/visitor-source.ts";

const files = ["cells/rnn.ts", "cells/lstm1997.ts", "cells/lstm.ts", "cells/gru.ts", "examples/minimal-gated-unit.ts"];

test.each(files)("%s imports all it needs from the library, and nothing by path", (file) => {
  const source = readFileSync(new URL(`../../${file}`, import.meta.url), "utf8");
  const written = asVisitorSource(source);
  const imports = [...written.matchAll(/^import [^;]*;$/gm)].map(([statement]) => statement);
  expect(imports).toHaveLength(1);
  const names = (/\{([^}]*)\} from "cellgrad"/.exec(imports[0] ?? "")?.[1] ?? "").split(",").map((name) => name.trim());
  for (const name of names.filter((name) => name !== "")) expect(library).toHaveProperty(name);
  const after = (text: string) => text.slice(text.lastIndexOf("\nimport "));
  expect(after(written).split("\n").slice(2)).toEqual(after(source).split("\n").slice(2));
});

test("an import that is too long for a line has a line for each name", () => {
  const names = Array.from({ length: 20 }, (_, i) => `aLongName${i}`);
  const written = asVisitorSource(`import { ${names.join(", ")} } from "../x.ts";\nbody;\n`);
  expect(written).toBe(
    `import {\n${[...names]
      .sort()
      .map((name) => `  ${name},\n`)
      .join("")}} from "cellgrad";\nbody;\n`,
  );
});
