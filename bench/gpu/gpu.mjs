/**
 * @file `npm run bench:gpu`: builds bench/gpu/dist, a folder to take to a machine with a GPU (Linux on x64, Node 20, no
 * network). With --smoke it then runs the bundle here, in tiny sizes on any adapter, to show that it works.
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
  takeVulkanLoader();
}

/** Containers often have a card's driver without Vulkan's loader; cellgrad takes the one in this package's archive. */
function takeVulkanLoader() {
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
    `bench:gpu: ${args[0]} is for the machine with the GPU; here there is --smoke, with options of run.mjs`,
  );
  process.exit(2);
}
await build();
if (args.includes("--smoke")) {
  run("run.mjs", "--out", "smoke.jsonl", ...args);
  run("merge.mjs", "smoke.jsonl");
} else {
  console.log(`built ${dist}; take it to a machine with a GPU, and there:
  node run.mjs --out cellgrad.jsonl          (node run.mjs --help: parts of it, and times of kernels)
  python3 peers.py --out peers.jsonl         (what it finds of PyTorch and JAX)
  node merge.mjs cellgrad.jsonl peers.jsonl --out table.md`);
}
