/** @file Bundles the TypeScript sources, cellgrad's included. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const path = (relative) => fileURLToPath(new URL(relative, import.meta.url));
const versionOf = (file) => JSON.parse(readFileSync(path(file), "utf8")).version;

/** Bundles one entry into one file; `platform` is "browser" or "node". */
export async function bundle(entry, outfile, platform, options = {}) {
  await build({
    entryPoints: [path(entry)],
    outfile: path(outfile),
    bundle: true,
    format: "esm",
    target: platform === "browser" ? "chrome120" : "node20",
    platform,
    alias: { cellgrad: path("../index.ts") },
    // An entry that compares with nothing gives its own: the others need not be installed then.
    define: options.define ?? {
      BENCH_VERSIONS: JSON.stringify({
        cellgrad: versionOf("../package.json"),
        jax: versionOf("node_modules/@jax-js/jax/package.json"),
      }),
    },
    external: platform === "node" ? ["webgpu", "@sparticuz/chromium", "esbuild"] : [],
    logLevel: "warning",
    ...options,
  });
}
