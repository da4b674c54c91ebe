/**
 * @file Bundles third-party packages, so that installing cellgrad installs no others. Each package that `dist/` imports
 * becomes a minified file in `dist/third-party/`, next to the licences, and the import is rewritten to that file. Peer
 * dependencies stay imports: users choose their versions, or omit them.
 */
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, relative, sep } from "node:path";
import { init, parse } from "es-module-lexer";
import { build } from "esbuild";
import { filesUnder } from "./files.mjs";

/** The command line and the file readers run in Node and Deno only; everything else runs in pages too. */
const isForNode = (file) => /^(cli|disk)[/\\]/.test(file);

/** Bundles what the compiled library in `dist` imports. @returns the names of the bundled packages. */
export async function bundleThirdParty(root, dist) {
  await init;
  const { peerDependencies, devDependencies } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  const left = new Set(Object.keys(peerDependencies).filter((name) => !inside.has(name)));
  const imports = filesUnder(dist, ".js").flatMap((path) => bareImports(path).map((found) => ({ path, ...found })));
  const bundled = new Map();
  for (const { path, specifier } of imports) {
    const name = packageOf(specifier);
    if (left.has(name)) continue;
    if (devDependencies[name] === undefined)
      throw new Error(`${relative(dist, path)} imports ${specifier}, which package.json does not name`);
    const before = bundled.get(specifier) ?? { name, isForNode: true };
    bundled.set(specifier, { name, isForNode: before.isForNode && isForNode(relative(dist, path)) });
  }
  const folder = join(dist, "third-party");
  mkdirSync(folder, { recursive: true });
  const packages = new Set();
  for (const platform of ["node", "browser"]) {
    const specifiers = [...bundled].filter(([, of]) => of.isForNode === (platform === "node")).map(([name]) => name);
    for (const name of await bundlePackages(root, folder, specifiers, platform)) packages.add(name);
  }
  for (const { path } of imports) rewrite(path, bundled, folder);
  writeLicences(root, folder, packages);
  // Nothing imports the command line, and its types name packages that are not installed.
  for (const path of filesUnder(join(dist, "cli"), ".d.ts")) rmSync(path);
  return [...packages].sort();
}

/** Peers that are bundled too: users need them only for types. */
const inside = new Set(["fast-check"]);

/** csv-parse/sync as csv-parse-sync. */
const fileName = (specifier) => specifier.replace(/^@/, "").replaceAll("/", "-");

const packageOf = (specifier) => /^(@[^/]+\/)?[^/]+/.exec(specifier)[0];

function bareImports(path) {
  const found = parse(readFileSync(path, "utf8"))[0];
  return found.filter(({ specifier }) => specifier !== null && !/^(\.|node:)/.test(specifier));
}

function rewrite(path, bundled, folder) {
  let text = readFileSync(path, "utf8");
  // From the end, so that earlier positions stay valid.
  for (const { specifier, start, end } of bareImports(path).reverse()) {
    if (!bundled.has(specifier)) continue;
    const file = relative(dirname(path), join(folder, `${fileName(specifier)}.js`)).replaceAll(sep, "/");
    const quoted = /^["']/.test(text.slice(start, end));
    text = `${text.slice(0, start)}${quoted ? JSON.stringify(file) : file}${text.slice(end)}`;
  }
  writeFileSync(path, text);
}

/** @returns the names of the bundled packages, including their dependencies. */
async function bundlePackages(root, folder, specifiers, platform) {
  const require = createRequire(join(root, "package.json"));
  const packages = new Set();
  // jiti requires its transform lazily by path, so its files are copied as they are.
  for (const specifier of specifiers.filter((name) => name === "jiti")) {
    const from = join(dirname(require.resolve(specifier)), "..");
    for (const file of ["lib/jiti.mjs", "dist/jiti.cjs", "dist/babel.cjs"])
      cpSync(join(from, file), join(folder, specifier, file));
    writeFileSync(join(folder, "jiti.js"), 'export * from "./jiti/lib/jiti.mjs";\n');
    packages.add(specifier);
  }
  const others = specifiers.filter((name) => name !== "jiti");
  if (others.length === 0) return packages;
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints: Object.fromEntries(others.map((name) => [fileName(name), name])),
    bundle: true,
    chunkNames: "shared-[hash]",
    format: "esm",
    legalComments: "none",
    metafile: true,
    minify: true,
    outdir: folder,
    platform,
    splitting: true,
    target: "es2022",
    // CommonJS packages call `require` for modules of Node.
    ...(platform === "node" && {
      banner: {
        js: 'import { createRequire as requireOf } from "node:module"; const require = requireOf(import.meta.url);',
      },
    }),
  });
  for (const input of Object.keys(metafile.inputs)) {
    const [, name] = /.*node_modules[/\\]((?:@[^/\\]+[/\\])?[^/\\]+)/.exec(input) ?? [];
    if (name !== undefined) packages.add(name.replaceAll(sep, "/"));
  }
  return packages;
}

function writeLicences(root, folder, packages) {
  const parts = [...packages].sort().map((name) => {
    const home = join(root, "node_modules", name);
    const { version, license, repository } = JSON.parse(readFileSync(join(home, "package.json"), "utf8"));
    const file = readdirSync(home).find((each) => /^licen[cs]e/i.test(each));
    const address = repository?.url ?? repository;
    const text = file === undefined ? `See ${address}.` : readFileSync(join(home, file), "utf8").trim();
    return `## ${name} ${version} (${license})\n\n${text}\n`;
  });
  writeFileSync(join(folder, "LICENSES.md"), `# Packages inside cellgrad\n\n${parts.join("\n")}`);
}
