/** @file Encodes the code of one function as bytes: locals, functions and labels become numbers. */
import { InternalError } from "../compiler/graph/errors.ts";
import type { Bytes } from "./bytes.ts";
import { type Instruction, orderedLocals, type Plain, type ValueType, type WasmFunction } from "./instruction.ts";
import { type Opcode, opcodes } from "./opcodes.ts";

export const typeCode: Readonly<Record<ValueType, number>> = { i32: 0x7f, f32: 0x7d, v128: 0x7b };

/** What a module's functions can name, with its number. */
export interface Numbered {
  readonly functions: ReadonlyMap<string, { readonly index: number; readonly function: WasmFunction }>;
  readonly constants: ReadonlyMap<string, number>;
}

const structure = { block: 0x02, loop: 0x03, if: 0x04, else: 0x05, end: 0x0b } as const;
const noValue = 0x40;

/** Writes the locals and the instructions of a function. */
export function writeCode(bytes: Bytes, code: WasmFunction, numbered: Numbered): void {
  writeLocals(bytes, code);
  const writer = new CodeWriter(bytes, code, numbered);
  writer.all(code.body);
  bytes.byte(structure.end);
}

/** Writes the number of locals of each type. */
function writeLocals(bytes: Bytes, { locals }: WasmFunction): void {
  const counts = new Map<ValueType, number>();
  for (const { type } of orderedLocals(locals)) counts.set(type, (counts.get(type) ?? 0) + 1);
  bytes.unsigned(counts.size);
  for (const [type, count] of counts) {
    bytes.unsigned(count);
    bytes.byte(typeCode[type]);
  }
}

class CodeWriter {
  readonly #bytes: Bytes;
  readonly #code: WasmFunction;
  readonly #numbered: Numbered;
  readonly #locals = new Map<string, number>();
  /** Labels of the open blocks, loops and branches; undefined if they have none. */
  readonly #labels: (string | undefined)[] = [];

  constructor(bytes: Bytes, code: WasmFunction, numbered: Numbered) {
    this.#bytes = bytes;
    this.#code = code;
    this.#numbered = numbered;
    for (const { name } of [...code.parameters, ...orderedLocals(code.locals)]) {
      if (this.#locals.has(name)) throw new InternalError(`function ${code.name} has two locals named ${name}`);
      this.#locals.set(name, this.#locals.size);
    }
  }

  all(instructions: readonly Instruction[]): void {
    for (const instruction of instructions) this.#write(instruction);
  }

  #write(instruction: Instruction): void {
    switch (instruction.kind) {
      case "plain":
        this.#plain(instruction);
        break;
      case "block":
      case "loop":
        this.#open(structure[instruction.kind], instruction.label);
        this.all(instruction.body);
        this.#close();
        break;
      case "if":
        this.#write(instruction.condition);
        this.#open(structure.if, undefined);
        this.all(instruction.whenTrue);
        if (instruction.whenFalse.length > 0) {
          this.#bytes.byte(structure.else);
          this.all(instruction.whenFalse);
        }
        this.#close();
    }
  }

