/** @file Reads the pages for their tests: blocks of code, links, and running what a page shows. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { createJiti } from "jiti";
import { expect } from "vitest";
import * as cellgrad from "../../index.ts";
import type { Claim } from "./claims.ts";

export const root = fileURLToPath(new URL("../..", import.meta.url));

export function page(path: string): string {
  return readFileSync(join(root, path), "utf8");
}

/** All pages, of folders within docs/ too. */
export const pages: readonly string[] = [
  ...["README.md", "CHANGELOG.md", "CONTRIBUTING.md"].filter((path) => existsSync(join(root, path))),
  ...readdirSync(join(root, "docs"), { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".md"))
    .map((path) => `docs/${path.replaceAll("\\", "/")}`)
    .toSorted(),
];

/** The texts of all fenced blocks of a language. */
export function blocks(markdown: string, language: string): string[] {
  return [...markdown.matchAll(/^```(\S*)\n(.*?)^```$/gms)].flatMap(([, name, text = ""]) =>
    name === language ? [text] : [],
  );
}

/** The entries beside the root, by the names under which programs import them. */
async function entries(): Promise<Record<string, Record<string, unknown>>> {
  const names = readdirSync(join(root, "entries")).map((file) => basename(file, ".ts"));
  return Object.fromEntries(
    await Promise.all(
      names.map(async (name) => [`cellgrad/${name}`, await import(join(root, "entries", `${name}.ts`))] as const),
    ),
  );
}

/**
 * Runs a program that imports "cellgrad", with the interpreter as every device unless another is opened, and gives the lines
 * it logs. It may import `expect` of Vitest, other modules that are given, and files beside it.
 */
export async function logged(
  program: string,
  others: Readonly<Record<string, object>> = {},
  files: Readonly<Record<string, string>> = {},
  openDevice: () => Promise<cellgrad.Device> = async () => cellgrad.openInterpreter(),
): Promise<string[]> {
  const folder = mkdtempSync(join(tmpdir(), "cellgrad-docs-"));
  const file = join(folder, "program.ts");
  for (const [name, text] of Object.entries({ ...files, "program.ts": program }))
    writeFileSync(join(folder, name), text);
  const lines: string[] = [];
  const log = console.log;
  console.log = (...words: unknown[]) => lines.push(words.map(String).join(" "));
  try {
    const virtualModules = {
      ...(await entries()),
      cellgrad: { ...cellgrad, openDevice },
      vitest: { expect },
      ...others,
    };
    const jiti = createJiti(file, { virtualModules, fsCache: false });
    await jiti.import(file);
  } finally {
    console.log = log;
    rmSync(folder, { recursive: true });
  }
  return lines;
}

/** `text` with `from`, which must stand in it, replaced. */
export function replaced(text: string, from: string, to: string): string {
  if (!text.includes(from)) throw new Error(`the page no longer says ${from}`);
  return text.replace(from, to);
}

/** A program with checks in it, each behind the line that it is about. */
export function checked(program: string, claims: readonly Claim[]): string {
  const all = claims.reduce((text, { after, check }) => {
    if (text.split(after).length !== 2) throw new Error(`the page does not say this once: ${after}`);
    return replaced(text, after, `${after}\n${check}`);
  }, program);
  return `import { expect } from "vitest";\n${all}`;
}

/** The README's cell and the program that trains it, by the names of their files. */
export function readmeFiles(): { readonly "my-cell.ts": string; readonly "program.ts": string } {
  const [cell = "", program = ""] = blocks(page("README.md"), "ts");
  return { "my-cell.ts": cell, "program.ts": program };
}
