/** @file VitePress's settings. site.ts writes `data.json` next to this file: the side bar, and link targets of inline code. */
import { readFileSync } from "node:fs";
import { dirname, relative } from "node:path";
import { defineConfig } from "vitepress";

const { sidebar, names, repository } = JSON.parse(readFileSync(new URL("./data.json", import.meta.url), "utf8"));

/** GitHub's anchors, as in slug.ts, so that one link works in both places. */
const slugify = (text) =>
  text
    .trim()
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, "")
    .replace(/\s/g, "-");

/** Inline code that names or calls an export links to the API reference. */
function linkNames(md) {
  md.core.ruler.push("link-names", ({ tokens, env, Token }) => {
    const from = (env.relativePath ?? "").replaceAll("\\", "/");
    let heading = false;
    for (const token of tokens) {
      if (token.type === "heading_open") heading = true;
      if (token.type === "heading_close") heading = false;
      if (heading || token.children === null) continue;
      // A short word, such as an option, is not broken at its hyphens.
      for (const child of token.children)
        if (child.type === "code_inline" && /^\S{1,24}$/.test(child.content)) child.attrJoin("class", "word");
      let depth = 0;
      token.children = token.children.flatMap((child) => {
        if (child.type === "link_open") depth += 1;
        if (child.type === "link_close") depth -= 1;
        const [, name] =
          /^(\w+|cellgrad\/\w+)(?:\(.+\))?$/.exec(child.type === "code_inline" ? child.content : "") ?? [];
        const target = name !== undefined && Object.hasOwn(names, name) ? names[name] : undefined;
        if (depth > 0 || target === undefined) return [child];
        const [page, anchor] = target.slice(1).split("#");
        if (`${page}.md` === from && anchor === undefined) return [child];
        const open = new Token("link_open", "a", 1);
        const path = relative(dirname(from), `${page}.md`).replaceAll("\\", "/");
        open.attrSet("href", `${path.startsWith(".") ? "" : "./"}${path}${anchor === undefined ? "" : `#${anchor}`}`);
        return [open, child, new Token("link_close", "a", -1)];
      });
    }
  });
}

export default defineConfig({
  title: "cellgrad",
  description:
    "Write one time step of a recurrent cell; get its gradient, its kernels for GPU and CPU, and a training loop.",
  base: process.env.CELLGRAD_DOCS_BASE ?? "/",
  cacheDir: "./.vitepress/cache",
  lastUpdated: false,
  appearance: true,
  markdown: { anchor: { slugify }, toc: { slugify }, config: linkNames },
  // The index of the search is one large piece, fetched on the first search.
  vite: { build: { chunkSizeWarningLimit: 2000 } },
  themeConfig: {
    nav: [
      { text: "Guide", link: "/guide/get-started", activeMatch: "/guide/" },
      { text: "Recipes", link: "/recipes/", activeMatch: "/recipes/" },
      { text: "Reference", link: "/reference/ops", activeMatch: "/reference/" },
      { text: "API", link: "/api/", activeMatch: "/api/" },
      { text: "Architecture", link: "/architecture" },
    ],
    sidebar,
    outline: { level: [2, 3] },
    search: { provider: "local" },
    socialLinks: [{ icon: "github", link: repository }],
  },
});
