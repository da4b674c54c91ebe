/**
 * @file Rejects JSON with a repeated key, which parsers read differently: `JSON.parse` uses the last value, others the first.
 * A file that one parser checks and another one uses must have a single meaning.
 */

const [quote, backslash] = [0x22, 0x5c];

/** Returns a key that an object of a valid JSON text has twice, in any escaping; undefined if there is none. */
export function repeatedKey(text: string): string | undefined {
  /** Keys of the objects around the current position, innermost last; undefined for lists. */
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

/** The position after the closing quote of the string that opens at `start`. */
function endOfText(text: string, start: number): number {
  let i = start + 1;
  while (i < text.length && text.charCodeAt(i) !== quote) i += text.charCodeAt(i) === backslash ? 2 : 1;
  return i + 1;
}
