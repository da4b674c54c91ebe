/**
 * @file `npm run kernels`: compares the kernels of many programs with test/golden/kernels.json, ignoring names, brackets
 * and comments. `--out FOLDER` writes their text, for comparison with another checkout; `--update` stores the current ones.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Command } from "commander";
import { createJiti } from "jiti";

const options = new Command("npm run kernels --")
  .description("Lists the programs whose kernels differ from test/golden/kernels.json.")
  .option(
    "--out <folder>",
    "write each program to this folder: canonical/… has normalised names and brackets, raw/… is the WGSL",
  )
  .option("--only <texts...>", "only graphs whose name contains one of these")
  .option("--update", "store the current kernels")
  .addHelpText("after", "\nExample:\n  npm run kernels -- --only lstm --out kernels")
  .configureOutput({
    outputError: (text, write) => write(text.replace(/^error: /, "kernels: ").replace(/\s*\n\s*(?=\S)/g, " ")),
  })
  .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2))
  .parse()
  .opts();

const root = fileURLToPath(new URL("..", import.meta.url));
const jiti = createJiti(import.meta.url, { alias: { cellgrad: join(root, "index.ts") } });
const { goldenGraphs } = await jiti.import("../test/kernels/programs.ts");
const { compileGolden, hashesOf, keepHashes, keptHashes } = await jiti.import("../test/kernels/golden.ts");

const { out, only = [""], update } = options;
const kept = keptHashes();
const made = Object.fromEntries(goldenGraphs.map(({ name }) => [name, kept[name] ?? {}]));
const write = (kind, name, text) => {
  mkdirSync(join(out, kind), { recursive: true });
  writeFileSync(join(out, kind, `${name.replace(/[^\w.-]+/g, "-")}.txt`), text);
};
let [all, differing] = [0, 0];
for (const graph of goldenGraphs.filter(({ name }) => only.some((text) => name.includes(text)))) {
  const programs = compileGolden(graph);
  made[graph.name] = hashesOf(programs);
  for (const { way, program, canonical, hash } of programs) {
    all += 1;
    const name = `${graph.name}, ${way}`;
    if (out !== undefined) {
      write("canonical", name, canonical);
      write("raw", name, program.kernels.map(({ about, wgsl }) => about + wgsl).join("\n"));
    }
    if (hash === kept[graph.name]?.[way]) continue;
    differing += 1;
    console.log(`${kept[graph.name]?.[way] === undefined ? "new" : "differs"}: ${name}`);
  }
}
if (update) keepHashes(made);
console.log(`${all} programs, ${differing} differ from test/golden/kernels.json${update ? "; updated" : ""}`);
process.exitCode = differing > 0 && !update ? 1 : 0;
