/** @file The anchor of a heading, by GitHub's rule, so that one link works in the repository and on the site. */

/** `heading` is its text without Markdown formatting. */
export function slug(heading: string): string {
  return heading
    .trim()
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, "")
    .replace(/\s/g, "-");
}
