/**
 * @file The languages of the page: the one it is written in, and the browser's. A browser started with LANG=C calls its
 * language "en-US@posix", which Intl refuses with a RangeError.
 */

/** What the page is written in, so numbers are grouped as in English: the only tag that this project gives to Intl. */
export const pageLanguage = "en-US";

/** The tag, or the longest beginning of it that Intl takes: "en-US" for "en-US@posix". */
export function validLanguage(tag: string): string {
  for (let rest = tag.replaceAll("_", "-"); rest !== ""; rest = rest.replace(/[^a-z\d]*[a-z\d]*$/i, "")) {
    try {
      return Intl.getCanonicalLocales(rest)[0] ?? pageLanguage;
    } catch {
      // A shorter beginning, then.
    }
  }
  return pageLanguage;
}

/** Gives `navigator.language` a tag that Intl takes, where it has one that Intl refuses. */
export function mendLanguage(navigator: { readonly language: string }): void {
  const valid = validLanguage(String(navigator.language));
  if (valid !== navigator.language)
    Object.defineProperty(navigator, "language", { value: valid, configurable: true, enumerable: true });
}
