/** @file Functions in WebAssembly's text format, folded: an instruction stands in brackets with its operands. */
import {
  type Instruction,
  type Local,
  type MemoryLimits,
  orderedLocals,
  type Plain,
  type WasmFunction,
  type WasmModule,
} from "./instruction.ts";
import { opcodes } from "./opcodes.ts";

/** Characters to a line, where an instruction has operands that can stand on lines of their own. */
const width = 100;

/** A module with its memory, as tools of WebAssembly read it. */
export function moduleText({ functions }: WasmModule, memory: MemoryLimits): string {
  const { initialPages, maximumPages, isShared } = memory;
  const limits = `${initialPages} ${maximumPages}${isShared ? " shared" : ""}`;
  const texts = functions.map((each) => indented(functionText(each).split("\n")).join("\n"));
  return ["(module", `  (import "env" "memory" (memory ${limits}))`, ...texts].join("\n").concat(")\n");
}

/** One function, on lines of about 100 characters: `(func $name … )`. */
export function functionText({ name, isExported, parameters, result, locals, body }: WasmFunction): string {
  const head = [
    `(func ${identifier(name)}`,
    ...(isExported ? [`(export ${quoted(name)})`] : []),
    ...parameters.map((parameter) => declaration("param", parameter)),
    ...(result === undefined ? [] : [`(result ${result})`]),
  ];
  const declarations = orderedLocals(locals).map((local) => declaration("local", local));
  const lines = [...filled(head, "    "), ...indented(filled(declarations, "")), ...indented(statements(body, 2))];
  return `${lines.join("\n")})`;
}

function declaration(keyword: string, { name, type }: Local): string {
  return `(${keyword} ${identifier(name)} ${type})`;
}

/** Words on as few lines as they need; `indent` goes before all lines but the first. */
function filled(words: readonly string[], indent: string): string[] {
  const lines: string[] = [];
  for (const word of words) {
    const last = lines.length - 1;
    const line = `${lines[last]} ${word}`;
    if (last >= 0 && line.length < width) lines[last] = line;
    else lines.push(last >= 0 ? indent + word : word);
  }
  return lines;
}

function indented(lines: readonly string[]): string[] {
  return lines.map((line) => `  ${line}`);
}

function statements(body: readonly Instruction[], indent: number): string[] {
  return body.flatMap((instruction) => linesOf(instruction, indent));
}

/** The lines of an instruction that stands `indent` characters in, which are not yet in them. */
function linesOf(instruction: Instruction, indent: number): string[] {
  switch (instruction.kind) {
    case "plain": {
      const operands = instruction.operands.map((operand) => linesOf(operand, indent + 2));
      return bracketed(headOf(instruction), operands, indent);
    }
    case "block":
    case "loop":
      return spread(`${instruction.kind} ${identifier(instruction.label)}`, statements(instruction.body, indent + 2));
    case "if": {
      const { condition, whenTrue, whenFalse } = instruction;
      const parts = [linesOf(condition, indent + 2), spread("then", statements(whenTrue, indent + 4))];
      if (whenFalse.length > 0) parts.push(spread("else", statements(whenFalse, indent + 4)));
      const [line, ...more] = parts[0] ?? [];
      return more.length === 0 ? spread(`if ${line}`, parts.slice(1).flat()) : spread("if", parts.flat());
    }
  }
}

/** On one line where all of it fits, else each operand on its own. */
function bracketed(head: string, operands: readonly (readonly string[])[], indent: number): string[] {
  const line = `(${[head, ...operands.flat()].join(" ")})`;
  const fits = operands.every((lines) => lines.length === 1) && indent + line.length <= width;
  return fits ? [line] : spread(head, operands.flat());
}

function spread(head: string, lines: readonly string[]): string[] {
  const all = [`(${head}`, ...indented(lines)];
  return [...all.slice(0, -1), `${all.at(-1)})`];
}

/** An instruction's name and its immediates. */
function headOf(instruction: Plain): string {
  return [instruction.op, ...immediates(instruction)].join(" ");
}

function immediates({ op, name = "", value = 0, words = [], offset = 0, lane = 0, lanes = [] }: Plain): string[] {
  const address = offset === 0 ? [] : [`offset=${offset}`];
  switch (opcodes.get(op)?.immediate) {
    case "local":
    case "function":
    case "label":
      return [identifier(name)];
    case "i32":
      return [`${value | 0}`];
    case "i64":
      return [`${value}`];
    case "f32":
      return [decimal(value)];
    case "words":
      return wordsText(words);
    case "memory":
      return address;
    case "memoryLane":
      return [...address, `${lane}`];
    case "lane":
      return [`${lane}`];
    case "shuffle":
      return lanes.map(String);
    default:
      return [];
  }
}

/** Characters that names may not have are written as \ and their code point. */
function identifier(name: string): string {
  return `$${name.replace(/[^\w!#-'*+\-./:<=>?@^`|~]/gu, (character) => `\\${character.codePointAt(0)?.toString(16)}`)}`;
}

function quoted(text: string): string {
  return `"${text.replace(/["\\]|\p{Cc}/gu, (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`)}"`;
}

/** The fewest digits that give this f32 again. */
function decimal(value: number): string {
  if (Number.isNaN(value)) return "nan";
  const rounded = Math.fround(value);
  if (!Number.isFinite(rounded)) return rounded > 0 ? "inf" : "-inf";
  if (Object.is(rounded, -0)) return "-0";
  for (let digits = 1; digits < 9; digits++) {
    const short = Number(rounded.toPrecision(digits));
    if (Math.fround(short) === rounded) return `${short}`;
  }
  return `${Number(rounded.toPrecision(9))}`;
}

/** Words as numbers where they look like ones: small integers, or floats of everyday size. Bits otherwise. */
function wordsText(words: readonly number[]): string[] {
  const signed = words.map((word) => word | 0);
  if (signed.every((word) => Math.abs(word) < 2 ** 16)) return ["i32x4", ...signed.map(String)];
  const floats = [...new Float32Array(Uint32Array.from(words).buffer)];
  const isEveryday = (value: number) => Object.is(value, 0) || (Math.abs(value) > 1e-9 && Math.abs(value) < 1e9);
  if (floats.every(isEveryday)) return ["f32x4", ...floats.map(decimal)];
  return ["i32x4", ...words.map((word) => `0x${word.toString(16).padStart(8, "0")}`)];
}
