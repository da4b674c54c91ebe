/**
 * @file How the playground is served and built. The page and its device worker are modules; the code that visitors write
 * runs in a bundle of its own (see sandbox/bundle.ts). Addresses are relative, so that any folder of any server will do.
 */
import { fileURLToPath } from "node:url";
import { defineConfig } from "vite";
import { isolation } from "./isolation.ts";
import { sandboxBundle } from "./sandbox/bundle.ts";
import { zooSources } from "./zoo-sources.ts";

const at = (path: string) => fileURLToPath(new URL(path, import.meta.url));

/** The library's own sources stand for the package. */
const library = {
  alias: [
    { find: /^cellgrad$/, replacement: at("../index.ts") },
    // What only Node and Deno load; the package's "browser" field says the same to other bundlers.
    { find: /^\.\/hosts\/(node|deno)\.ts$/, replacement: at("./no-host.ts") },
  ],
};

export default defineConfig({
  root: at("."),
  base: "./",
  resolve: library,
  plugins: [zooSources(), sandboxBundle(library)],
  worker: { format: "es" },
  server: { fs: { allow: [at("..")] }, headers: isolation },
  preview: { headers: isolation },
  optimizeDeps: { include: ["csv-parse/browser/esm/sync"] },
  // The sandbox's script and the page are each one piece, for good reasons.
  build: {
    chunkSizeWarningLimit: 1000,
    rolldownOptions: { checks: { pluginTimings: false } },
    outDir: at("../dist-playground"),
    emptyOutDir: true,
    target: "es2022",
  },
});
