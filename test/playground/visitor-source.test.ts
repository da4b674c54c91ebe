/** @file The cells that the editor starts from are all of the zoo, written as a visitor would write them. */
import { transform } from "sucrase";
import { expect, test } from "vitest";
import { zoo } from "../../cells/zoo.ts";
import type { CellDefinition } from "../../compiler/dsl/cell.ts";
import { traceCell } from "../../compiler/dsl/traced-cell.ts";
import * as library from "../../index.ts";
import { headline } from "../../playground/page/headline.ts";
import { asVisitorSource } from "../../playground/page/visitor-source.ts";
import { zooPresets } from "../../playground/zoo-sources.ts";

const presets = zooPresets();

/** What the source exports, with nothing but the library to import from. */
function exportsOf(source: string): Record<string, unknown> {
  const { code } = transform(source, { transforms: ["typescript", "imports"] });
  const exports: Record<string, unknown> = {};
  const from = (name: string) => {
    if (name !== "cellgrad") throw new Error(`it imports ${name}`);
    return library;
  };
  new Function("require", "exports", code)(from, exports);
  return exports;
}

/** The nodes of a cell's step, without the lines that they come from. */
function nodesOf({ traces }: ReturnType<typeof traceCell>): string {
  return JSON.stringify(traces[0]?.graph.nodes, (key, value) => (key === "sites" ? undefined : value));
}

test("there is one to start from for each cell of the zoo, in its order", () => {
  expect(presets.map(({ name }) => name)).toEqual(Object.keys(zoo));
});

test.each(presets)("$name comes from the library alone, and is the zoo's cell", ({ name, source }) => {
  expect([...source.matchAll(/^import /gm)]).toHaveLength(1);
  const names = /\{([^}]*)\} from "cellgrad"/.exec(source)?.[1] ?? "";
  for (const imported of names.split(",").map((text) => text.trim()))
    if (imported !== "" && !imported.startsWith("type ")) expect(library).toHaveProperty(imported);
  const { default: only, ...exported } = exportsOf(source);
  const [definition = only] = [only, ...Object.values(exported)].filter((value) => value !== undefined);
  const sizes = [{ units: 8, features: 16 }];
  const written = traceCell(definition as CellDefinition, sizes);
  const known = traceCell(zoo[name] as CellDefinition, sizes);
  expect(written.name).toBe(name);
  expect(nodesOf(written)).toBe(nodesOf(known));
});

test.each(presets)("$name is introduced by a sentence with its paper", ({ about }) => {
  expect(about).toMatch(/(?:19|20)\d\d|PyTorch/);
  expect(about).not.toMatch(/\.$|\n|@file/);
  expect(about.length).toBeLessThan(330);
});

test.each([
  ["/** @file One cell: Cho et al. 2014, eq. 3. It does more. */", "One cell: Cho et al. 2014, eq. 3"],
  ["/**\n * @file A cell.\n * By Ba 2016, eqs. 1-2. More.\n *\n *   h = 1\n */", "A cell. By Ba 2016, eqs. 1-2"],
  ["/** @file A cell of no paper. Really. */", "A cell of no paper. Really"],
])("%j begins with %j", (source, sentence) => {
  expect(headline(source)).toBe(sentence);
});

test("checks of options are for the library alone", () => {
  const written = asVisitorSource(
    [
      'import { checkedOptions } from "../compiler/graph/options.ts";',
      'import type { Tensor } from "../compiler/trace/tensor.ts";',
      'import { cell } from "../compiler/dsl/cell.ts";',
      "",
      "export function mine(options: { readonly n?: number } = {}) {",
      '  const { n = 3 } = checkedOptions("mine", options, { n: "number", of: { a: 1, b: 2 } });',
      '  wholeOption("mine", "n (a, b", n);',
      '  const share = equalShare("mine", n, "units", wholeOption("mine", "n", n), "parts");',
      "  return cell(at(names, 0) as Tensor, share);",
      "}",
      "",
    ].join("\n"),
  );
  expect(written).toBe(
    [
      'import { cell, type Tensor } from "cellgrad";',
      "",
      "export function mine(options: { readonly n?: number } = {}) {",
      "  const { n = 3 } = options;",
      "  const share = n / n;",
      "  return cell(names[0] as Tensor, share);",
      "}",
      "",
      "export default mine();",
      "",
    ].join("\n"),
  );
});

test("an import that is too long for a line has a line for each name", () => {
  const names = Array.from({ length: 20 }, (_, i) => `aLongName${i}`);
  const body = `${names.join("(")}\n`;
  const written = asVisitorSource(`import { ${names.join(", ")} } from "../x.ts";\n${body}`);
  expect(written).toBe(
    `import {\n${[...names]
      .sort()
      .map((name) => `  ${name},\n`)
      .join("")}} from "cellgrad";\n${body}`,
  );
});
