/** @file What the engine that runs this knows of WebAssembly: it is asked once, with a module of one function each. */

/** A module of one function without parameters and result, whose code is `instructions`. */
function accepts(instructions: readonly number[]): boolean {
  if (!("WebAssembly" in globalThis)) return false;
  const body = [0, ...instructions, 0x0b];
  const header = [0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0];
  const types = [1, 4, 1, 0x60, 0, 0];
  const functions = [3, 2, 1, 0];
  const code = [10, body.length + 2, 1, body.length, ...body];
  return WebAssembly.validate(new Uint8Array([...header, ...types, ...functions, ...code]));
}

/** v128.const 0 */
const zeros = [0xfd, 0x0c, ...new Array<number>(16).fill(0)];
const drop = 0x1a;

function once(probe: () => boolean): () => boolean {
  let answer: boolean | undefined;
  return () => {
    answer ??= probe();
    return answer;
  };
}

/** Whether the engine has vectors of 128 bits: all current ones do. */
export const hasSimd = once(() => accepts([...zeros, drop]));

/** Whether it has f32x4.relaxed_madd, which rounds once where the CPU can; Node 20 has not. */
export const hasRelaxedMadd = once(() => accepts([...zeros, ...zeros, ...zeros, 0xfd, 0x85, 0x02, drop]));
