/** @file The pages in docs/: the guide's program runs, formulas and lists equal the sources, and links lead somewhere. */
import { execFile } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";
import { compileProgram } from "../../compiler/compile.ts";
import { addDims, evaluateDim } from "../../compiler/graph/dim.ts";
import { passes } from "../../compiler/plan-program.ts";
import { adam, lstm, trainingStep } from "../../index.ts";
import { bytesFormula, countWork } from "../../runtime/count-work.ts";
import { f32Tolerance } from "../../testing/tolerance.ts";
import { languageModel } from "../../train/networks.ts";
import { run } from "../cli/run.ts";
import { type Claim, guideClaims, hostsClaims } from "./claims.ts";
import { blocks, logged, page, replaced, root } from "./pages.ts";

const pages = [
  "README.md",
  "CHANGELOG.md",
  "docs/architecture.md",
  "docs/guide.md",
  "docs/testing.md",
  "docs/trust.md",
];

/** A program with checks in it, each behind the line that it is about. */
function checked(program: string, claims: readonly Claim[]): string {
  const all = claims.reduce((text, { after, check }) => {
    if (text.split(after).length !== 2) throw new Error(`the page does not say this once: ${after}`);
    return replaced(text, after, `${after}\n${check}`);
  }, program);
  return `import { expect } from "vitest";\n${all}`;
}

const guide = blocks(page("docs/guide.md"), "ts");

test("the guide's blocks are one program, which runs and does what the guide claims", async () => {
  await logged(checked(guide.join("\n"), guideClaims));
});

test.each(guide.map((block) => [block.split("\n").find((line) => !line.startsWith("import")) ?? "", block]))(
  "something is claimed of the block of: %s",
  (_, block) => expect(guideClaims.filter(({ after }) => block.includes(after))).not.toEqual([]),
);

test("the block of lost devices goes on with what was kept", async () => {
  const [block = ""] = blocks(page("docs/hosts.md"), "js");
  const before = `
import { createTrainer, initialize, openDevice, gru } from "cellgrad";
import { seriesModel } from "cellgrad/networks";
const device = await openDevice();
const network = seriesModel({ cell: gru, units: 2, layers: 1, features: 1 });
const kept = initialize(network.specs, 5);`;
  await logged(`${before}\n${checked(block, hostsClaims)}`);
});

test("the program of device bytes prints the terms of the formula", async () => {
  const text = page("docs/architecture.md");
  const [block = ""] = blocks(text, "ts");
  const imports = [...block.matchAll(/from "(\.\/.*)"/g)].map(([, path = ""]) => path);
  const modules = await Promise.all(imports.map(async (path) => [path, await import(join(root, path))] as const));
  const lines = await logged(block, Object.fromEntries(modules));
  const terms = lines.flatMap((line) => line.slice(line.indexOf(" ") + 1).split(" + "));
  const dims = addDims(terms.map((term) => (Number.isNaN(Number(term)) ? term : Number(term))));
  expect(`4 * (${dims.join(" + ")})`).toBe(blocks(text, "formula")[0]?.trim());
});

/** Where each block of code in the pages is checked. Of the guide's Python: names of an exported model are claims above. */
const places: Readonly<Record<string, string>> = {
  "README.md ts": "test/docs/readme.test.ts",
  "docs/architecture.md ts": "test/docs/docs.test.ts",
  "docs/architecture.md formula": "test/docs/docs.test.ts",
  "docs/guide.md ts": "test/docs/docs.test.ts",
  "docs/guide.md js": "test/docs/page-example.test.ts",
  "docs/guide.md html": "test/examples/compiled-model.test.ts",
  "docs/guide.md python": "test/docs/claims.ts",
  "docs/hosts.md js": "test/docs/docs.test.ts",
  "docs/testing.md ts": "test/docs/docs.test.ts",
};

