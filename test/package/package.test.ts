/**
 * @file The package as others get it: packed, installed into a fresh project, and used there by TypeScript, Node, Deno
 * and Vite. Then its weight, and that a bundler leaves out what a program does not use.
 *
 * @module-tag slow
 */
import { execFile } from "node:child_process";
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";
import { build as esbuild } from "esbuild";
import { zipSync } from "fflate";
import { afterAll, beforeAll, expect, test } from "vitest";
import { launchBrowser } from "../support/browser.ts";
import { deno } from "../support/deno.ts";
import { openFolder } from "../support/page.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const entries = readdirSync(join(root, "entries")).map((file) => basename(file, ".ts"));
const read = (path: string) => JSON.parse(readFileSync(join(root, path), "utf8")) as Record<string, unknown>;

const run = promisify(execFile);
const fresh = mkdtempSync(join(tmpdir(), "cellgrad-fresh-"));

interface Trained {
  readonly device: string;
  readonly losses: readonly number[];
}

let ofNode: Trained & { readonly kind: string; readonly paths: readonly string[] };

beforeAll(async () => {
  cpSync(fileURLToPath(new URL("fresh", import.meta.url)), fresh, { recursive: true });
  // What `npm pack` does by itself, but for installing: that would take the packages away from tests that are running.
  await run(process.execPath, [join(root, "scripts/library.mjs")]);
  await npm(root, "pack", "--ignore-scripts", "--pack-destination", fresh);
  const [tarball = ""] = readdirSync(fresh).filter((file) => file.endsWith(".tgz"));
  const peers = ["webgpu", "@sparticuz/chromium"].map((name) => `${name}@${installedVersion(name)}`);
  await npm(fresh, "install", "--prefer-offline", "--no-audit", "--no-fund", `./${tarball}`, ...peers);
  // The compiler checks the package's types, and makes of the program what Node 20 runs.
  await run(process.execPath, [bin("typescript", "tsc"), "-p", fresh]);
  const { stdout } = await run(process.execPath, [join(fresh, "built/program.js")], { cwd: fresh });
  ofNode = JSON.parse(stdout);
});

afterAll(() => rmSync(fresh, { recursive: true, force: true }));

/** Under `npm test` the variables of this package would make npm work on it wherever it is started. */
async function npm(cwd: string, ...args: readonly string[]): Promise<void> {
  await run("npm", [...args, "--loglevel=error"], { cwd, env: withoutNpm(), shell: process.platform === "win32" });
}

const withoutNpm = () => Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^npm_/i.test(name)));

function installedVersion(name: string): string {
  return String(read(`node_modules/${name}/package.json`).version);
}

/** The script behind a package's command. */
function bin(name: string, command: string): string {
  const manifest = read(`node_modules/${name}/package.json`) as { bin: Readonly<Record<string, string>> };
  return join(root, "node_modules", name, manifest.bin[command] ?? "");
}

test("its command trains, prints the next command as it works there, and demonstrates on a text that is there", async () => {
  const rows = Array.from({ length: 60 }, (_, i) => `${i},5;${i % 7},25`);
  writeFileSync(join(fresh, "my table.csv"), `a;b\n${rows.join("\n")}\n`);
  const command = join(fresh, "node_modules/.bin/cellgrad");
  const sizes = ["--units", "2", "--batch", "2", "--time", "4", "--steps", "1", "--device", "interpreter"];
  const trained = await run(command, ["train", "my table.csv", ...sizes, "--out", "m.st"], { cwd: fresh });
  const [, next = ""] = /use it with: (.*)\n/.exec(trained.stdout) ?? [];
  expect(next).toBe("npx cellgrad forecast m.st 'my table.csv'");
  const { stdout } = await run("sh", ["-c", `${next} --device interpreter --horizon 2`], {
    cwd: fresh,
    env: withoutNpm(),
  });
  expect(stdout).toMatch(/^a,b\n\S+\n\S+\n$/);
  const shown = await run(command, ["start", "--steps", "1", "--device", "cpu"], { cwd: fresh });
  expect(shown.stdout).toMatch(/^[^\n]+: [\d,]+ characters, \d+ different/);
});

