/** @file The API reference as Markdown pages: a front page of entries, and a page for each entry. */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Entry, Exported, Member } from "./declarations.ts";
import { slug } from "./slug.ts";

/** Path of an entry's page in the site, such as `api/networks`. */
export function pageOf(module: string): string {
  return `api/${module.replace("cellgrad/", "")}`;
}

/** A docstring as Markdown. Indented code becomes a block of TypeScript. */
export function prose(doc: string): string {
  return doc
    .replace(/^\n+|\s+$/g, "")
    .split(/\n\s*\n/)
    .map((part) =>
      /^( {2,}.*(\n|$))+$/.test(part) ? `\`\`\`ts\n${part.replace(/^ {2,4}/gm, "")}\n\`\`\`` : paragraph(part.trim()),
    )
    .join("\n\n");
}

/** Escapes characters outside code that Markdown or HTML would interpret. */
function paragraph(text: string): string {
  return text
    .replace(/\{@link (\w+)\}/g, "`$1`")
    .split(/(`[^`]*`)/)
    .map((part, i) =>
      i % 2 === 1
        ? part
        : part
            .replace(/</g, "&lt;")
            .replace(/\{\{/g, "&#123;&#123;")
            .replace(/(?<!^|\n)\*/g, "\\*"),
    )
    .join("");
}

function sentence(text: string): string {
  return paragraph(text.replace(/\s*\n\s*/g, " ").trim());
}

/** Formats the signatures of all entries with Biome, in one run. */
function formatted(root: string, entries: readonly Entry[]): (signature: string) => string {
  const all = [...new Set(entries.flatMap(({ exports }) => exports.flatMap(({ signatures }) => signatures)))];
  const mark = (i: number) => `// signature ${i}\n`;
  const text = all.map((signature, i) => `${mark(i)}declare ${signature}\n`).join("");
  const biome = join(root, "node_modules/@biomejs/biome/bin/biome");
  const args = [
    "format",
    "--stdin-file-path=signatures.ts",
    "--line-width=90",
    "--indent-style=space",
    "--indent-width=2",
  ];
  const laidOut = execFileSync(process.execPath, [biome, ...args], { cwd: root, input: text, encoding: "utf8" });
  const parts = laidOut.split(/^\/\/ signature \d+\n/m).slice(1);
  if (parts.length !== all.length) throw new Error("Biome did not keep the signatures apart");
  const bySignature = new Map(all.map((signature, i) => [signature, (parts[i] ?? "").trim().replace(/^declare /, "")]));
  return (signature) => bySignature.get(signature) ?? signature;
}

function memberLine({ signature, text }: Member): string {
  const tags = (text.tags ?? []).map(({ kind, doc }) =>
    kind === "throws" && doc ? ` Throws ${sentence(doc.replace(/^\w+Error\b/, "`$&`"))}` : "",
  );
  return `- \`${signature.replace(/^readonly /, "")}\`: ${sentence(text.doc ?? "")}${tags.join("")}`;
}

/** Groups of an entry's page, in order: a title and the names in it. */
type Groups = readonly (readonly [title: string, names: readonly string[]])[];

/** The groups of docs/reference/ops.md: bold titles of lists, and headings with a list of names. */
function groupsOfOps(text: string): Groups {
  const names = (list: string) => [...list.matchAll(/`(\w+)`/g)].map(([, name = ""]) => name);
  const lists = [...text.matchAll(/^- \*\*(.*?)\*\*: (.*)$/gm)].map(
    ([, title = "", list = ""]) => [title, names(list)] as const,
  );
  const initializers = names(/## Initializers\n\n(.*)/.exec(text)?.[1] ?? "");
  const seen = new Set<string>();
  const once = (all: readonly string[]) => all.filter((name) => !seen.has(name) && seen.add(name));
  return [...lists, ["Initializers", initializers] as const].map(([title, all]) => [title, once(all)]);
}

/** The comments above an entry's exports, as titles, with the sources under them. */
function sections(source: string): (readonly [title: string, paths: readonly string[]])[] {
  return source
    .split(/^\/\/ /m)
    .slice(1)
    .map((part) => [
      (part.split("\n")[0] ?? "").replace(/\.$/, ""),
      [...part.matchAll(/from "\.\/(.*?)"/g)].map(([, path = ""]) => path),
    ]);
}

/** Anchors that differ from the names of exports, which are anchors too. */
function groupId(title: string): string {
  return `group-${slug(title)}`;
}

function groupsOf(root: string, entry: Entry): Groups {
  const { exports } = entry;
  const parts = sections(readFileSync(join(root, entry.file), "utf8"));
  if (parts.length === 0) {
    const of = (...kinds: Exported["kind"][]) =>
      exports.filter(({ kind }) => kinds.includes(kind)).map(({ name }) => name);
    const cells = exports.some(({ signatures }) => signatures.some((text) => /^const \w+: CellDefinition/.test(text)));
    return [
      [cells ? "Cells with options" : "Functions", of("function")],
      [cells ? "Cells" : "Constants", of("constant")],
      ["Classes", of("class")],
      ["Types", of("type")],
    ];
  }
  const ops = groupsOfOps(readFileSync(join(root, "docs/reference/ops.md"), "utf8"));
  const within = ({ file }: Exported, paths: readonly string[]) =>
    paths.some(
      (path) => path === file || (path.endsWith("/index.ts") && file.startsWith(path.replace("index.ts", ""))),
    );
  // A source that says nothing of where a type belongs, such as one that passes it on, is of the last section.
  const titleOf = (one: Exported) => (parts.find(([, paths]) => within(one, paths)) ?? parts.at(-1))?.[0];
  return parts.flatMap(([title]): Groups => {
    const all = exports.filter((one) => titleOf(one) === title).map(({ name }) => name);
    const lists = ops.filter(([group]) => title === "Ops" || group === "Initializers");
    const listed = new Set(lists.flatMap(([, names]) => names));
    const rest = all.filter((name) => !listed.has(name));
    const grouped = lists.map(([group, names]) => [group, names.filter((name) => all.includes(name))] as const);
    return title === "Ops" ? [...grouped, ["More of ops and graphs", rest]] : [[title, rest], ...grouped];
  });
}

/** The pages by path in the site, without extension. `sourceLink` returns the URL of a source line. */
export function apiPages(
  root: string,
  entries: readonly Entry[],
  sourceLink: (file: string, line: number, from: string) => string,
): Map<string, string> {
  const format = formatted(root, entries);
  const types = new Map(entries.flatMap(({ exports }) => exports.map((one) => [one.name, one] as const)));

  /** Members of a type, including those of the types it extends. */
  function membersOf(type: string): readonly Member[] {
    const { members = [], signatures = [] } = types.get(type) ?? {};
    const [, clause = ""] = /^interface .*? extends (.*?) \{/s.exec(signatures[0] ?? "") ?? [];
    const own = new Set(members.map(({ name }) => name));
    const extended = clause.match(/\w+/g)?.flatMap((name) => membersOf(name)) ?? [];
    return [...members, ...extended.filter(({ name }) => !own.has(name))];
  }

  /** Members of the option types of a function. */
  function optionsOf({ kind, signatures, name }: Exported): string[] {
    if (kind !== "function" && kind !== "constant") return [];
    const used = [...new Set(signatures.join("\n").match(/\b\w+(Options|Sizes)\b/g))];
    return used.flatMap((type) => {
      const members = membersOf(type);
      return members.length === 0 || name === type ? [] : [`\`${type}\`:\n\n${members.map(memberLine).join("\n")}`];
    });
  }

  /** Parameters with a description: their own, or the first sentence about their type. Options are listed separately. */
  function parametersOf({ texts, parameters }: Exported): string[] {
    const tags = texts.flatMap(({ tags = [] }) => tags);
    const told = new Map<string, string>();
    for (const { name, type } of parameters) {
      const own = tags.find((tag) => tag.kind === "param" && tag.name === name)?.doc;
      const ofType = /(Options|Sizes)$/.test(type) ? undefined : types.get(type)?.texts[0]?.doc;
      const text =
        own ?? (ofType === undefined ? undefined : `\`${type}\`. ${/^.*?[.:](?=\s|$)/s.exec(ofType)?.[0] ?? ofType}`);
      if (text !== undefined && !told.has(name)) told.set(name, `- \`${name}\`: ${sentence(text)}`);
    }
    return [...told.values()];
  }

  function exportText(entry: Entry, one: Exported): string {
    const importing = `import ${one.kind === "type" ? "type " : ""}{ ${one.name} } from "${entry.module}";`;
    const tags = one.texts.flatMap(({ tags = [] }) => tags);
    const parameters = parametersOf(one);
    const returns = tags.flatMap(({ kind, doc }) => (kind === "return" && doc ? [`Returns ${sentence(doc)}`] : []));
    const throws = tags.flatMap(({ kind, doc }) =>
      kind === "throws" && doc ? [`Throws ${sentence(doc.replace(/^\w+Error\b/, "`$&`"))}`] : [],
    );
    const own = one.kind === "type" || one.kind === "class" ? membersOf(one.name).map(memberLine).join("\n") : "";
    return [
      `### ${one.name} {#${one.name}}`,
      `\`\`\`ts\n${importing}\n\n${one.signatures.map(format).join("\n")}\n\`\`\``,
      ...one.texts.map(({ doc = "" }) => prose(doc)),
      ...(parameters.length > 0 ? [parameters.join("\n")] : []),
      ...returns,
      ...throws,
      ...optionsOf(one),
      ...(own === "" ? [] : [own]),
      `[${one.file}](${sourceLink(one.file, one.line, pageOf(entry.module))}){target="_self" .source}`,
    ].join("\n\n");
  }

  const pages = new Map<string, string>();
  for (const entry of entries) {
    const groups = groupsOf(root, entry).filter(([, names]) => names.length > 0);
    const text = groups.map(([title, names]) => {
      const all = names.flatMap((name) => entry.exports.find((one) => one.name === name) ?? []);
      return [`## ${title} {#${groupId(title)}}`, ...all.map((one) => exportText(entry, one))].join("\n\n");
    });
    const front = "---\noutline: [2, 3]\neditLink: false\n---";
    pages.set(pageOf(entry.module), [front, `# ${entry.module}`, prose(entry.about), ...text].join("\n\n"));
  }
  const front = entries.map((entry) => {
    const page = `${pageOf(entry.module).replace("api/", "")}.md`;
    const link = (name: string) => `[\`${name}\`](${page}#${name})`;
    const isType = (name: string) => entry.exports.some((one) => one.name === name && one.kind === "type");
    const groups = groupsOf(root, entry).map(
      ([title, names]) => [title, names.filter((name) => !isType(name))] as const,
    );
    const filled = groups.filter(([, names]) => names.length > 0);
    const named = filled.map(
      ([title, names]) => `${filled.length > 1 ? `**${title}**: ` : ""}${names.map(link).join(" ")}`,
    );
    const all = entry.exports.filter(({ name }) => isType(name)).map(({ name }) => link(name));
    return [
      `## ${entry.module}`,
      `${prose(entry.about)} [All of it](${page}).`,
      ...named,
      ...(all.length === 0 ? [] : [`::: details ${all.length} types\n${all.join(" ")}\n:::`]),
    ].join("\n\n");
  });
  const intro =
    "The package has an entry for each purpose, so that a page loads no more than it uses. Each is imported by its name:";
  const usage =
    '```ts\nimport { createTrainer } from "cellgrad";\nimport { languageModel } from "cellgrad/networks";\n```';
  pages.set(
    "api/index",
    ["---\noutline: 2\neditLink: false\n---", "# API reference", intro, usage, ...front].join("\n\n"),
  );
  return pages;
}
