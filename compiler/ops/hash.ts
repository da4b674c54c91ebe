/** @file Hashes names to numbers, so that different names have different random streams. */

/** FNV-1a, 32 bits, over the UTF-16 code units; `state` continues from an earlier text. */
export function fnv1a(text: string, state = 0x811c9dc5): number {
  let hash = state;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}
