/** @file The programs of the guide and the recipes: the blocks of a page are one program, which runs and does what it claims. */
import { execFile } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";
import { openDevice } from "../../index.ts";
import { slow, slowUnless } from "../support/some-of.ts";
import { guideClaims } from "./claims.ts";
import { blocks, checked, logged, page, pages, readmeFiles, root } from "./pages.ts";
import { recipeClaims } from "./recipe-claims.ts";

const claims = { ...guideClaims, ...recipeClaims };
const programs = pages
  .filter((path) => /^docs\/(guide|recipes)\//.test(path))
  .map((path) => [path, blocks(page(path), "ts")] as const)
  .filter(([, texts]) => texts.length > 0);

test("there are claims of the pages that have a program, and of no others", () => {
  expect(Object.keys(claims).toSorted()).toEqual(programs.map(([path]) => path).toSorted());
});

/** What these pages claim takes the interpreter's way. */
const onInterpreter = ["guide/memory", "guide/speed"];
/** Shorter programs than others. */
const short = /guide\/(?!train|layers|objectives|weights)/;
const openCpu = () => openDevice({ device: "cpu", threads: 1 });

describe.each(programs)("%s", (path, texts) => {
  const open = onInterpreter.some((name) => path === `docs/${name}.md`) ? undefined : openCpu;

  test(
    "the blocks are one program, which runs and does what the page claims",
    slowUnless(short.test(path)),
    async () => {
      await logged(checked(texts.join("\n"), claims[path] ?? []), {}, {}, open);
    },
  );

  test("something is claimed of every block", () => {
    const unclaimed = texts.filter((block) => !claims[path]?.some(({ after }) => block.includes(after)));
    expect(unclaimed).toEqual([]);
  });
});

test("the types of all programs are right: an option that there is not is an error", slow, async () => {
  const folder = mkdtempSync(join(root, "node_modules/.docs-"));
  try {
    for (const [path, texts] of programs)
      writeFileSync(join(folder, `${path.replaceAll("/", "-")}.ts`), texts.join("\n"));
    for (const [name, text] of Object.entries(readmeFiles())) writeFileSync(join(folder, name), text);
    expect(readdirSync(folder).length).toBeGreaterThan(10);
    const paths = { cellgrad: [`${root}/index.ts`], "cellgrad/*": [`${root}/entries/*.ts`] };
    const config = {
      extends: `${root}/tsconfig.json`,
      compilerOptions: { paths, rootDir: root },
      include: ["*.ts", `${root}/wasm/webassembly.d.ts`],
      exclude: [],
    };
    writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(config));
    const tsc = join(root, "node_modules/typescript/lib/tsc.js");
    const complaints = await promisify(execFile)(process.execPath, [tsc, "-p", folder]).then(
      ({ stdout }) => stdout,
      ({ stdout }: { stdout: string }) => stdout,
    );
    expect(complaints).toBe("");
  } finally {
    rmSync(folder, { recursive: true });
  }
});
