/**
 * @file JSON in which an object names a key twice means one thing to one reader and another to the next: `JSON.parse`
 * takes the last, others the first. What is checked by one and used by another must have one meaning, so such files are
 * refused.
 */

const [quote, backslash] = [0x22, 0x5c];

/** A key that some object of a valid JSON text has twice, however it is escaped; undefined where none has. */
export function repeatedKey(text: string): string | undefined {
  /** Keys of the objects around the place, innermost last; lists have none. */
  const open: (Set<string> | undefined)[] = [];
  let lastText = "";
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === quote) {
      const end = endOfText(text, i);
      lastText = text.slice(i, end);
      i = end - 1;
      continue;
    }
    const character = text[i];
    if (character === "{") open.push(new Set());
    else if (character === "[") open.push(undefined);
    else if (character === "}" || character === "]") open.pop();
    else if (character === ":") {
      const key = JSON.parse(lastText) as string;
      const keys = open.at(-1);
      if (keys?.has(key)) return key;
      keys?.add(key);
    }
  }
  return undefined;
}

/** The place behind the closing quote of the text that opens at `start`. */
function endOfText(text: string, start: number): number {
  let i = start + 1;
  while (i < text.length && text.charCodeAt(i) !== quote) i += text.charCodeAt(i) === backslash ? 2 : 1;
  return i + 1;
}
