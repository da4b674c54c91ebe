/**
 * @file `npm run build:library`: the library as the package ships it, in `dist/`. Compiled modules with types; bundled
 * third-party packages; and `dist/web/` for pages without a bundler.
 */
import { spawnSync } from "node:child_process";
import { rmSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { bundleThirdParty } from "./library/third-party.mjs";
import { buildForPages } from "./library/web.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));
if (process.argv.length > 2) {
  console.error(`build:library: expected no arguments, got ${process.argv.slice(2).join(" ")}`);
  process.exit(2);
}
const dist = join(root, "dist");
rmSync(dist, { recursive: true, force: true });
const tsc = join(dirname(createRequire(import.meta.url).resolve("typescript/package.json")), "bin/tsc");
const args = [tsc, "-p", join(root, "tsconfig.build.json")];
const { status } = spawnSync(process.execPath, args, { cwd: root, stdio: "inherit" });
if (status !== 0) process.exit(status ?? 1);
const packages = await bundleThirdParty(root, dist);
const files = await buildForPages(root, dist);
console.log(`dist/: the library, with ${packages.length} bundled packages (${packages.join(", ")})`);
const kilobytes = Math.round(files.reduce((sum, { bytes }) => sum + bytes, 0) / 1000);
console.log(`dist/web/: ${files.length} files for pages without a bundler, ${kilobytes} kB minified`);
