/**
 * @file Encodes modules in WebAssembly's binary format: names become numbers, and sections are in the specified order.
 */
import { InternalError } from "../compiler/graph/errors.ts";
import { type Numbered, typeCode, writeCode } from "./body.ts";
import { Bytes } from "./bytes.ts";
import type { Constant, DataSegment, MemoryLimits, WasmFunction, WasmModule } from "./instruction.ts";

const functionType = 0x60;
/** Opcodes of constant expressions: the address of a data segment, the words of a global. */
const [i32Const, v128Const, end] = [0x41, [0xfd, 0x0c], 0x0b] as const;

/** Ids of sections, kinds of imports and exports, and the subsection of function names in the name section. */
const sections = {
  custom: 0,
  type: 1,
  import: 2,
  function: 3,
  memory: 5,
  global: 6,
  export: 7,
  code: 10,
  data: 11,
} as const;
const kinds = { function: 0, memory: 2 } as const;
const functionNames = 1;

/**
 * Encodes a module that imports its memory as env.memory, or has its own, and exports the functions marked so, in time
 * proportional to its instructions and data. Function names are kept in a section that profilers read. A malformed
 * module (an unknown name, a missing operand) is an InternalError that names the function and the instruction; types
 * are checked by `checkModule` (validate.ts), or by the engine.
 */
export function encodeModule(
  { functions, constants = [], data = [], custom = [] }: WasmModule,
  memory: MemoryLimits,
): Uint8Array<ArrayBuffer> {
  const numbers = numbered(functions, constants);
  const bytes = new Bytes();
  const section = (id: number, write: (body: Bytes) => void) => {
    const body = new Bytes();
    write(body);
    bytes.byte(id);
    bytes.sized(body);
  };
  bytes.all([0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0]);
  const types = typesOf(functions);
  section(sections.type, (body) => writeTypes(body, types.distinct));
  if (!memory.isOwn) section(sections.import, (body) => writeImport(body, memory));
  section(sections.function, (body) => {
    body.unsigned(functions.length);
    for (const type of types.ofFunction) body.unsigned(type);
  });
  if (memory.isOwn)
    section(sections.memory, (body) => {
      body.unsigned(1);
      writeLimits(body, memory);
    });
  if (constants.length > 0) section(sections.global, (body) => writeConstants(body, constants));
  section(sections.export, (body) => writeExports(body, functions, memory));
  section(sections.code, (body) => {
    body.unsigned(functions.length);
    const code = new Bytes();
    for (const each of functions) {
      code.clear();
      writeCode(code, each, numbers);
      body.sized(code);
    }
  });
  if (data.length > 0) section(sections.data, (body) => writeData(body, data));
  section(sections.custom, (body) => writeNames(body, functions));
  for (const { name, bytes: content } of custom)
    section(sections.custom, (body) => {
      body.text(name);
      body.append(content);
    });
  return bytes.toArray();
}

function numbered(functions: readonly WasmFunction[], constants: readonly Constant[]): Numbered {
  const numbers = new Map<string, { index: number; function: WasmFunction }>();
  for (const [index, each] of functions.entries()) {
    if (numbers.has(each.name)) throw new InternalError(`the module has two functions named ${each.name}`);
    numbers.set(each.name, { index, function: each });
  }
  return { functions: numbers, constants: new Map(constants.map(({ name }, index) => [name, index])) };
}

/** The distinct function types, in order of first use, and the number of each function's type. */
function typesOf(functions: readonly WasmFunction[]): { distinct: WasmFunction[]; ofFunction: number[] } {
  const numbers = new Map<string, number>();
  const distinct: WasmFunction[] = [];
  const ofFunction = functions.map((each) => {
    const key = `${each.parameters.map(({ type }) => type)}->${each.result}`;
    const known = numbers.get(key);
    if (known !== undefined) return known;
    numbers.set(key, distinct.length);
    return distinct.push(each) - 1;
  });
  return { distinct, ofFunction };
}

function writeTypes(body: Bytes, types: readonly WasmFunction[]): void {
  body.unsigned(types.length);
  for (const { parameters, result } of types) {
    body.byte(functionType);
    body.unsigned(parameters.length);
    for (const { type } of parameters) body.byte(typeCode[type]);
    body.all(result === undefined ? [0] : [1, typeCode[result]]);
  }
}

function writeImport(body: Bytes, memory: MemoryLimits): void {
  body.unsigned(1);
  body.text("env");
  body.text("memory");
  body.byte(kinds.memory);
  writeLimits(body, memory);
}

function writeLimits(body: Bytes, { initialPages, maximumPages, isShared }: MemoryLimits): void {
  body.byte(isShared ? 3 : 1);
  body.unsigned(initialPages);
  body.unsigned(maximumPages);
}

function writeExports(body: Bytes, functions: readonly WasmFunction[], { isOwn = false }: MemoryLimits): void {
  body.unsigned(functions.filter(({ isExported }) => isExported).length + (isOwn ? 1 : 0));
  if (isOwn) {
    body.text("memory");
    body.all([kinds.memory, 0]);
  }
  for (const [index, { name, isExported }] of functions.entries()) {
    if (!isExported) continue;
    body.text(name);
    body.byte(kinds.function);
    body.unsigned(index);
  }
}

function writeConstants(body: Bytes, constants: readonly Constant[]): void {
  body.unsigned(constants.length);
  for (const { words } of constants) {
    // Immutable.
    body.all([typeCode.v128, 0, ...v128Const]);
    for (const word of words) body.uint32(word);
    body.byte(end);
  }
}

function writeData(body: Bytes, data: readonly DataSegment[]): void {
  body.unsigned(data.length);
  for (const { address, bytes } of data) {
    // An active segment of memory 0, at a constant address.
    body.all([0, i32Const]);
    body.signed(address | 0);
    body.byte(end);
    body.unsigned(bytes.length);
    body.append(bytes);
  }
}

function writeNames(body: Bytes, functions: readonly WasmFunction[]): void {
  const names = new Bytes();
  names.unsigned(functions.length);
  for (const [index, { name }] of functions.entries()) {
    names.unsigned(index);
    names.text(name);
  }
  body.text("name");
  body.byte(functionNames);
  body.sized(names);
}
