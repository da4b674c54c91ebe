/**
 * @file The API reference: no public name is without a docstring, each entry has its page, and each export its place in it,
 * with usage, signature, texts and source. (`npm run docs` builds the site of these pages and follows its links.)
 *
 * @module-tag slow
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import * as cellgrad from "../../index.ts";
import { apiPages, pageOf, prose } from "../../scripts/docs/api-pages.ts";
import { readEntries, statementAt } from "../../scripts/docs/declarations.ts";
import { denoOutput } from "../support/deno.ts";
import { page, root } from "./pages.ts";

const { exports } = JSON.parse(page("deno.json")) as { exports: Readonly<Record<string, string>> };

test("every public name has a docstring", async () => {
  const { stdout, stderr } = await denoOutput(["doc", "--lint", ...Object.values(exports)], { cwd: root });
  const complaints = `${stdout}${stderr}`;
  // That it looks at all: types that are public only by their uses are complained of as well.
  expect(complaints).toContain("[private-type-ref]");
  const missing = [...complaints.matchAll(/\[missing-jsdoc\].*\n\s*-->\s*(\S+)/g)].map(([, place]) => place);
  expect(missing).toEqual([]);
});

// Where node_modules is found above it, for the types that declarations name.
const folder = mkdtempSync(join(root, "node_modules/.cellgrad-docs-test-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const entries = readEntries(root, join(folder, "declarations"));
const pages = apiPages(root, entries, (file, line) => `source/${file}#L${line}`);

test("each entry has a page with a sentence about it, and stands on the front page with all its exports", () => {
  expect(entries.map(({ module }) => module)).toEqual(
    Object.keys(exports).map((name) => name.replace(".", "cellgrad")),
  );
  const front = pages.get("api/index") ?? "";
  for (const { module, about, exports: names } of entries) {
    expect(about, module).toMatch(/^[A-Z].*\.$/);
    expect(pages.get(pageOf(module)), module).toContain(`# ${module}\n\n${prose(about)}`);
    expect(front).toContain(`## ${module}\n\n${prose(about)}`);
    const page = pageOf(module).replace("api/", "");
    expect(names.filter(({ name }) => !front.includes(`](${page}.md#${name})`))).toEqual([]);
  }
});

test("each export stands once on its page, with usage, signature, texts of all members, and the line of its source", () => {
  expect(Object.keys(cellgrad).length).toBeGreaterThan(100);
  for (const { module, exports: all } of entries) {
    const text = pages.get(pageOf(module)) ?? "";
    for (const { name, kind, file, line, members, texts, signatures } of all) {
      const [, ...found] = text.split(`### ${name} {#${name}}\n`);
      expect(found, `${module} ${name}`).toHaveLength(1);
      expect(text).toContain(`import ${kind === "type" ? "type " : ""}{ ${name} } from "${module}";`);
      expect(texts[0]?.doc?.trim(), `${module} ${name}`).toBeTruthy();
      expect(
        members.filter(({ text: { doc = "" } }) => doc.trim() === "").map((member) => `${name}.${member.name}`),
      ).toEqual([]);
      expect(signatures[0]).toContain(name);
      expect(readFileSync(join(root, file), "utf8").split("\n")[line - 1], `${file}:${line}`).toMatch(
        new RegExp(`\\b${name}\\b`),
      );
    }
  }
  for (const [path, text] of pages) {
    const ids = [...text.matchAll(/ \{#(\S+)\}$/gm)].map(([, id]) => id);
    expect(
      ids.filter((id, i) => ids.indexOf(id) !== i),
      path,
    ).toEqual([]);
  }
  const values = entries[0]?.exports.filter(({ kind }) => kind !== "type").map(({ name }) => name);
  expect(values?.toSorted()).toEqual(Object.keys(cellgrad).toSorted());
});

test("ops are grouped by kind, as docs/reference/ops.md groups them, and options stand at what takes them", () => {
  const text = pages.get("api/cellgrad") ?? "";
  const group = (title: string) => new RegExp(`^## ${title} \\{[^}]*\\}\n(.*?)(?=^## )`, "ms").exec(text)?.[1] ?? "";
  expect(group("Arithmetic")).toContain("### mul {#mul}");
  expect(group("Arithmetic")).not.toContain("### sigmoid");
  expect(group("Activations")).toContain("### sigmoid {#sigmoid}");
  expect(text).toContain('const sigmoid: (x: Tensor<"f32"> | number) => Tensor<"f32">;');
  const trainer = text.split("### createTrainer {")[1]?.split("\n### ")[0];
  for (const line of ["- `device`: ", "Throws `UserError`", "- `learningRate?: number`:"])
    expect(trainer).toContain(line);
  // Of what the options extend.
  expect(trainer).toContain("- `clipNorm?: number");
});

test("a statement ends at its own semicolon or brace", () => {
  const text =
    '/** a */\nexport interface A {\n  /** { */\n  readonly b: { c: "};" };\n}\nexport declare const d: "x;";\n';
  expect(statementAt(text, 1)).toContain('readonly b: { c: "};" };\n}');
  expect(statementAt(text, 5)).toBe('export declare const d: "x;";');
});

test("docstrings become Markdown: plain marks are escaped, indented code is a block", () => {
  expect(prose("a < b in `a<b>`, 4 * B * T")).toBe("a &lt; b in `a<b>`, 4 \\* B \\* T");
  expect(prose("Such as:\n\n    const x = f<A>(\n      1,\n    );\n\nmore")).toBe(
    "Such as:\n\n```ts\nconst x = f<A>(\n  1,\n);\n```\n\nmore",
  );
});