test("no page has code that no test looks at, and of one kind there is one block but in the guide", () => {
  const kinds = [...pages, "docs/hosts.md"].flatMap((path) =>
    [...page(path).matchAll(/^```(\S+)\n/gm)].map(([, language = ""]) => `${path} ${language}`),
  );
  const code = kinds.filter((kind) => !kind.endsWith(" console") && kind !== "docs/guide.md ts");
  expect(code.toSorted()).toEqual(
    Object.keys(places)
      .filter((kind) => kind !== "docs/guide.md ts")
      .toSorted(),
  );
  for (const file of Object.values(places)) expect(existsSync(join(root, file)), file).toBe(true);
});

test("the types of the guide's and the README's programs are right: an option that there is not is an error", async () => {
  const folder = mkdtempSync(join(root, "node_modules/.docs-"));
  try {
    writeFileSync(join(folder, "guide.ts"), guide.join("\n"));
    writeFileSync(join(folder, "readme.ts"), blocks(page("README.md"), "ts").join("\n"));
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

test("the formula of device bytes is what inspect prints", async () => {
  const [formula = ""] = blocks(page("docs/architecture.md"), "formula");
  const network = languageModel({ cell: lstm, units: 128, layers: 1, vocabulary: 64, embed: 64 });
  const step = trainingStep(network, { optimizer: adam(), clipNorm: 1 });
  const program = compileProgram(step.graph, { donate: step.donate });
  expect(formula.trim()).toBe(bytesFormula(program));
  const { stdout } = await run("inspect");
  expect(stdout).toContain(`            = ${formula}`);
  const terms = /^4 \* \((.*)\)$/.exec(formula.trim())?.[1]?.split(" + ") ?? [];
  for (const sizes of [
    { B: 16, T: 32 },
    { B: 3, T: 7 },
  ]) {
    const elements = terms.reduce((total, term) => total + evaluateDim(term, sizes), 0);
    expect(4 * elements).toBe(countWork(program, sizes).bytes);
  }
});

test("chunk lengths in the table are those of the rule", () => {
  const network = languageModel({ cell: lstm, units: 128, layers: 1, vocabulary: 64, embed: 64 });
  const { graph } = trainingStep(network, { optimizer: adam(), clipNorm: 1 });
  const text = page("docs/architecture.md");
  for (const [name, target] of [
    ["GPU", "gpu"],
    ["software", "software"],
  ] as const) {
    const [, steps] = new RegExp(`^\\| ${name} \\|.*\\| (\\d+) steps \\|$`, "m").exec(text) ?? [];
    const loop = compileProgram(graph, { target }).steps.find((step) => step.kind === "dispatch" && step.chunks);
    expect(loop).toMatchObject({ chunks: { scan: "lstm", steps: Number(steps) } });
  }
});

test("the ten lines of a test are those of the example, which runs with all tests", () => {
  const [lines] = blocks(page("docs/testing.md"), "ts");
  expect(lines).toBe(page("examples/minimal-gated-unit.test.ts"));
});

test("tolerances at the sizes that are named", () => {
  const text = page("docs/testing.md");
  const named = [...text.matchAll(/T = (\d+) and K = (\d+) (?:that|it) is (\d\.\de-\d)/g)];
  expect(named.length).toBe(2);
  for (const [, time, depth, tolerance] of named) {
    expect(f32Tolerance({ time: Number(time), depth: Number(depth) }).toExponential(1)).toBe(tolerance);
  }
});

test("the passes are listed in their order", () => {
  const section = /## Passes\n(.*?)\n## /s.exec(page("docs/architecture.md"))?.[1] ?? "";
  const listed = [...section.matchAll(/^\| `([a-z ]+)` \|/gm)].map(([, name]) => name);
  expect(listed).toEqual(passes.map(({ name }) => name));
});

describe.each(pages)("%s", (path) => {
  const text = page(path);

  test("links lead to files that exist", () => {
    const targets = [...text.matchAll(/\]\((?!https?:)([^)#]+)/g)].map(([, target = ""]) => target);
    expect(targets.filter((target) => !existsSync(join(root, dirname(path), target)))).toEqual([]);
  });

  test("tests that are named exist", () => {
    const runs = [...text.matchAll(/npx vitest run (.*)$/gm)].flatMap(([, files = ""]) => files.trim().split(" "));
    expect(runs.filter((file) => !existsSync(join(root, file)))).toEqual([]);
  });
});
