/** @file Short constructors for instructions. */
import type { Instruction, Plain } from "./instruction.ts";

export function op(name: string, ...operands: readonly Instruction[]): Plain {
  return { kind: "plain", op: name, operands };
}

export function i32(value: number): Plain {
  return { kind: "plain", op: "i32.const", operands: [], value: value | 0 };
}

export function f32(value: number): Plain {
  return { kind: "plain", op: "f32.const", operands: [], value };
}

/** Four 32-bit integers. */
export function words(values: readonly number[]): Plain {
  return { kind: "plain", op: "v128.const", operands: [], words: values.map((value) => value >>> 0) };
}

export function get(name: string): Plain {
  return { kind: "plain", op: "local.get", operands: [], name };
}

export function set(name: string, value: Instruction): Plain {
  return { kind: "plain", op: "local.set", operands: [value], name };
}

export function call(name: string, operands: readonly Instruction[]): Plain {
  return { kind: "plain", op: "call", operands, name };
}

/** A jump to the end of a block, or to the start of a loop. */
export function jump(label: string): Plain {
  return { kind: "plain", op: "br", operands: [], name: label };
}

export function jumpIf(label: string, condition: Instruction): Plain {
  return { kind: "plain", op: "br_if", operands: [condition], name: label };
}

/** A load, or a store of `value`; `offset` is in bytes. */
export function at(name: string, address: Instruction, offset: number, value?: Instruction): Plain {
  return { kind: "plain", op: name, operands: value === undefined ? [address] : [address, value], offset };
}

export function lane(name: string, index: number, ...operands: readonly Instruction[]): Plain {
  return { kind: "plain", op: name, operands, lane: index };
}
