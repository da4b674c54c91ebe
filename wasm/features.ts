/** @file Feature detection for WebAssembly, with modules of one function. */

/** A module of one function without parameters or result, whose code is `instructions`. */
function moduleOf(instructions: readonly number[]): Uint8Array<ArrayBuffer> {
  const body = [0, ...instructions, 0x0b];
  const header = [0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0];
  const types = [1, 4, 1, 0x60, 0, 0];
  const functions = [3, 2, 1, 0];
  const code = [10, body.length + 2, 1, body.length, ...body];
  return new Uint8Array([...header, ...types, ...functions, ...code]);
}

/** v128.const 0 */
const zeros = [0xfd, 0x0c, ...new Array<number>(16).fill(0)];
const drop = 0x1a;

/**
 * Whether the engine has 128-bit SIMD, as all current ones do, and may compile it: a content security policy can forbid
 * compilation, and `WebAssembly.validate` does not check that.
 */
export async function compilesSimd(): Promise<boolean> {
  try {
    await WebAssembly.compile(moduleOf([...zeros, drop]));
    return true;
  } catch {
    return false;
  }
}

let relaxedMadd: boolean | undefined;
/** Whether the engine has f32x4.relaxed_madd, which rounds once if the CPU can; Node 20 does not have it. */
export function hasRelaxedMadd(): boolean {
  relaxedMadd ??=
    "WebAssembly" in globalThis &&
    WebAssembly.validate(moduleOf([...zeros, ...zeros, ...zeros, 0xfd, 0x85, 0x02, drop]));
  return relaxedMadd;
}