  #open(opcode: number, label: string | undefined): void {
    this.#bytes.byte(opcode);
    this.#bytes.byte(noValue);
    this.#labels.push(label);
  }

  #close(): void {
    this.#bytes.byte(structure.end);
    this.#labels.pop();
  }

  #plain(instruction: Plain): void {
    const opcode = opcodes.get(instruction.op) ?? this.#fail(instruction, "is not in wasm/opcodes.ts");
    const count = this.#operandCount(instruction, opcode);
    if (instruction.operands.length !== count)
      this.#fail(instruction, `has ${instruction.operands.length} operands instead of ${count}`);
    this.all(instruction.operands);
    this.#bytes.all(opcode.bytes);
    this.#immediate(instruction, opcode);
  }

  #operandCount(instruction: Plain, { operands, immediate }: Opcode): number {
    if (immediate === "function") return this.#callee(instruction).function.parameters.length;
    if (instruction.op === "return") return this.#code.result === undefined ? 0 : 1;
    return operands.length;
  }

  #immediate(instruction: Plain, { immediate, width, lanes }: Opcode): void {
    const bytes = this.#bytes;
    switch (immediate) {
      case "none":
        break;
      case "local":
        bytes.unsigned(this.#local(instruction));
        break;
      case "global":
        bytes.unsigned(this.#constant(instruction));
        break;
      case "function":
        bytes.unsigned(this.#callee(instruction).index);
        break;
      case "label":
        bytes.unsigned(this.#depth(instruction));
        break;
      case "i32":
        bytes.signed(this.#integer(instruction, -(2 ** 31), 2 ** 32 - 1) | 0);
        break;
      case "i64":
        bytes.signed(this.#integer(instruction, Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER));
        break;
      case "f32":
        bytes.float32(instruction.value ?? this.#fail(instruction, "has no value"));
        break;
      case "words":
        for (const word of this.#list(instruction, instruction.words, 4, 2 ** 32)) bytes.uint32(word);
        break;
      case "shuffle":
        bytes.all(this.#list(instruction, instruction.lanes, 16, lanes));
        break;
      case "memory":
        this.#address(instruction, width);
        break;
      case "memoryLane":
        this.#address(instruction, width);
        bytes.byte(this.#lane(instruction, lanes));
        break;
      case "lane":
        bytes.byte(this.#lane(instruction, lanes));
        break;
      case "pages":
      case "fence":
        bytes.byte(0);
        break;
      case "copy":
        bytes.all([0, 0]);
        break;
    }
  }

  #local(instruction: Plain): number {
    const { name } = instruction;
    const index = name === undefined ? undefined : this.#locals.get(name);
    return index ?? this.#fail(instruction, `uses the local ${name}, which the function does not have`);
  }

  #constant(instruction: Plain): number {
    const { name } = instruction;
    const index = name === undefined ? undefined : this.#numbered.constants.get(name);
    return index ?? this.#fail(instruction, `reads the constant ${name}, which the module does not have`);
  }

  #callee(instruction: Plain): { index: number; function: WasmFunction } {
    const { name } = instruction;
    const callee = name === undefined ? undefined : this.#numbered.functions.get(name);
    return callee ?? this.#fail(instruction, `calls the function ${name}, which the module does not have`);
  }

  /** How many open blocks are between the branch and its label. */
  #depth(instruction: Plain): number {
    const { name } = instruction;
    const place = name === undefined ? -1 : this.#labels.lastIndexOf(name);
    if (place < 0) this.#fail(instruction, `jumps to the label ${name}, which does not enclose it`);
    return this.#labels.length - 1 - place;
  }

  /**
   * Writes the alignment, as an exponent of two, and the offset. The alignment is that of an aligned access of this
   * width.
   */
  #address(instruction: Plain, width: number): void {
    const { offset = 0 } = instruction;
    if (!isWithin(offset, 0, 2 ** 32 - 1)) this.#fail(instruction, `has the offset ${offset}, which is not a u32`);
    this.#bytes.byte(Math.log2(width));
    this.#bytes.unsigned(offset);
  }

  #lane(instruction: Plain, lanes: number): number {
    const { lane } = instruction;
    if (lane === undefined || !isWithin(lane, 0, lanes - 1))
      this.#fail(instruction, `has lane ${lane}, but there are ${lanes} lanes`);
    return lane;
  }

  #integer(instruction: Plain, least: number, most: number): number {
    const { value } = instruction;
    if (value === undefined || !isWithin(value, least, most))
      this.#fail(instruction, `has the value ${value}, which is not an integer from ${least} to ${most}`);
    return value;
  }

  #list(instruction: Plain, items: readonly number[] | undefined, count: number, end: number): readonly number[] {
    if (items?.length !== count || !items.every((item) => isWithin(item, 0, end - 1)))
      this.#fail(instruction, `has the immediates [${items}] instead of ${count} integers below ${end}`);
    return items;
  }

  #fail: (instruction: Plain, problem: string) => never = ({ op }, problem) => {
    throw new InternalError(`${op} in function ${this.#code.name} ${problem}`);
  };
}

function isWithin(value: number, least: number, most: number): boolean {
  return Number.isInteger(value) && value >= least && value <= most;
}
