/**
 * @file `npm run docs`: builds the documentation site into dist-docs/: the pages of docs/, and the API reference from the
 * docstrings. It can be served from any folder of any web server; `--serve` starts one. Fails if a link is broken.
 */
import { cpSync, existsSync, mkdirSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { Command, InvalidArgumentError } from "commander";
import { createJiti } from "jiti";

function port(text) {
  const number = Number(text);
  if (!Number.isInteger(number) || number < 1 || number > 65535)
    throw new InvalidArgumentError("It must be a whole number from 1 to 65535.");
  return number;
}

const root = fileURLToPath(new URL("..", import.meta.url));
const command = new Command("npm run docs --")
  .description("Builds the documentation site, with the API reference.")
  .argument("[folder]", "where to write it", join(root, "dist-docs"))
  .option("--serve", "serve it locally afterwards")
  .option("--port <n>", "port of the server", port, 4173)
  .configureOutput({
    outputError: (text, write) => write(text.replace(/^error: /, "docs: ").replace(/\s*\n\s*(?=\S)/g, " ")),
  })
  .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2))
  .parse();
const out = resolve(command.args[0] ?? join(root, "dist-docs"));
const { serve, port: at } = command.opts();

const began = Date.now();
const progress = (text) => console.log(`docs: ${text}`);
const jiti = createJiti(import.meta.url);
const { writeSources } = await jiti.import("./docs/site.ts");
const { baseMark, relocate } = await jiti.import("./docs/relocate.ts");
const { brokenLinks } = await jiti.import("./docs/check-site.ts");

// In node_modules, where packages resolve and other tools do not look; each run has its own folder.
const folder = join(root, `node_modules/.cellgrad-docs-${process.pid}`);
try {
  progress("reading the exports of all entries");
  const { pages, exports } = writeSources(root, folder);
  progress(`building ${pages} pages`);
  process.env.CELLGRAD_DOCS_BASE = baseMark;
  const { build } = await import("vitepress");
  // Hides VitePress's progress on standard output, but not its errors.
  await build(folder, { logLevel: "warn" });
  const built = join(folder, ".vitepress/dist");
  relocate(built);
  const broken = brokenLinks(built);
  if (broken.length > 0) {
    console.error(`docs: ${broken.length} broken links:\n  ${broken.join("\n  ")}`);
    process.exitCode = 1;
  } else {
    rmSync(out, { recursive: true, force: true });
    mkdirSync(out, { recursive: true });
    cpSync(built, out, { recursive: true });
    const seconds = ((Date.now() - began) / 1000).toFixed(0);
    progress(`${pages} pages with ${exports} exports are in ${out} (${seconds} s), for any web server and any folder`);
  }
} catch (error) {
  console.error(`docs: ${error instanceof Error ? error.message : error}`);
  process.exitCode = 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}

if (serve && process.exitCode !== 1 && existsSync(out)) {
  const { preview } = await import("vite");
  const server = await preview({
    root,
    build: { outDir: out },
    preview: { port: at },
    logLevel: "silent",
    configFile: false,
  });
  progress(`http://localhost:${server.config.preview.port}/`);
}
