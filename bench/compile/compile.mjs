/**
 * @file `npm run bench:compile`: times the compilation of a training step, by number of layers and by phase; with
 * `--against FOLDER` also in another checkout, with alternating runs.
 */
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { build } from "esbuild";

const here = fileURLToPath(new URL(".", import.meta.url));
const root = resolve(here, "../..");

const usage = `npm run bench:compile -- [--layers N,…] [--units N] [--repeats N] [--against FOLDER] [--json]
  Milliseconds of JavaScript, without a device: the minimum of the repeats, for a training step of equal LSTM layers.`;

function parsed() {
  try {
    const { values } = parseArgs({
      options: {
        layers: { type: "string", default: "1,2,3,4,8" },
        units: { type: "string", default: "32" },
        repeats: { type: "string", default: "5" },
        against: { type: "string" },
        json: { type: "boolean", default: false },
        help: { type: "boolean", default: false },
      },
    });
    const count = (option, text) => {
      const value = Number(text);
      if (!Number.isInteger(value) || value < 1)
        throw new Error(`--${option} must be whole numbers above 0, got ${text}`);
      return value;
    };
    return {
      ...values,
      layers: values.layers.split(",").map((text) => count("layers", text)),
      units: count("units", values.units),
      repeats: count("repeats", values.repeats),
    };
  } catch (error) {
    console.error(`bench:compile: ${error instanceof Error ? error.message : error}`);
    process.exit(2);
  }
}

/** Former paths of compiler files, for older checkouts. */
const formerly = { "compiler/plan/stages/form-stages.ts": "compiler/plan/stages.ts" };

/** What stands for files that older checkouts lack: those wrote the text of every kernel at once. */
const lacking = { "runtime/walk.ts": "export const kernelsOf = () => [];" };

function foundIn(checkout, path) {
  const found = [path, formerly[path]].find((each) => each !== undefined && existsSync(join(checkout, each)));
  return found === undefined ? { path, namespace: "lacking" } : { path: join(checkout, found) };
}

/** Bundles the probe with the sources of a checkout. */
async function probeOf(checkout, outfile) {
  await build({
    entryPoints: [join(here, "probe.ts")],
    outfile,
    bundle: true,
    format: "esm",
    platform: "node",
    target: "node20",
    packages: "external",
    logLevel: "warning",
    plugins: [
      {
        name: "checkout",
        setup: ({ onResolve, onLoad }) => {
          onResolve({ filter: /^\.\.\/\.\.\// }, ({ path, importer }) =>
            importer.endsWith(join("compile", "probe.ts")) ? foundIn(checkout, path.slice(6)) : undefined,
          );
          onLoad({ filter: /.*/, namespace: "lacking" }, ({ path }) => ({ contents: lacking[path] }));
        },
      },
    ],
  });
  return import(pathToFileURL(outfile).href);
}

/** The minimum time of each phase, with the constant fields. */
function least(runs) {
  const phases = Object.fromEntries(
    Object.keys(runs[0].phases).map((phase) => [phase, Math.min(...runs.map((run) => run.phases[phase]))]),
  );
  return {
    ...runs[0],
    phases,
    total: Math.min(...runs.map(({ total }) => total)),
    stages: Math.min(...runs.map(({ stages }) => stages)),
  };
}

function print(name, byLayers) {
  const row = (label, cells) => console.log(label.padEnd(24) + cells.map((cell) => String(cell).padStart(9)).join(""));
  const found = Object.values(byLayers);
  const ms = (value) => value.toFixed(1);
  console.log(`\n${name}`);
  row("layers", Object.keys(byLayers));
  for (const phase of Object.keys(found[0].phases))
    row(
      `  ${phase}`,
      found.map(({ phases }) => ms(phases[phase])),
    );
  row(
    "  (stages alone)",
    found.map(({ stages }) => ms(stages)),
  );
  row(
    "passes to text, ms",
    found.map(({ total }) => ms(total)),
  );
  row(
    "  times the first",
    found.map(({ total }) => (total / found[0].total).toFixed(1)),
  );
  row(
    "nodes traced",
    found.map(({ nodes }) => nodes),
  );
  row(
    "kernels",
    found.map(({ kernels }) => kernels),
  );
  row(
    "different kernels",
    found.map(({ differentKernels }) => differentKernels),
  );
}

const { layers, units, repeats, against, json, help } = parsed();
if (help) {
  console.log(usage);
  process.exit(0);
}
const folder = mkdtempSync(join(tmpdir(), "cellgrad-compile-"));
try {
  const probes = { here: await probeOf(root, join(folder, "here.mjs")) };
  if (against !== undefined) probes.against = await probeOf(resolve(against), join(folder, "against.mjs"));
  const results = Object.fromEntries(Object.keys(probes).map((name) => [name, {}]));
  const runs = Object.fromEntries(Object.keys(probes).map((name) => [name, layers.map(() => [])]));
  // The first round is a warm-up. Every other round begins with the other checkout.
  for (let run = 0; run <= repeats; run++)
    for (const [i, count] of layers.entries())
      for (const [name, { measure }] of run % 2 === 0 ? Object.entries(probes) : Object.entries(probes).reverse()) {
        const found = measure(count, units);
        if (run > 0) runs[name][i].push(found);
      }
  for (const [name, found] of Object.entries(runs))
    for (const [i, count] of layers.entries()) results[name][count] = least(found[i]);
  if (json) console.log(JSON.stringify(results));
  else {
    for (const [name, byLayers] of Object.entries(results)) print(name === "here" ? root : against, byLayers);
    if (against !== undefined)
      for (const count of layers)
        console.log(
          `${count} layers: ${(results.against[count].total / results.here[count].total).toFixed(1)} times faster than ${against}`,
        );
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
