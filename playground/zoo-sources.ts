/**
 * @file Gives the page the cells of the zoo to start from, in the zoo's own order: each is the library's file, written as
 * a visitor would write it, with the sentence of its header that names the paper. Read when the page is built.
 */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Plugin } from "vite";
import { zoo } from "../cells/zoo.ts";
import { headline } from "./page/headline.ts";
import type { Preset } from "./page/preset.ts";
import { asVisitorSource } from "./page/visitor-source.ts";

const NAME = "virtual:zoo";

/** A cell's file has the cell's name. */
export const fileOfCell = (name: string): string => fileURLToPath(new URL(`../cells/${name}.ts`, import.meta.url));

/** The cells to start from, as `virtual:zoo` has them. */
export function zooPresets(): Preset[] {
  return Object.keys(zoo).map((name) => {
    const source = readFileSync(fileOfCell(name), "utf8");
    return { name, about: headline(source), source: asVisitorSource(source) };
  });
}

export function zooSources(): Plugin {
  return {
    name: "zoo-sources",
    resolveId: (id) => (id === NAME ? `\0${NAME}` : undefined),
    load(id) {
      if (id !== `\0${NAME}`) return undefined;
      for (const name of Object.keys(zoo)) this.addWatchFile(fileOfCell(name));
      return `export default ${JSON.stringify(zooPresets())};`;
    },
  };
}
