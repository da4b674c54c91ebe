/** @file Hashes of what the compiler makes of the golden graphs, beside those that are kept in test/golden/kernels.json. */
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { compileProgram } from "../../compiler/compile.ts";
import type { Program } from "../../compiler/plan/program.ts";
import { atSite } from "../../compiler/trace/site.ts";
import { canonicalProgram } from "./canonical.ts";
import type { GoldenGraph } from "./programs.ts";

/** Graph -> way of compiling it -> hash. */
type Hashes = Readonly<Record<string, Readonly<Record<string, string>>>>;

const file = fileURLToPath(new URL("../golden/kernels.json", import.meta.url));

export interface GoldenProgram {
  readonly way: string;
  readonly program: Program;
  readonly canonical: string;
  readonly hash: string;
}

/** Compiles a graph in each of its ways, or in some of them. */
export function compileGolden(
  { trace, ways }: GoldenGraph,
  chosen: readonly string[] = Object.keys(ways),
): GoldenProgram[] {
  // To find the line of each node is most of the time that tracing takes.
  const { graph, donate } = atSite("golden", trace);
  return chosen.map((way) => {
    const program = compileProgram(graph, { ...ways[way], ...(donate && { donate }) });
    const canonical = canonicalProgram(program);
    return { way, program, canonical, hash: createHash("sha256").update(canonical).digest("hex").slice(0, 12) };
  });
}

export const hashesOf = (programs: readonly GoldenProgram[]): Readonly<Record<string, string>> =>
  Object.fromEntries(programs.map(({ way, hash }) => [way, hash]));

export const keptHashes = (): Hashes => JSON.parse(readFileSync(file, "utf8"));

export function keepHashes(hashes: Hashes): void {
  writeFileSync(file, `${JSON.stringify(hashes, undefined, 1)}\n`);
}
