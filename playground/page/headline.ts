/** @file What the header of a cell's file says first: which cell it is, and of which paper. */

/** The comment `@file` up to the end of the sentence that names a year, on one line. */
export function headline(source: string): string {
  const comment = /\/\*\*([\s\S]*?)\*\//.exec(source)?.[1] ?? "";
  const [paragraph = ""] = comment.replaceAll(/^[ \t]*\*[ \t]?/gm, "").split(/\n\s*\n/);
  const text = paragraph.replace("@file", "").replaceAll(/\s+/g, " ").trim();
  // "et al. 2014" and "eq. 3" end no sentence: the next one begins with a capital letter, or with x.
  const sentences = text.split(/(?<=[\w)"]\.)\s(?=["“(]?(?:\p{Lu}|x ))/u);
  const named = sentences.findIndex((sentence) => /\b(?:19|20)\d\d\b/.test(sentence));
  return sentences
    .slice(0, named + 1 || sentences.length)
    .join(" ")
    .replace(/[.:]$/, "");
}
