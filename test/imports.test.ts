/**
 * @file Imports run one way. The folders form layers, compiler/'s own folders form layers within, no file takes part in
 * a cycle, and what a browser loads imports no package. The rules are the two tables below.
 */
import { readdirSync, readFileSync } from "node:fs";
import { posix } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { ownFolders } from "../compiler/trace/site.ts";

/** Which other folders a folder may import. "" is the root: index.ts. */
const LAYERS: Record<string, readonly string[]> = {
  shaders: ["compiler"],
  wasm: ["compiler"],
  compiler: ["shaders", "wasm"],
  cells: ["compiler"],
  runtime: ["compiler"],
  devices: ["compiler", "runtime", "wasm"],
  train: ["compiler", "devices", "cells"],
  interchange: ["compiler", "cells", "runtime", "train", "wasm"],
  "": ["shaders", "compiler", "cells", "runtime", "devices", "train"],
  testing: ["", "compiler", "devices", "train"],
  disk: ["", "compiler", "cells", "train", "interchange"],
  cli: ["", "shaders", "compiler", "cells", "runtime", "devices", "train", "interchange", "testing", "disk"],
  entries: ["", "shaders", "compiler", "cells", "runtime", "devices", "train", "interchange", "testing", "disk"],
  playground: ["", "shaders", "compiler", "cells", "runtime", "devices", "train", "interchange", "testing"],
};

/** Only the types: the program is data, and running it needs nothing of how it was made. The grammar itself is shared. */
const TYPES_ONLY = ["runtime -> compiler"];
const GRAMMAR = "compiler/graph/";

/** What a renderer of kernels may know of the compiler. */
const KERNELS = ["compiler/kernel/", GRAMMAR];

/** compiler/'s folders in order: each imports those before it. Files directly in compiler/ import all of them. */
const COMPILER = ["graph", "kernel", "trace", "ops", "autodiff", "dsl", "passes", "recurrence", "plan"];

/** What no browser loads, or only as one bundle, and so may import packages and Node's own modules. */
const HOST_ONLY = ["cli/", "disk/", "entries/node.ts", "playground/", "runtime/hosts/"];

/** What a folder may import though a browser loads it: packages that run anywhere. */
const PACKAGES: Record<string, readonly string[]> = {
  "interchange/equations/": ["@lezer/common", "@lezer/lr"],
  "interchange/onnx/": ["@bufbuild/protobuf"],
  "testing/": ["fast-check"],
  "train/data/series-text.ts": ["csv-parse"],
  "train/data/tokenizer.ts": ["@huggingface/tokenizers"],
  "train/logs/event-file.ts": ["@bufbuild/protobuf"],
};

interface Import {
  readonly from: string;
  readonly to: string;
  readonly typeOnly: boolean;
}

/** All that is wrong with a set of files (path -> text), a line each. */
function violations(files: Readonly<Record<string, string>>): string[] {
  const imports = Object.entries(files).flatMap(([from, text]) => importsOf(from, text));
  return [...imports.flatMap(wrongDirection), ...cycles(Object.keys(files), imports)];
}

