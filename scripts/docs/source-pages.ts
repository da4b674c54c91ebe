/** @file Sources that the site links to, as plain pages with an anchor for each line, and folders as lists of their files. */
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";

const style = `:root{color-scheme:light dark}body{margin:0;font:14px/1.5 ui-monospace,monospace}
header{padding:12px 16px;border-bottom:1px solid #8884}header a{margin-right:16px}pre{margin:0;padding:12px 0;overflow:auto}
pre a{display:inline-block;width:4em;padding-right:1em;text-align:right;color:#888;text-decoration:none}
pre a:target,pre a:target+span{background:#fc04}ul{line-height:1.8}`;

function escaped(text: string): string {
  return text.replace(/&/g, "&amp;").replace(/</g, "&lt;");
}

/** Collects the sources that pages link to; `write` creates a page for each. */
export class SourcePages {
  readonly #root: string;
  readonly #wanted = new Set<string>();

  constructor(root: string) {
    this.#root = root;
  }

  /** The URL of a file or folder of the repository, relative to a page of the site; registers it for a page. */
  link(path: string, from: string, line?: number): string {
    this.#wanted.add(path);
    const address = relative(dirname(from), `source/${path}.html`).replaceAll("\\\\", "/");
    return `${address.startsWith(".") ? "" : "./"}${address}${line === undefined ? "" : `#L${line}`}`;
  }

  write(folder: string): void {
    // Folders add the files that they list.
    for (const path of this.#wanted) this.#writeOne(folder, path);
  }

  #writeOne(folder: string, path: string): void {
    const page = `source/${path}.html`;
    const up = "../".repeat(page.split("/").length - 1);
    const full = join(this.#root, path);
    let body: string;
    if (statSync(full).isDirectory()) {
      const items = readdirSync(full).map((name) => {
        const inside = `${path.replace(/\/$/, "")}/${name}`;
        return `<li><a href="${this.link(inside, page)}">${escaped(name)}</a></li>`;
      });
      body = `<ul>${items.join("")}</ul>`;
    } else if (/\.(png|bin|safetensors|wasm|h5|keras)$/.test(path)) body = "<p>A binary file.</p>";
    else {
      const lines = readFileSync(full, "utf8").replace(/\n$/, "").split("\n");
      body = `<pre>${lines.map((line, i) => `<a id="L${i + 1}" href="#L${i + 1}">${i + 1}</a><span>${escaped(line)}</span>`).join("\n")}</pre>`;
    }
    const html = `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${escaped(path)} · cellgrad</title><style>${style}</style>
<header><a href="${up}index.html">cellgrad</a>${escaped(path)}</header>${body}</html>`;
    mkdirSync(dirname(join(folder, page)), { recursive: true });
    writeFileSync(join(folder, page), html);
  }
}
