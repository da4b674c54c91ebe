/** @file Small WebAssembly modules for tests, and a way to run them. */
import { encodeModule } from "../../wasm/encode.ts";
import type { If, Instruction, Local, MemoryLimits, Plain, ValueType, WasmFunction } from "../../wasm/instruction.ts";

export const onePage: MemoryLimits = { initialPages: 1, maximumPages: 1, isShared: false };

type Immediates = Omit<Plain, "kind" | "op" | "operands">;

export function instruction(op: string, operands: readonly Instruction[] = [], immediates: Immediates = {}): Plain {
  return { kind: "plain", op, operands, ...immediates };
}

export function constant(value: number): Plain {
  return instruction("i32.const", [], { value });
}

export function local(name: string): Plain {
  return instruction("local.get", [], { name });
}

export function add(...operands: readonly Instruction[]): Plain {
  return instruction("i32.add", operands);
}

export function assign(name: string, value: Instruction): Plain {
  return instruction("local.set", [value], { name });
}

export function choice(
  condition: Instruction,
  whenTrue: readonly Instruction[],
  whenFalse: readonly Instruction[],
): If {
  return { kind: "if", condition, whenTrue, whenFalse };
}

export function locals(type: ValueType, ...names: readonly string[]): Local[] {
  return names.map((name) => ({ name, type }));
}

/** An exported function. */
export function exported(name: string, body: readonly Instruction[], rest: Partial<WasmFunction> = {}): WasmFunction {
  return { name, isExported: true, parameters: [], result: undefined, locals: [], body, ...rest };
}

/** Instantiates a module with one page of memory; returns a function that calls its exports. */
export function run(
  functions: readonly WasmFunction[],
  memory = new WebAssembly.Memory({ initial: 1, maximum: 1 }),
): (name: string, ...operands: readonly number[]) => unknown {
  const module = new WebAssembly.Module(encodeModule({ functions }, onePage));
  const { exports } = new WebAssembly.Instance(module, { env: { memory } });
  return (name, ...operands) => {
    const found = exports[name];
    if (typeof found !== "function") throw new Error(`the module exports no function ${name}`);
    return found(...operands);
  };
}
