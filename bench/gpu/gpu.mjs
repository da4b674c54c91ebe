/**
 * @file `npm run bench:gpu`: builds bench/gpu/dist, a folder for a machine with a GPU (Linux on x64, Node 20, no network
 * needed). With --smoke it then runs the bundle here, with tiny sizes on any adapter, as a test.
 */
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { bundle } from "../bundle.mjs";

const here = fileURLToPath(new URL(".", import.meta.url));
const dist = join(here, "dist");
const require = createRequire(import.meta.url);

async function build() {
  rmSync(dist, { recursive: true, force: true });
  mkdirSync(dist, { recursive: true });
  const alias = { cellgrad: join(here, "../../index.ts"), webgpu: join(here, "dawn.ts") };
  await bundle("gpu/run.ts", "gpu/dist/run.mjs", "node", { alias, external: ["@sparticuz/chromium", "./dawn.node"] });
  await bundle("gpu/merge.ts", "gpu/dist/merge.mjs", "node");
  const webgpu = dirname(require.resolve("webgpu"));
  cpSync(join(webgpu, "dist", "linux-x64", "dawn.node"), join(dist, "dawn.node"));
  cpSync(join(here, "peers.py"), join(dist, "peers.py"));
  cpSync(join(here, "../contenders/recurrent.py"), join(dist, "recurrent.py"));
  addVulkanLoader();
}

/** Containers often have a GPU driver without a Vulkan loader; cellgrad uses the one in this package's archive. */
function addVulkanLoader() {
  const name = "@sparticuz/chromium";
  let root = dirname(require.resolve(name));
  while (!root.endsWith(join("@sparticuz", "chromium"))) root = dirname(root);
  const target = join(dist, "node_modules", name);
  mkdirSync(join(target, "bin"), { recursive: true });
  const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  writeFileSync(join(target, "package.json"), `${JSON.stringify({ name, version, main: "index.js" })}\n`);
  writeFileSync(join(target, "index.js"), "");
  cpSync(join(root, "bin", "swiftshader.tar.br"), join(target, "bin", "swiftshader.tar.br"));
}

function run(...args) {
  const { status } = spawnSync(process.execPath, args, { stdio: "inherit", cwd: dist });
  if (status !== 0) process.exit(status ?? 1);
}

const args = process.argv.slice(2);
if (args.length > 0 && !args.includes("--smoke")) {
  console.error(
    `bench:gpu: ${args[0]} is an option for the machine with the GPU; here, use --smoke with options of run.mjs`,
  );
  process.exit(2);
}
await build();
if (args.includes("--smoke")) {
  run("run.mjs", "--out", "smoke.jsonl", ...args);
  run("merge.mjs", "smoke.jsonl");
} else {
  console.log(`built ${dist}; copy it to a machine with a GPU and run there:
  node run.mjs --out cellgrad.jsonl          (node run.mjs --help: single cells and sizes, kernel times)
  python3 peers.py --out peers.jsonl         (PyTorch and JAX, if installed)
  node merge.mjs cellgrad.jsonl peers.jsonl --out table.md`);
}
