/**
 * @file Puts the vector constants of a module into immutable globals. Engines make a vector of constant lanes anew wherever it
 * stands, by three instructions that all need the same port of the processor; a global is one load, and mostly an operand of
 * the instruction that uses it. A polynomial of a dozen coefficients takes a fifth less time.
 */
import * as code from "./code.ts";
import type { Constant, Instruction, Plain, WasmModule } from "./instruction.ts";

/** The same module, whose vector constants are globals, each once. */
export function withSharedConstants(module: WasmModule): WasmModule {
  const constants = new Map<string, Constant>();
  const shared = (words: readonly number[]): Plain => {
    const key = words.join();
    const known = constants.get(key) ?? { name: `constant_${constants.size}`, words };
    constants.set(key, known);
    return { kind: "plain", op: "global.get", operands: [], name: known.name };
  };
  const all = (body: readonly Instruction[]): Instruction[] => body.map(replaced);
  const replaced = (instruction: Instruction): Instruction => {
    switch (instruction.kind) {
      case "block":
      case "loop":
        return { ...instruction, body: all(instruction.body) };
      case "if": {
        const { condition, whenTrue, whenFalse } = instruction;
        return { kind: "if", condition: replaced(condition), whenTrue: all(whenTrue), whenFalse: all(whenFalse) };
      }
      case "plain": {
        const words = wordsOf(instruction);
        if (words !== undefined) return isMadeOfNothing(words) ? code.words(words) : shared(words);
        return instruction.operands.length === 0
          ? instruction
          : { ...instruction, operands: all(instruction.operands) };
      }
    }
  };
  const functions = module.functions.map((each) => ({ ...each, body: all(each.body) }));
  return { ...module, functions, constants: [...constants.values()] };
}

/** The words of a constant vector; undefined for other instructions. */
function wordsOf({ op, operands, words }: Plain): readonly number[] | undefined {
  if (op === "v128.const") return words;
  const [only] = operands;
  if (only?.kind !== "plain" || only.value === undefined) return undefined;
  if (op === "i32x4.splat" && only.op === "i32.const") return new Array<number>(4).fill(only.value >>> 0);
  if (op !== "f32x4.splat" || only.op !== "f32.const") return undefined;
  const [word = 0] = new Uint32Array(Float32Array.of(only.value).buffer);
  return new Array<number>(4).fill(word);
}

/** Whether an engine needs no constant for it: all bits are 0, or all are 1. */
function isMadeOfNothing(words: readonly number[]): boolean {
  return words.every((word) => word === 0) || words.every((word) => word === 0xffffffff);
}
