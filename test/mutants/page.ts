/** @file Mutants of what the playground's page shows and says. */
import { changed, type Mutant } from "./mutant.ts";

export const pageMutants: readonly Mutant[] = [
  ...changed(
    "playground/shared/language.ts",
    ["test/playground/language.test.ts"],
    [
      ["a tag that Intl refuses stays", "valid !== navigator.language", "valid === undefined"],
      ["underscores stay", 'tag.replaceAll("_", "-")', "tag"],
    ],
  ),
];
