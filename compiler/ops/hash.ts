/** @file A number for a name: what tells the random streams of different names apart. */

/** FNV-1a, 32 bits, over the UTF-16 code units; a state goes on from an earlier text. */
export function fnv1a(text: string, state = 0x811c9dc5): number {
  let hash = state;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}
