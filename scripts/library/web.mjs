/**
 * @file The library for pages without a bundler: `dist/web/`, minified ES modules. Each entry is a file, and shared code is
 * in a few chunks that pages load together: the core, each device, and the rest. A browser discovers imports one file at a
 * time, so many small files would be slow.
 */
import { readdirSync, readFileSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { parse } from "es-module-lexer";
import { rolldown } from "rolldown";
import { filesUnder } from "./files.mjs";

/** Entries that need a disk. */
const notInPages = new Set(["node.js"]);

/** What `openDevice` fetches when a page opens such a device. */
const devices = ["webgpu", "cpu"];

/** @returns the names of the files and their sizes in bytes. */
export async function buildForPages(root, dist) {
  const input = Object.fromEntries([
    ["cellgrad", join(dist, "index.js")],
    ...readdirSync(join(dist, "entries"))
      .filter((file) => file.endsWith(".js") && !notInPages.has(file))
      .map((file) => [basename(file, ".js"), join(dist, "entries", file)]),
  ]);
  const name = partOf(dist, input);
  const bundle = await rolldown({
    cwd: root,
    input,
    platform: "browser",
    logLevel: "warn",
    preserveEntrySignatures: "allow-extension",
  });
  const { output } = await bundle.write({
    dir: join(dist, "web"),
    chunkFileNames: "parts/[name].js",
    codeSplitting: { groups: [{ name, debugName: "parts" }], includeDependenciesRecursively: false },
    format: "es",
    minify: true,
  });
  await bundle.close();
  return output.map(({ fileName, code }) => ({ name: fileName, bytes: Buffer.byteLength(code) }));
}

/** The chunk of each module, by path; undefined if only one entry uses it. */
function partOf(dist, input) {
  const needed = new Map(filesUnder(dist, ".js").map((path) => [path, importsOf(path)]));
  const reached = (from) => {
    const found = new Set([from]);
    // A set's loop also visits what is added on the way.
    for (const path of found) for (const next of needed.get(path) ?? []) found.add(next);
    return found;
  };
  const core = reached(input.cellgrad);
  const ofDevice = devices.map((name) => reached(join(dist, `devices/${name}.js`)));
  const entries = Object.values(input);
  const ofEntry = entries.map(reached);
  return (path) => {
    // Parts import no entry, so that no two files import each other.
    if (entries.includes(path)) return undefined;
    if (core.has(path)) return "core";
    const readers = devices.filter((_, i) => ofDevice[i].has(path));
    if (readers.length > 0) return readers.length === 1 ? readers[0] : "compiler";
    return ofEntry.filter((files) => files.has(path)).length > 1 ? "shared" : undefined;
  };
}

/** Paths of the files that a file imports before it runs. */
function importsOf(path) {
  return parse(readFileSync(path, "utf8"))[0].flatMap(({ type, specifier }) =>
    type === "static" && specifier.startsWith(".") ? [resolve(dirname(path), specifier)] : [],
  );
}
