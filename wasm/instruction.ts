/**
 * @file WebAssembly functions as frozen plain data: trees of instructions, with locals, labels and functions by name.
 * The encoder assigns numbers, and the printer writes text.
 */

export type ValueType = "i32" | "f32" | "v128";

/**
 * An instruction with its operands. `op` is its name in WebAssembly, such as "f32x4.add". Immediates by kind of
 * instruction:
 *
 *   local.get, local.set, local.tee     `name`: the local
 *   global.get                          `name`: the constant
 *   call                                `name`: the function
 *   br, br_if                           `name`: the label of a block (jumps to its end) or of a loop (to its start)
 *   i32.const, f32.const                `value`; also i64.const, for timeouts of waits
 *   v128.const                          `words`: four u32
 *   loads and stores                    `offset`: bytes, added to the address; 0 by default
 *   lanes (…extract_lane, …)            `lane`
 *   i8x16.shuffle                       `lanes`: sixteen
 */
export interface Plain {
  readonly kind: "plain";
  readonly op: string;
  readonly operands: readonly Instruction[];
  readonly name?: string;
  readonly value?: number;
  readonly words?: readonly number[];
  readonly offset?: number;
  readonly lane?: number;
  readonly lanes?: readonly number[];
}

/** A block or a loop, without a result. */
export interface Block {
  readonly kind: "block" | "loop";
  readonly label: string;
  readonly body: readonly Instruction[];
}

/** A branch on an i32, without a result. */
export interface If {
  readonly kind: "if";
  readonly condition: Instruction;
  readonly whenTrue: readonly Instruction[];
  readonly whenFalse: readonly Instruction[];
}

export type Instruction = Plain | Block | If;

export interface Local {
  readonly name: string;
  readonly type: ValueType;
}

export interface WasmFunction {
  readonly name: string;
  readonly isExported: boolean;
  readonly parameters: readonly Local[];
  /** The type of its result; undefined if it has none. */
  readonly result: ValueType | undefined;
  readonly locals: readonly Local[];
  /** Statements; if the function has a result, the last one leaves it on the stack. */
  readonly body: readonly Instruction[];
}

/** An immutable global: four 32-bit words. */
export interface Constant {
  readonly name: string;
  readonly words: readonly number[];
}

/** Initial bytes of the memory of an instantiated module. */
export interface DataSegment {
  readonly address: number;
  readonly bytes: Uint8Array;
}

/** Bytes for tools that read the module; the engine ignores them. */
export interface CustomSection {
  readonly name: string;
  readonly bytes: Uint8Array;
}

export interface WasmModule {
  readonly functions: readonly WasmFunction[];
  readonly constants?: readonly Constant[];
  readonly data?: readonly DataSegment[];
  readonly custom?: readonly CustomSection[];
}

/** The memory of a module, in pages of 64 KiB. Functions do not depend on it. */
export interface MemoryLimits {
  readonly initialPages: number;
  readonly maximumPages: number;
  readonly isShared: boolean;
  /** Whether the module has its own memory, and exports it as `memory`; otherwise it imports env.memory. */
  readonly isOwn?: boolean;
}

/** Locals in the order in which they are numbered: grouped by type. */
export function orderedLocals(locals: readonly Local[]): readonly Local[] {
  return (["i32", "f32", "v128"] as const).flatMap((type) => locals.filter((local) => local.type === type));
}
