/** @file Vitest with one mutant in the sources: CELLGRAD_MUTANT is its place in the catalog. */
import { relative } from "node:path";
import { fileURLToPath } from "node:url";
import { defineConfig, mergeConfig } from "vitest/config";
import base from "../../vitest.config.ts";
import { mutants } from "./catalog.ts";
import { mutated } from "./mutant.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const mutant = mutants[Number(process.env.CELLGRAD_MUTANT)];

export default mergeConfig(
  base,
  defineConfig({
    root,
    plugins: [
      {
        name: "mutant",
        enforce: "pre",
        transform: (text: string, id: string) =>
          mutant !== undefined && relative(root, id.split("?")[0] ?? id) === mutant.file
            ? { code: mutated(text, mutant), map: null }
            : undefined,
      },
    ],
  }),
);
