/** @file The API reference: it is written from the docstrings, and no public name is without one. */
import { execFile } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import * as cellgrad from "../../index.ts";
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

test("npm run docs writes a page for every name of every entry", async () => {
  const folder = mkdtempSync(join(tmpdir(), "cellgrad-reference-"));
  try {
    await promisify(execFile)(process.execPath, [join(root, "scripts/docs.mjs"), folder]);
    const pages = Object.keys(cellgrad).map((name) => `${name}.html`);
    expect(pages.filter((name) => !existsSync(join(folder, "~", name)))).toEqual([]);
    expect(readFileSync(join(folder, "~/createTrainer.html"), "utf8")).toContain("Compiles the training step");
    const entries = Object.keys(exports).filter((name) => name !== ".");
    expect(readdirSync(folder)).toEqual(expect.arrayContaining(entries.map((name) => name.slice(2))));
  } finally {
    rmSync(folder, { recursive: true });
  }
});
