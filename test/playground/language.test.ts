/** @file Language tags as browsers report them, some of which Intl refuses. */
import { expect, test } from "vitest";
import { mendLanguage, validLanguage } from "../../playground/shared/language.ts";

const tags: readonly [tag: string, valid: string][] = [
  ["en-US@posix", "en-US"],
  ["en-US-u-va-posix", "en-US-u-va-posix"],
  ["C", "en-US"],
  ["de_DE.UTF-8", "de-DE"],
  ["sr@latin", "sr"],
  ["zh-Hant-TW", "zh-Hant-TW"],
  ["en--US", "en"],
  ["pt-BR-", "pt-BR"],
  ["@", "en-US"],
  ["ü", "en-US"],
  ["", "en-US"],
];

test.each(tags)("%s becomes %s, which Intl takes", (tag, valid) => {
  expect(validLanguage(tag)).toBe(valid);
  expect(new Intl.NumberFormat(valid).format(1)).toBe("1");
});

test("a navigator keeps a tag that is valid, and gets one in place of one that is not", () => {
  const fine = Object.freeze({ language: "de" });
  mendLanguage(fine);
  expect(fine.language).toBe("de");
  // As a browser has it: on the prototype, with no setter.
  const odd = Object.create({
    get language() {
      return "en-US@posix";
    },
  }) as { readonly language: string };
  mendLanguage(odd);
  expect(odd.language).toBe("en-US");
});
