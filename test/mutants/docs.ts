/** @file Ways to break the documentation site and its reference. */
import { changed, type Mutant } from "./mutant.ts";

const onReference = "test/docs/api-reference.test.ts";
const onSite = "test/docs/site.test.ts";

export const docsMutants: readonly Mutant[] = [
  ...changed(
    "scripts/docs/declarations.ts",
    [onReference],
    [
      ["statements end at the first semicolon", 'character === ";" && depth === 0', 'character === ";"'],
      ["exports that an entry passes on are not looked up", 'given[0]?.kind === "reference"', "given.length === 0"],
    ],
  ),
  ...changed(
    "scripts/docs/api-pages.ts",
    [onReference],
    [
      ["a name stands in every group that lists it", "all.filter((name) => !seen.has(name) && seen.add(name))", "all"],
      [
        "options that a type extends are left out",
        "return [...members, ...extended.filter(({ name }) => !own.has(name))];",
        "return members;",
      ],
    ],
  ),
  ...changed(
    "scripts/docs/relocate.ts",
    [onSite],
    [
      ["templates keep the mark", 'type === "TemplateElement" && JSON', 'type === "Template" && JSON'],
      ["pages in folders link as those above them", '"../".repeat(path', '"".repeat(path'],
    ],
  ),
  ...changed(
    "scripts/docs/check-site.ts",
    [onSite],
    [
      ["places on pages are not looked at", 'anchor === "" ||', "true ||"],
      ["files are not looked at", "!existsSync(target)", "!existsSync(folder)"],
    ],
  ),
];
