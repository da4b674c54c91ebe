/**
 * @file Packages of others inside the package: whoever installs cellgrad installs nothing else. Each package that a file
 * of `dist/` imports becomes one minified file of `dist/third-party/`, and the import names that file. The licences
 * stand beside them. A peer stays an import: the person chooses its version, or does without.
 */
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, relative, sep } from "node:path";
import { init, parse } from "es-module-lexer";
import { build } from "esbuild";
import { filesUnder } from "./files.mjs";

/** What the command line and readers of files import runs in Node and Deno alone; all else in a page too. */
const isForNode = (file) => /^(cli|disk)[/\\]/.test(file);

/** @param dist folder of the compiled library; @returns the names of the packages that it holds now. */
export async function bundleThirdParty(root, dist) {
  await init;
  const { peerDependencies, devDependencies } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  // A peer that is a tool of ours as well, such as fast-check, is there for its types alone.
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
  // The command line has no types to offer, and these name packages that are not there.
  for (const path of filesUnder(join(dist, "cli"), ".d.ts")) rmSync(path);
  return [...packages].sort();
}

/** Peers that are bundled all the same: without them nothing is missing but the types that mention them. */
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
  // From the end, so that the places of those before stay true.
  for (const { specifier, start, end } of bareImports(path).reverse()) {
    if (!bundled.has(specifier)) continue;
    const file = relative(dirname(path), join(folder, `${fileName(specifier)}.js`)).replaceAll(sep, "/");
    const quoted = /^["']/.test(text.slice(start, end));
    text = `${text.slice(0, start)}${quoted ? JSON.stringify(file) : file}${text.slice(end)}`;
  }
  writeFileSync(path, text);
}

/** @returns the packages that went in, those that they need included. */
async function bundlePackages(root, folder, specifiers, platform) {
  const require = createRequire(join(root, "package.json"));
  const packages = new Set();
  // jiti loads its two files as it needs them: the folder is taken as it is.
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
    // What CommonJS asks of Node by `require`.
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
    const { version, license } = JSON.parse(readFileSync(join(home, "package.json"), "utf8"));
    const text = ["LICENSE", "LICENSE.md", "LICENSE.txt", "License", "license"].flatMap((file) => {
      try {
        return [readFileSync(join(home, file), "utf8").trim()];
      } catch {
        return [];
      }
    });
    return `## ${name} ${version} (${license})\n\n${text[0] ?? "Its package has no text of the licence."}\n`;
  });
  writeFileSync(join(folder, "LICENSES.md"), `# Packages that cellgrad holds\n\n${parts.join("\n")}`);
}
