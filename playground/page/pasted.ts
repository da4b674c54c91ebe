/** @file What a pasted text is. */
import { isNumeral, isReadable } from "../../train/data/field.ts";
import { layoutOf } from "../../train/data/table-layout.ts";

/** Every line after the first, which may be names, is numbers and dates with separators between them. */
export function isTable(text: string): boolean {
  const { separator, linesBefore } = layoutOf(text, false, "pasted");
  const [, ...lines] = text
    .trim()
    .split(/\r\n|\n|\r/)
    .slice(linesBefore, linesBefore + 20);
  const rows = lines.map((line) => line.split(separator).map((field) => field.trim().replace(/^"(.*)"$/, "$1")));
  return (
    rows.length >= 2 &&
    rows.every((fields) => fields.every(isReadable)) &&
    rows.some((fields) => fields.some(isNumeral))
  );
}
