/**
 * @file CRC-32C, the checksum of TFRecord files (Castagnoli et al. 1993, "Optimization of cyclic redundancy-check codes";
 * RFC 3720, appendix B.4, has values).
 */

/** The remainder of each byte, for the reflected polynomial. */
const table = /* @__PURE__ */ Uint32Array.from({ length: 256 }, (_, byte) => {
  let rest = byte;
  for (let bit = 0; bit < 8; bit++) rest = rest & 1 ? (rest >>> 1) ^ 0x82f63b78 : rest >>> 1;
  return rest;
});

/** The checksum of bytes, a whole number below 2^32. */
export function crc32c(bytes: Uint8Array): number {
  let rest = 0xffffffff;
  for (const byte of bytes) rest = (rest >>> 8) ^ (table[(rest ^ byte) & 0xff] ?? 0);
  return (rest ^ 0xffffffff) >>> 0;
}
