/** @file `npm run bench:isa`: bundles the tool (see main.ts) and runs it. */
import { bundle } from "../bundle.mjs";

await Promise.all(
  ["main", "compile"].map((name) => bundle(`isa/${name}.ts`, `dist/isa/${name}.mjs`, "node", { define: {} })),
);
await import("../dist/isa/main.mjs");
