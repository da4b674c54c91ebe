/** @file wabt, an independent WebAssembly assembler, to compare with. */
import loadWabt from "wabt";

const features = {
  simd: true,
  threads: true,
  bulk_memory: true,
  sat_float_to_int: true,
  relaxed_simd: true,
  sign_extension: true,
};
const wabt = loadWabt();

/** Assembles a text. Names and arguments are checked, types are not. */
export async function readText(text: string): Promise<Uint8Array> {
  const parsed = (await wabt).parseWat("module.wat", new TextEncoder().encode(text), {
    ...features,
    sign_extension: true,
  });
  try {
    parsed.resolveNames();
    return parsed.toBinary({ canonicalize_lebs: true, write_debug_names: false }).buffer;
  } finally {
    parsed.destroy();
  }
}

/** A module without its custom sections. */
export function withoutNames(binary: Uint8Array): Buffer {
  const parts = [binary.subarray(0, 8)];
  for (let start = 8; start < binary.length; ) {
    let [at, length] = [start + 1, 0];
    for (let shift = 0; ; shift += 7) {
      const byte = binary[at++] ?? 0;
      length |= (byte & 0x7f) << shift;
      if (byte < 0x80) break;
    }
    const end = at + length;
    if (binary[start] !== 0) parts.push(binary.subarray(start, end));
    start = end;
  }
  return Buffer.concat(parts);
}
