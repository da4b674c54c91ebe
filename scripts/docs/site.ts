/** @file Builds the documentation site: pages of docs/, the API reference and the sources they link to, by VitePress. */
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, normalize, relative } from "node:path";
import { apiPages, pageOf } from "./api-pages.ts";
import { type Entry, readEntries } from "./declarations.ts";
import { SourcePages } from "./source-pages.ts";

interface Item {
  readonly text: string;
  readonly link?: string;
  readonly collapsed?: boolean;
  readonly items?: readonly Item[];
}

const guide = [
  "get-started",
  "cells",
  "equations",
  "functions",
  "data",
  "train",
  "command-line",
  "objectives",
  "layers",
  "models",
];
const more = ["weights", "jax", "deploy", "share-a-device", "compile", "speed", "look-inside", "errors"];

/** The title of a page: its first heading. */
function titleOf(text: string): string {
  return (/^# (.*)$/m.exec(text)?.[1] ?? "").replaceAll("`", "");
}

/** The pages at the root of the repository that the site shows too. */
const rootPages = { "CHANGELOG.md": "changelog.md", "CONTRIBUTING.md": "contributing.md" } as const;

/** The path on the site of a page of the repository. */
function placeOf(path: string): string {
  return path.startsWith("docs/") ? path.slice(5) : (rootPages[path as keyof typeof rootPages] ?? path);
}

/** Converts links of a page of the repository to links of the site: other pages, or sources. */
function withSiteLinks(root: string, path: string, text: string, sources: SourcePages): string {
  const place = placeOf(path);
  return text
    .split(/(^```.*?^```$)/ms)
    .map((part, i) =>
      i % 2 === 1
        ? // A language of this project's tests, which no highlighter knows.
          part.replace(/^```formula\n/, "```text\n")
        : part.replace(/(!?\[[^\]]*\])\((?!https?:|#)([^)\s]+)\)/g, (whole, label: string, target: string) => {
            const [file = "", anchor] = target.split("#");
            const found = normalize(join(dirname(path), file)).replaceAll("\\", "/");
            if (found === "README.md") return `${label}(${relative(dirname(place), "index.md")})`;
            if (found.startsWith("docs/") || found in rootPages) {
              const address = relative(dirname(place), placeOf(found)).replaceAll("\\", "/");
              return `${label}(${address.startsWith(".") ? "" : "./"}${address}${anchor === undefined ? "" : `#${anchor}`})`;
            }
            return existsSync(join(root, found)) ? `${label}(${sources.link(found, place)}){target="_self"}` : whole;
          }),
    )
    .join("");
}

function sidebar(texts: ReadonlyMap<string, string>, entries: readonly Entry[]): Item[] {
  const item = (path: string): Item[] => {
    const text = texts.get(`${path}.md`);
    return text === undefined ? [] : [{ text: titleOf(text), link: `/${path}` }];
  };
  const within = (folder: string) =>
    [...texts.keys()]
      .filter((path) => path.startsWith(`${folder}/`) && !path.endsWith("/index.md"))
      .map((path) => path.slice(0, -3));
  return [
    { text: "Guide", items: [...guide, ...more].flatMap((name) => item(`guide/${name}`)) },
    { text: "Recipes", items: ["recipes/index", ...within("recipes")].flatMap(item) },
    { text: "Reference", items: [...within("reference").flatMap(item), ...item("hosts"), ...item("playground")] },
    {
      text: "API",
      items: [
        { text: "All entries", link: "/api/" },
        ...entries.map(({ module }) => ({ text: module, link: `/${pageOf(module)}` })),
      ],
    },
    { text: "About", items: ["architecture", "testing", "trust", "contributing", "changelog"].flatMap(item) },
  ];
}

/** Writes VitePress's input to `folder`, and returns the number of pages. */
export function writeSources(root: string, folder: string): { readonly pages: number; readonly exports: number } {
  rmSync(folder, { recursive: true, force: true });
  const entries = readEntries(root, join(folder, "declarations"));
  rmSync(join(folder, "declarations"), { recursive: true });
  const sources = new SourcePages(root);
  const texts = new Map<string, string>();
  const docs = readdirSync(join(root, "docs"), { recursive: true, encoding: "utf8" }).map((path) =>
    path.replaceAll("\\", "/"),
  );
  const pages = docs.filter((path) => path.endsWith(".md")).map((path) => `docs/${path}`);
  for (const path of [...pages.toSorted(), ...Object.keys(rootPages)]) {
    if (!existsSync(join(root, path))) continue;
    texts.set(placeOf(path), withSiteLinks(root, path, readFileSync(join(root, path), "utf8"), sources));
  }
  for (const path of docs.filter((file) => /\.(png|svg)$/.test(file))) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    cpSync(join(root, "docs", path), join(folder, path));
    // The front matter of the first page names its picture, which VitePress expects in its public folder.
    cpSync(join(root, "docs", path), join(folder, "public", path));
  }
  const bar = sidebar(texts, entries);
  for (const [path, text] of apiPages(root, entries, (file, line, from) => sources.link(file, from, line)))
    texts.set(`${path}.md`, text);
  texts.set("index.md", readFileSync(join(root, "scripts/docs/home.md"), "utf8"));
  for (const [path, text] of texts) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
  sources.write(join(folder, "public"));
  /** Names that inline code links to; the root entry's come first. */
  const names: Record<string, string> = {};
  for (const { module, exports } of entries.toReversed()) {
    for (const { name } of exports) names[name] = `/${pageOf(module)}#${name}`;
    names[module] = `/${pageOf(module)}`;
  }
  names.cellgrad = `/${pageOf("cellgrad")}`;
  const { homepage } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { homepage: string };
  const repository = homepage.replace(/#.*/, "");
  mkdirSync(join(folder, ".vitepress/theme"), { recursive: true });
  writeFileSync(join(folder, ".vitepress/data.json"), JSON.stringify({ sidebar: bar, names, repository }));
  for (const [name, from] of [
    ["config.mjs", "scripts/docs/vitepress/config.mjs"],
    ["theme/index.mjs", "scripts/docs/vitepress/theme.mjs"],
    ["theme/style.css", "scripts/docs/vitepress/style.css"],
  ] as const)
    cpSync(join(root, from), join(folder, ".vitepress", name));
  return { pages: texts.size, exports: entries.reduce((sum, { exports }) => sum + exports.length, 0) };
}
