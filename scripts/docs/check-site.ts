/** @file Follows every internal link of a built site: the file must exist, and so must the anchor in it. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";

interface Page {
  readonly links: readonly string[];
  readonly ids: ReadonlySet<string>;
}

function read(path: string): Page {
  const text = readFileSync(path, "utf8");
  const values = (pattern: RegExp) =>
    [...text.matchAll(pattern)].map(([, value = ""]) => value.replaceAll("&amp;", "&"));
  return {
    links: values(/<(?:a|link|img|script)\b[^>]*? (?:href|src)="([^"]*)"/g),
    ids: new Set(values(/ id="([^"]*)"/g)),
  };
}

/** The errors, one line each. */
export function brokenLinks(folder: string): string[] {
  const known = new Map<string, Page>();
  const pageAt = (path: string) => {
    const page = known.get(path) ?? read(path);
    known.set(path, page);
    return page;
  };
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((path) => path.endsWith(".html"));
  return files.flatMap((file) => {
    const path = join(folder, file);
    return pageAt(path).links.flatMap((link) => {
      if (/^([a-z]+:|\/\/)/.test(link)) return [];
      const [address = "", anchor = ""] = link.split("#");
      if (address.startsWith("/")) return [`${file}: ${link} depends on where the site lies`];
      const given = address === "" ? path : join(dirname(path), decodeURI(address.split("?")[0] ?? ""));
      const target = given.endsWith("/") ? join(given, "index.html") : given;
      if (!existsSync(target)) return [`${file}: ${link} leads to ${relative(folder, target)}, which is not there`];
      const found = anchor === "" || !target.endsWith(".html") || pageAt(target).ids.has(decodeURIComponent(anchor));
      return found ? [] : [`${file}: ${link} leads to a place that is not there`];
    });
  });
}
