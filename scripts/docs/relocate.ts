/**
 * @file Makes a built site independent of the folder it is served from. VitePress writes one absolute base everywhere; here
 * it is a placeholder, which becomes a relative path in HTML and styles, and in scripts a path computed from their URL.
 */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseAst } from "vite";

/** The base that VitePress writes. */
export const baseMark = "/__docs_base__/";

/** Runs before the page's script: makes links absolute, so that they stay valid when the router replaces the page. */
const settleLinks = `<script>for(const a of document.querySelectorAll("a[href]"))if(!/^(#|[a-z]+:)/.test(a.getAttribute("href")))a.setAttribute("href",a.pathname+a.search+a.hash)</script>`;

function inHtml(text: string, up: string): string {
  const here = up === "" ? "./" : up;
  return text
    .replace(/<script>window\.__VP_HASH_MAP__[\s\S]*?<\/script>/, (script) =>
      script.replaceAll(baseMark, `"+new URL(${JSON.stringify(here)},location.href).pathname+"`),
    )
    .replaceAll(baseMark, here)
    .replace("</body>", `${settleLinks}</body>`);
}

interface Syntax {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly value?: unknown;
}

/** Strings with the placeholder in a script: literals, and parts of templates. */
function marked(syntax: unknown, found: Syntax[]): Syntax[] {
  if (Array.isArray(syntax)) for (const part of syntax) marked(part, found);
  else if (typeof syntax === "object" && syntax !== null) {
    const { type, value } = syntax as Partial<Syntax>;
    if (type === "Literal" && typeof value === "string" && value.includes(baseMark)) found.push(syntax as Syntax);
    else if (type === "TemplateElement" && JSON.stringify(value).includes(baseMark)) found.push(syntax as Syntax);
    else for (const part of Object.values(syntax)) marked(part, found);
  }
  return found;
}

function inScript(text: string, up: string): string {
  const base = `new URL(${JSON.stringify(up)},import.meta.url).pathname`;
  let result = text;
  for (const { type, start, end, value } of marked(parseAst(text), []).toSorted((a, b) => b.start - a.start)) {
    const replaced =
      type === "Literal"
        ? `(${JSON.stringify(value).replaceAll(baseMark, `"+${base}+"`)})`
        : text.slice(start, end).replaceAll(baseMark, `\${${base}}`);
    result = result.slice(0, start) + replaced + result.slice(end);
  }
  return result;
}

/** Rewrites the files of a built site in place. */
export function relocate(folder: string): void {
  for (const path of readdirSync(folder, { recursive: true, encoding: "utf8" })) {
    const ending = /\.(html|js|css)$/.exec(path)?.[1];
    if (ending === undefined || path.startsWith("source")) continue;
    const text = readFileSync(join(folder, path), "utf8");
    if (!text.includes(baseMark)) continue;
    const up = "../".repeat(path.split(/[\\/]/).length - 1);
    const rewritten =
      ending === "html"
        ? inHtml(text, up)
        : ending === "js"
          ? inScript(text, up || "./")
          : text.replaceAll(baseMark, up);
    if (rewritten.includes(baseMark)) throw new Error(`${path} still has the mark of the base`);
    writeFileSync(join(folder, path), rewritten);
  }
}
