/** @file `npm run bench:cpu`: bundles the CPU benchmark (see main.ts) and runs it. */
import { bundle } from "../bundle.mjs";

const external = ["webgpu", "@sparticuz/chromium", "esbuild", "@tensorflow/*", "@jax-js/*"];
await Promise.all(
  ["main", "contender", "peak"].map((name) => bundle(`cpu/${name}.ts`, `dist/cpu/${name}.mjs`, "node", { external })),
);
await import("../dist/cpu/main.mjs");
