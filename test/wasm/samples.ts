/** @file One small function for each instruction of the table, with constants as operands. */
import type { Instruction, Plain, ValueType, WasmFunction } from "../../wasm/instruction.ts";
import { type Opcode, opcodes, type StackType } from "../../wasm/opcodes.ts";
import { constant, exported, instruction, locals } from "./modules.ts";

export function constantOf(type: StackType | "any"): Plain {
  switch (type) {
    case "f32":
      return instruction("f32.const", [], { value: 1.5 });
    case "i64":
      return instruction("i64.const", [], { value: -1 });
    case "v128":
      return instruction("v128.const", [], { words: [1, 2, 3, 0x80000000] });
    default:
      return constant(4);
  }
}

/** Instructions whose signature depends on the function that they name. */
const operandsByName: Readonly<Record<string, readonly ValueType[]>> = { call: ["i32", "f32"], return: ["i32"] };

export function operandTypes(op: string, { operands }: Opcode): Opcode["operands"] {
  return operandsByName[op] ?? operands;
}

/** An instruction with these operands, and non-zero immediates where possible. */
export function sampleInstruction(op: string, opcode: Opcode, operands: readonly Instruction[]): Plain {
  const value = { i32: -123456, i64: -1, f32: 0.1 };
  switch (opcode.immediate) {
    case "local":
      return instruction(op, operands, { name: "x" });
    case "global":
      return instruction(op, operands, { name: "given" });
    case "function":
      return instruction(op, operands, { name: "callee" });
    case "label":
      return instruction(op, operands, { name: "out" });
    case "i32":
    case "i64":
    case "f32":
      return instruction(op, operands, { value: value[opcode.immediate] });
    case "words":
      return instruction(op, operands, { words: [1, 0xfffffffe, 0x3f800000, 0x7fc00000] });
    case "shuffle":
      return instruction(op, operands, { lanes: [31, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 0] });
    default:
      return instruction(op, operands, { offset: 300, lane: opcode.lanes > 0 ? 1 : undefined });
  }
}

/** A function around an instruction: its value is dropped, and the result is a constant. */
export function sampleFunction(name: string, wrapped: Plain, opcode: Opcode): WasmFunction {
  const leaves = opcode.result !== undefined || wrapped.op === "call";
  const body: Instruction[] = [
    { kind: "block", label: "out", body: [leaves ? instruction("drop", [wrapped]) : wrapped] },
    constant(0),
  ];
  return exported(name, body, { parameters: locals("f32", "y"), locals: locals("i32", "x"), result: "i32" });
}

export const callee = exported("callee", [instruction("f32.const", [], { value: 2 })], {
  ...{ parameters: [...locals("i32", "a"), ...locals("f32", "b")], result: "f32" },
});

/** What instructions that name a constant name. */
export const constants = [{ name: "given", words: [1, 2, 3, 0xffffffff] }];

/** All instructions of the table, each in its own function. */
export const samples = [...opcodes].map(([op, opcode]) => {
  const operands = operandTypes(op, opcode).map(constantOf);
  return { op, opcode, operands, function: sampleFunction(op, sampleInstruction(op, opcode, operands), opcode) };
});
