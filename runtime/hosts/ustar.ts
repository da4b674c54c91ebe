/** @file Reads a tar archive (ustar layout, plain files with names under 100 bytes; all else is skipped). */

const BLOCK = 512;

/** The archive's files by name, without copying their bytes. */
export function readTar(archive: Uint8Array): Map<string, Uint8Array> {
  const files = new Map<string, Uint8Array>();
  const text = (start: number, length: number) =>
    new TextDecoder().decode(archive.subarray(start, start + length)).replace(/\0.*$/s, "");
  // Two empty blocks end an archive; one is enough to stop at.
  for (let at = 0; at + BLOCK <= archive.length && archive[at] !== 0; ) {
    const size = Number.parseInt(text(at + 124, 12), 8);
    const type = text(at + 156, 1);
    const start = at + BLOCK;
    if (!Number.isFinite(size) || start + size > archive.length) throw new Error("damaged tar archive");
    if (type === "0" || type === "")
      files.set(text(at, 100).replace(/^\.\//, ""), archive.subarray(start, start + size));
    at = start + Math.ceil(size / BLOCK) * BLOCK;
  }
  return files;
}
