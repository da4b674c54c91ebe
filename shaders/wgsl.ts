/**
 * @file The `wgsl` tag: a template whose fragments are named values, with the indentation of the source taken away.
 */
export function wgsl(strings: TemplateStringsArray, ...fragments: readonly (string | number)[]): string {
  const text = strings.reduce(
    (joined, part, i) => `${joined}${part}${i < fragments.length ? String(fragments[i]) : ""}`,
    "",
  );
  const lines = text
    .replace(/^\n/, "")
    .replace(/\n\s*$/, "")
    .split("\n");
  const indents = lines.filter((line) => line.trim() !== "").map((line) => line.length - line.trimStart().length);
  const indent = Math.min(...indents);
  return lines.map((line) => line.slice(Math.min(indent, line.length))).join("\n");
}
