/** @file What is done to a built site: it depends on no folder, and a link that leads nowhere is found. (CI builds the real one.) */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect, test } from "vitest";
import { brokenLinks } from "../../scripts/docs/check-site.ts";
import { baseMark, relocate } from "../../scripts/docs/relocate.ts";
import { SourcePages } from "../../scripts/docs/source-pages.ts";
import { root } from "./pages.ts";

/** Runs a task on a folder of these files. */
async function withSite(files: Readonly<Record<string, string>>, task: (folder: string) => void | Promise<void>) {
  const folder = mkdtempSync(join(tmpdir(), "cellgrad-site-"));
  try {
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(folder, path)), { recursive: true });
      writeFileSync(join(folder, path), text);
    }
    await task(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test("pages, styles and scripts find each other from any folder", async () => {
  const data = JSON.stringify(JSON.stringify({ base: baseMark }));
  const files = {
    "index.html": `<body><a href="${baseMark}guide/a.html">a</a></body>`,
    "guide/a.html": `<body><a href="${baseMark}">home</a><script>window.__VP_HASH_MAP__={};window.data=JSON.parse(${data})</script></body>`,
    "assets/style.css": `@font-face{src:url(${baseMark}assets/a.woff2)}`,
    "assets/chunks/app.js": `export const [one, two] = ["${baseMark}x", \`${baseMark}\${1 + 1}\`]; export const other = '/"/';`,
  };
  await withSite(files, async (folder) => {
    relocate(folder);
    const text = (path: string) => readFileSync(join(folder, path), "utf8");
    expect(text("index.html")).toContain('href="./guide/a.html"');
    expect(text("guide/a.html")).toContain('href="../"');
    expect(text("assets/style.css")).toBe("@font-face{src:url(../assets/a.woff2)}");
    const script = await import(/* @vite-ignore */ pathToFileURL(join(folder, "assets/chunks/app.js")).href);
    expect([script.one, script.two, script.other]).toEqual([`${folder}/x`, `${folder}/2`, '/"/']);
    // What the page's own script reads is computed from where the page is.
    const [, code = ""] = /<script>(window\.__VP.*?)<\/script>/.exec(text("guide/a.html")) ?? [];
    const page: { data?: { base: string } } = {};
    new Function("window", "location", code)(page, { href: "https://example.org/some/folder/guide/a.html" });
    expect(page.data?.base).toBe("/some/folder/");
  });
});

test("links to files and places that are not there are found, and those that depend on the folder", async () => {
  const files = {
    "index.html":
      '<a href="./a.html#here">1</a> <a href="./a.html#there">2</a> <a href="./b.html">3</a> <a href="/a.html">4</a>',
    "a.html":
      '<h1 id="here">a</h1><a href="#here">5</a> <a href="#gone">6</a> <a href="https://example.org/x">7</a> <a href="./">8</a>',
  };
  await withSite(files, (folder) => {
    expect(brokenLinks(folder).toSorted()).toEqual([
      "a.html: #gone leads to a place that is not there",
      "index.html: ./a.html#there leads to a place that is not there",
      "index.html: ./b.html leads to b.html, which is not there",
      "index.html: /a.html depends on where the site lies",
    ]);
  });
});

test("sources have a page with an anchor for each line, and folders one of their files", async () => {
  const sources = new SourcePages(root);
  expect(sources.link("cells/gru.ts", "api/cellgrad", 3)).toBe("../source/cells/gru.ts.html#L3");
  expect(sources.link("cells", "index")).toBe("./source/cells.html");
  await withSite({ "index.html": "" }, (folder) => {
    sources.write(folder);
    const lines = readFileSync(join(root, "cells/gru.ts"), "utf8").trimEnd().split("\n").length;
    const page = readFileSync(join(folder, "source/cells/gru.ts.html"), "utf8");
    expect(page.match(/ id="L\d+"/g)).toHaveLength(lines);
    expect(page).not.toContain("<Names");
    expect(readFileSync(join(folder, "source/cells.html"), "utf8")).toContain('href="./cells/gru.ts.html"');
    expect(brokenLinks(folder)).toEqual([]);
  });
});