test("a fresh Node project trains with it, and reads its model again", () => {
  expect(ofNode.losses.length).toBeGreaterThan(5);
  expect(ofNode.losses.at(-1)).toBeLessThan(0.95 * (ofNode.losses[0] ?? 0));
  expect(ofNode.kind).toBe("text");
  expect(ofNode.paths).toContain("layers/0/gru/update/kernel");
});

test("its types need neither those of WebGPU nor those of the DOM", async () => {
  const options = [
    "--noEmit",
    "--strict",
    "--target",
    "es2023",
    "--lib",
    "es2023",
    "--types",
    "",
    "--module",
    "nodenext",
  ];
  await run(process.execPath, [bin("typescript", "tsc"), ...options, "--ignoreConfig", "train.ts"], { cwd: fresh });
});

test("it installs no other package, and ships the licences of those inside", async () => {
  const { packages } = JSON.parse(readFileSync(join(fresh, "node_modules/.package-lock.json"), "utf8"));
  const { dependencies = {} } = packages["node_modules/cellgrad"] as { dependencies?: Record<string, string> };
  expect(dependencies).toEqual({});
  const licences = readFileSync(join(fresh, "node_modules/cellgrad/dist/third-party/LICENSES.md"), "utf8");
  const names = [...licences.matchAll(/^## (\S+) \S+ \(.+\)$/gm)].map(([, name]) => name);
  expect(names).toEqual(expect.arrayContaining(["commander", "csv-parse", "fast-check", "pure-rand", "jiti"]));
  expect(licences).toContain("Copyright (c) 2011 TJ Holowaychuk");
  const folder = join(fresh, "node_modules/cellgrad/dist/third-party");
  for (const file of readdirSync(folder).filter((name) => name.endsWith(".js")))
    expect(Object.keys(await import(join(folder, file)))).not.toEqual([]);
});

test("its command checks a cell in TypeScript, writes ONNX and reads a zip, with no other package installed", async () => {
  cpSync(join(root, "examples/minimal-gated-unit.ts"), join(fresh, "mine.ts"));
  const command = join(fresh, "node_modules/cellgrad/bin/cellgrad.mjs");
  const checked = await run(process.execPath, [command, "check", "mine.ts", "--cases", "2"], { cwd: fresh });
  expect(checked.stdout).toMatch(/^right$/m);
  const onnx = ["export", "m.st", "--to", "onnx", "--out", "m.onnx"];
  await run(process.execPath, [command, ...onnx], { cwd: fresh });
  expect(readFileSync(join(fresh, "m.onnx")).length).toBeGreaterThan(500);
  writeFileSync(join(fresh, "weights.keras"), zipSync({ "config.json": new TextEncoder().encode("{}") }));
  const imported = run(process.execPath, [command, "import", "weights.keras", "--from", "keras", "--out", "k.st"], {
    cwd: fresh,
  });
  await expect(imported).rejects.toMatchObject({ code: 2, stderr: expect.stringContaining("is a zip without") });
});

test("its command runs", async () => {
  const command = join(fresh, "node_modules/cellgrad/bin/cellgrad.mjs");
  const { stdout } = await run(process.execPath, [command, "inspect", "--cell", "gru", "--units", "4"], { cwd: fresh });
  expect(stdout).toMatch(/^kernels +\d+$/m);
});

test("a Deno script trains with it", async () => {
  const output = await deno(["run", "-A", "--no-remote", "program.ts"], { cwd: fresh });
  const { losses, kind } = JSON.parse(output) as typeof ofNode;
  expect(apart(losses, ofNode.losses)).toBeLessThan(1e-4);
  expect(kind).toBe("text");
});

test("a fresh Vite project builds without a warning, and its page trains", async () => {
  const warnings: string[] = [];
  const warn = (message: string) => warnings.push(message);
  const { build, createLogger } = await import("vite");
  const customLogger = { ...createLogger("silent"), warn, warnOnce: warn };
  await build({
    root: fresh,
    configFile: false,
    logLevel: "silent",
    customLogger,
    build: { outDir: join(fresh, "site") },
  });
  expect(warnings).toEqual([]);

  const browser = await launchBrowser();
  try {
    const page = await openFolder(browser, join(fresh, "site"));
    const errors: string[] = [];
    page.on("pageerror", (error) => errors.push(error.message));
    const text = await page.waitForFunction("document.body.textContent.trim()");
    const { device, losses } = JSON.parse(String(await text.jsonValue())) as Trained;
    expect(errors).toEqual([]);
    expect(device).toBe("WebAssembly SIMD, 1 thread");
    expect(apart(losses, ofNode.losses)).toBeLessThan(1e-4);
  } finally {
    await browser.close();
  }
});

test("the README's page trains without a bundler", async () => {
  const readme = readFileSync(join(root, "README.md"), "utf8");
  const [, html = ""] = /^```html\n(.*?)^```$/ms.exec(readme) ?? [];
  expect(html.trim().split("\n").length).toBeLessThanOrEqual(10);
  expect(html).toContain('from "./node_modules/cellgrad/dist/web/cellgrad.js"');
  // Each can be the first that a page loads.
  const web = join(fresh, "node_modules/cellgrad/dist/web");
  for (const file of readdirSync(web).filter((name) => name.endsWith(".js")))
    await run(process.execPath, ["--input-type=module", "-e", `await import(${JSON.stringify(join(web, file))})`]);
  writeFileSync(join(fresh, "index.html"), html);
  const browser = await launchBrowser();
  try {
    const page = await openFolder(browser, fresh);
    const errors: string[] = [];
    page.on("pageerror", (error) => errors.push(error.message));
    await page.waitForFunction("document.body.textContent.split('loss').length > 10");
    const losses = [...((await page.textContent("body")) ?? "").matchAll(/loss (\d\.\d{3}) /g)].map(([, loss]) =>
      Number(loss),
    );
    expect(losses.at(-1)).toBeLessThan(0.9 * (losses[0] ?? 0));
    expect(errors).toEqual([]);
  } finally {
    await browser.close();
  }
});

function apart(a: readonly number[], b: readonly number[]): number {
  expect(a).toHaveLength(b.length);
  return Math.max(...a.map((loss, i) => Math.abs(loss - (b[i] ?? Number.NaN))));
}

test("every entry can be imported, from the package and in deno.json", async () => {
  const names = ["cellgrad", ...entries.map((entry) => `cellgrad/${entry}`)];
  const script = `const all = await Promise.all(${JSON.stringify(names)}.map((name) => import(name)));
    console.log(JSON.stringify(all.map((entry) => Object.keys(entry).length)));`;
  const { stdout } = await run(process.execPath, ["--input-type=module", "-e", script], { cwd: fresh });
  expect((JSON.parse(stdout) as number[]).filter((count) => count === 0)).toEqual([]);
  const files = ["./index.ts", ...entries.map((entry) => `./entries/${entry}.ts`)];
  const { exports, imports } = read("deno.json");
  expect(imports).toEqual(Object.fromEntries(names.map((name, i) => [name, files[i]])));
  expect(exports).toEqual(Object.fromEntries(names.map((name, i) => [name.replace("cellgrad", "."), files[i]])));
});

test("a program that a person saves in the clone is not compiled into the package", () => {
  const { include } = read("tsconfig.build.json") as { include: string[] };
  expect(include.filter((path) => path !== "index.ts" && !/^[a-z]+$/.test(path))).toEqual([]);
});

test("the package has one version", () => {
  expect(read("deno.json").version).toBe(read("package.json").version);
});

interface Bundle {
  /** What the program takes. */
  readonly text: string;
  /** What is fetched when it is called for. */
  readonly later: string;
  /** What of that comes with a file of the package, and not with another. */
  readonly fetchedWith: (file: string, other?: string) => string;
}

/**
 * A program bundled and minified for browsers. Without `splitting` all is one text. (esbuild splits by file: a file that
 * both need goes into the first whole.)
 */
async function bundled(program: string, splitting = true): Promise<Bundle> {
  const { outputFiles, metafile } = await esbuild({
    stdin: { contents: program, resolveDir: fresh },
    bundle: true,
    format: "esm",
    metafile: true,
    minify: true,
    outdir: fresh,
    platform: "browser",
    splitting,
    write: false,
  });
  const paths = Object.keys(metafile.outputs);
  const closure = (isRoot: (entryPoint: string) => boolean): Set<string> => {
    const found = new Set<string>();
    const fetch = (path: string): void => {
      if (found.has(path)) return;
      found.add(path);
      for (const { path: needed, kind } of metafile.outputs[path]?.imports ?? [])
        if (kind === "import-statement") fetch(needed);
    };
    for (const path of paths) if (isRoot(metafile.outputs[path]?.entryPoint ?? "")) fetch(path);
    return found;
  };
  const first = closure((entryPoint) => entryPoint === "<stdin>");
  const textOf = (isPart: (path: string) => boolean) =>
    outputFiles.flatMap(({ text }, i) => (isPart(paths[i] ?? "") ? [text] : [])).join("");
  return {
    text: textOf((path) => first.has(path)),
    later: textOf((path) => !first.has(path)),
    fetchedWith: (file, other) => {
      const found = closure((entryPoint) => entryPoint.endsWith(file));
      const others = other === undefined ? [] : closure((entryPoint) => entryPoint.endsWith(other));
      const known = new Set([...first, ...others]);
      expect(found.size).toBeGreaterThan(0);
      return textOf((path) => found.has(path) && !known.has(path));
    },
  };
}

test("the root entry takes less than 60 kB compressed, the back end of WebGPU less than 100 kB, the CPU's less than 30 kB beside what both need, and the chunks of a trainer less than 12 kB", async () => {
  const { text, later, fetchedWith } = await bundled('import * as cellgrad from "cellgrad"; console.log(cellgrad);');
  const [webgpu, cpu] = [fetchedWith("devices/webgpu.js"), fetchedWith("devices/cpu.js")];
  const sizeOf = (part: string) => gzipSync(part, { level: 9 }).length;
  const chunks = sizeOf(fetchedWith("train/trainer-parts.js", "devices/webgpu.js"));
  const foreign = sizeOf(fetchedWith("devices/foreign.js", "devices/webgpu.js"));
  const all = sizeOf(later) - chunks - foreign;
  const sizes = { root: sizeOf(text), webgpu: sizeOf(webgpu), cpu: sizeOf(cpu), cpuAlone: all - sizeOf(webgpu) };
  const kilobytes = (bytes: number) => `${(bytes / 1000).toFixed(1)} kB`;
  console.log(
    `root entry: ${kilobytes(sizes.root)} gzipped, fetched with a WebGPU device: ${kilobytes(sizes.webgpu)}, with the CPU: ${kilobytes(sizes.cpu)}, ${kilobytes(sizes.cpuAlone)} more than with WebGPU; with a trainer: ${kilobytes(chunks)}`,
  );
  expect(chunks).toBeLessThan(12_000);
  expect(sizes.root).toBeLessThan(60_000);
  expect(sizes.webgpu).toBeLessThan(100_000);
  expect(sizes.cpuAlone).toBeLessThan(30_000);
  // Who traces, checks or interprets loads no kernel's text and no runtime, and each device its own alone.
  // A word of each: WGSL, the door to WebGPU, and WebAssembly's vectors.
  const words = ["@compute", "requestAdapter", "v128.load"];
  const wordsIn = (part: string) => words.filter((word) => part.includes(word));
  expect([wordsIn(text), wordsIn(webgpu)]).toEqual([[], words.slice(0, 2)]);
  expect(wordsIn(cpu)).toContain("v128.load");
  expect(wordsIn(cpu)).not.toContain("requestAdapter");
  expect(text + later).not.toContain("@sparticuz/chromium@");
});

test("what a program does not use is left out of its bundle", async () => {
  const { text } = await bundled('import { ndarray } from "cellgrad"; console.log(ndarray);', false);
  // `ndarray` itself with what it refuses, and in which words.
  expect(text.length).toBeLessThan(2000);
  const { text: cells } = await bundled(
    'import { cell, dense, tanh } from "cellgrad"; console.log(cell, dense, tanh);',
    false,
  );
  expect(cells).not.toContain("requestAdapter");
  expect(cells).not.toContain("@compute");
});
