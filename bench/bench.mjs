/** @file Bundles the benchmark from the TypeScript sources, cellgrad's included, and runs it. */
import { bundle } from "./bundle.mjs";

await Promise.all([
  bundle("browser/page.ts", "dist/page.js", "browser"),
  bundle("main.ts", "dist/main.mjs", "node"),
  bundle("node-job.ts", "dist/node-job.mjs", "node"),
]);
await import("./dist/main.mjs");
