/** @file Links of all pages lead to files and headings that exist, and entries that pages and docstrings name are there. */
import { existsSync, readdirSync } from "node:fs";
import { basename, dirname, join, normalize } from "node:path";
import { describe, expect, test } from "vitest";
import { slug } from "../../scripts/docs/slug.ts";
import { page, pages, root } from "./pages.ts";

/** Without its code, in which brackets and hashes mean something else. */
function prose(text: string): string {
  return text.replace(/^```.*?^```$/gms, "").replace(/`[^`\n]*`/g, (code) => code.replace(/[[\]()#]/g, "_"));
}

function anchors(path: string): Set<string> {
  const headings = [
    ...page(path)
      .replace(/^```.*?^```$/gms, "")
      .matchAll(/^#+ (.*)$/gm),
  ].map(([, text = ""]) => text);
  return new Set(headings.map((heading) => slug(heading.replace(/\[([^\]]*)\]\([^)]*\)/g, "$1").replace(/[`*]/g, ""))));
}

/** What is wrong with a link of a page, or nothing. */
function fault(path: string, target: string): string | undefined {
  const [file = "", anchor] = target.split("#");
  const resolved = file === "" ? path : normalize(join(dirname(path), file)).replaceAll("\\", "/");
  if (!existsSync(join(root, resolved))) return `${target}: there is no ${resolved}`;
  if (anchor !== undefined && resolved.endsWith(".md") && !anchors(resolved).has(anchor))
    return `${target}: ${resolved} has no heading #${anchor}`;
  return undefined;
}

describe.each(pages)("%s", (path) => {
  const targets = [...prose(page(path)).matchAll(/\]\((?!https?:|mailto:)([^)\s]+)\)/g)].map(
    ([, target = ""]) => target,
  );

  test("links lead to files and headings that exist", () => {
    expect(targets.flatMap((target) => fault(path, target) ?? [])).toEqual([]);
  });

  test("entries that are named exist", () => {
    const entries = new Set(readdirSync(join(root, "entries")).map((file) => basename(file, ".ts")));
    const named = [...page(path).matchAll(/["`]cellgrad\/([a-z]+)["`]/g)].map(([, name = ""]) => name);
    expect(named.filter((name) => !entries.has(name))).toEqual([]);
  });
});

test("the check finds a file, a heading and an anchor that are not there", () => {
  expect(fault("docs/hosts.md", "nowhere.md")).toContain("there is no docs/nowhere.md");
  expect(fault("docs/hosts.md", "guide/train.md#nothing")).toContain("has no heading #nothing");
  expect(fault("docs/hosts.md", "#nothing")).toContain("has no heading #nothing");
  expect(fault("docs/hosts.md", "#the-cpu")).toBeUndefined();
});

test("every page of docs/ can be reached from the README or the first page of the guide", () => {
  const seen = new Set<string>();
  const visit = (path: string) => {
    if (seen.has(path) || !path.endsWith(".md") || !existsSync(join(root, path))) return;
    seen.add(path);
    for (const [, target = ""] of prose(page(path)).matchAll(/\]\((?!https?:)([^)#\s]+)/g))
      visit(normalize(join(dirname(path), target)).replaceAll("\\", "/"));
  };
  for (const start of ["README.md", "docs/guide/get-started.md"]) visit(start);
  expect(pages.filter((path) => path.startsWith("docs/") && !seen.has(path))).toEqual([]);
});