/** Imports begin a line in formatted code, which those in comments and examples do not; `import(...)` may be anywhere. */
function importsOf(from: string, text: string): Import[] {
  const whole = [...text.matchAll(/^(?:import|export)\s+(type\s)?[^;"']*?\bfrom\s*"([^"]+)"/gm)];
  const bare = [...text.matchAll(/^import()\s*"([^"]+)"/gm), ...text.matchAll(/\bimport()\(\s*"([^"]+)"/g)];
  return [...whole, ...bare].map(([, type, specifier = ""]) => ({
    from,
    to: specifier.startsWith(".") ? posix.join(posix.dirname(from), specifier) : specifier,
    typeOnly: Boolean(type),
  }));
}

function wrongDirection({ from, to, typeOnly }: Import): string[] {
  const problem = (rule: string) => [`${from} imports ${to}: ${rule}`];
  const isHostOnly = HOST_ONLY.some((path) => from.startsWith(path));
  if (!to.endsWith(".ts")) {
    const allowed = Object.entries(PACKAGES).some(
      ([folder, names]) => from.startsWith(folder) && names.some((name) => to === name || to.startsWith(`${name}/`)),
    );
    return isHostOnly || allowed ? [] : problem("a browser loads this file");
  }
  const [importer, imported] = [layer(from), layer(to)];
  if (importer !== imported) {
    const edge = `${importer || "the root"} -> ${imported || "the root"}`;
    if (!LAYERS[importer]?.includes(imported)) return problem(`${edge} is not allowed`);
    if (imported === "disk" && !isHostOnly) return problem("a browser loads this file");
    if ((importer === "shaders" || importer === "wasm") && !KERNELS.some((path) => to.startsWith(path)))
      return problem(`${edge} is allowed for the kernel IR only`);
    return TYPES_ONLY.includes(edge) && !typeOnly && !to.startsWith(GRAMMAR)
      ? problem(`${edge} is allowed for types only`)
      : [];
  }
  const [inner, outer] = [stage(from), stage(to)];
  return importer === "compiler" && inner < outer ? problem("this runs against the order of compiler/") : [];
}

function layer(file: string): string {
  return file.includes("/") ? (file.split("/")[0] ?? "") : "";
}

/** A file's place in the order of compiler/; files directly in it come after all folders, and so do unknown folders. */
function stage(file: string): number {
  const place = COMPILER.indexOf(file.split("/")[1] ?? "");
  return place < 0 ? COMPILER.length : place;
}

/**
 * Each cycle, as the path that closes it, imports of types alone included: files that need each other's types are one
 * idea in several files, or a type that belongs to neither.
 */
function cycles(files: readonly string[], imports: readonly Import[]): string[] {
  const next = new Map<string, string[]>(files.map((file) => [file, []]));
  for (const { from, to } of imports) next.get(from)?.push(to);
  const found: string[] = [];
  const done = new Set<string>();
  const visit = (file: string, path: readonly string[]) => {
    const start = path.indexOf(file);
    if (start >= 0) found.push(`cycle: ${[...path.slice(start), file].join(" -> ")}`);
    if (start >= 0 || done.has(file)) return;
    for (const to of next.get(file) ?? []) visit(to, [...path, file]);
    done.add(file);
  };
  for (const file of files) visit(file, []);
  return found;
}

/** The package's own sources, by path from the root. */
function sources(): Record<string, string> {
  const root = fileURLToPath(new URL("..", import.meta.url));
  const paths = readdirSync(root).flatMap((name) => {
    if (name === "index.ts") return [name];
    if (name === "" || LAYERS[name] === undefined) return [];
    const inside = readdirSync(posix.join(root, name), { recursive: true, encoding: "utf8" });
    return inside.filter((file) => file.endsWith(".ts")).map((file) => `${name}/${file.replaceAll("\\", "/")}`);
  });
  return Object.fromEntries(paths.map((path) => [path, readFileSync(posix.join(root, path), "utf8")]));
}

test("the sources keep to the rules", () => {
  expect(violations(sources())).toEqual([]);
});

test("stacks are walked past every folder of the library but the cells, whose lines readers want to see", () => {
  const folders = Object.keys(LAYERS).filter((name) => name !== "" && name !== "playground");
  expect([...ownFolders, "cells"].sort()).toEqual([...folders, "bin"].sort());
});

test("allowed imports pass", () => {
  const files = {
    "index.ts": 'export * from "./compiler/compile.ts";\nexport { fit } from "./train/fit.ts";',
    "cli/main.ts": 'import { readFile } from "node:fs/promises";\nimport { fit } from "../index.ts";',
    "devices/device.ts": 'import { run } from "../runtime/run.ts";',
    "train/fit.ts": 'import { Device } from "../devices/device.ts";\nimport {\n  lstm,\n} from "../cells/lstm.ts";',
    "runtime/run.ts": 'import type { Program } from "../compiler/plan/program.ts";\nawait import("./hosts/node.ts");',
    "runtime/hosts/node.ts": 'import { join } from "node:path";',
    "cells/lstm.ts":
      '/**\n * import { fit } from "../train/fit.ts";\n */\nimport { add } from "../compiler/ops/add.ts";',
    "compiler/compile.ts": 'import { plan } from "./plan/program.ts";\nimport { render } from "../shaders/kernel.ts";',
    "compiler/plan/program.ts": 'import { add } from "../ops/add.ts";',
    "compiler/ops/add.ts": 'import type { Graph } from "../graph/graph.ts";',
    "compiler/graph/graph.ts": "export interface Graph {}",
    "compiler/kernel/ir.ts": "export interface Kernel {}",
    "shaders/kernel.ts": 'import type { Kernel } from "../compiler/kernel/ir.ts";',
  };
  expect(violations(files)).toEqual([]);
});

const PLANTED: [title: string, from: string, statement: string, expected: RegExp][] = [
  ["a lower folder", "compiler/a.ts", 'import { fit } from "../train/fit.ts";', /compiler -> train is not allowed/],
  ["a type alone", "cells/a.ts", 'import type { Fit } from "../train/fit.ts";', /cells -> train is not allowed/],
  ["over several lines", "shaders/a.ts", 'import {\n  a,\n  b,\n} from "../compiler/b.ts";', /shaders -> compiler/],
  ["past the devices", "train/a.ts", 'import { run } from "../runtime/run.ts";', /train -> runtime is not allowed/],
  ["by export", "train/a.ts", 'export * from "../cli/main.ts";', /train -> cli is not allowed/],
  ["for its effect", "train/a.ts", 'import "../index.ts";', /train -> the root is not allowed/],
  ["at run time", "index.ts", 'const x = await import("./cli/main.ts");', /the root -> cli is not allowed/],
  ["the playground", "train/a.ts", 'import { x } from "../playground/x.ts";', /train -> playground is not allowed/],
  ["out of the package", "cli/a.ts", 'import { x } from "../test/x.ts";', /cli -> test is not allowed/],
  ["a value for types", "runtime/a.ts", 'import { x } from "../compiler/x.ts";', /for types only/],
  ["within compiler", "compiler/ops/a.ts", 'import type { P } from "../passes/fuse.ts";', /against the order/],
  ["compiler's top", "compiler/plan/a.ts", 'import { compile } from "../compile.ts";', /against the order/],
  ["the command line", "entries/node.ts", 'export { main } from "../cli/main.ts";', /entries -> cli is not allowed/],
  ["a page's command line", "playground/a.ts", 'import { x } from "../cli/x.ts";', /playground -> cli is not allowed/],
  ["files in a page", "entries/a.ts", 'export { readText } from "../disk/a.ts";', /a browser loads this file/],
  ["Node's modules", "train/a.ts", 'import { readFile } from "node:fs/promises";', /a browser loads this file/],
  ["another package", "interchange/onnx/a.ts", 'import { z } from "zod";', /a browser loads this file/],
  ["a folder's package", "interchange/a.ts", 'import { z } from "@bufbuild/protobuf";', /a browser loads this file/],
  ["a package", "compiler/a.ts", 'import { z } from "zod";', /a browser loads this file/],
];

test.each(PLANTED)("a planted violation is found: %s", (_title, from, statement, expected) => {
  const found = violations({ [from]: `/** @file A header. */\n${statement}\n` });
  expect(found).toEqual([expect.stringMatching(expected)]);
});

const CYCLE = {
  "compiler/graph/a.ts": 'import { b } from "./b.ts";',
  "compiler/graph/b.ts": 'export { c } from "./c.ts";',
  "compiler/graph/c.ts": 'import { a } from "./a.ts";',
  "compiler/graph/d.ts": 'import { a } from "./a.ts";',
};

test("a planted cycle is found", () => {
  const path = ["a", "b", "c", "a"].map((file) => `compiler/graph/${file}.ts`).join(" -> ");
  expect(violations(CYCLE)).toEqual([`cycle: ${path}`]);
});

test("a cycle of which one import is of types alone is one", () => {
  const files = { ...CYCLE, "compiler/graph/c.ts": 'import type { A } from "./a.ts";' };
  expect(violations(files)).toEqual([expect.stringMatching(/^cycle: /)]);
});
