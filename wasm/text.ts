/** @file Functions in WebAssembly's folded text format: an instruction is in brackets with its operands. */
import {
  type Constant,
  type DataSegment,
  type Instruction,
  type Local,
  type MemoryLimits,
  orderedLocals,
  type Plain,
  type WasmFunction,
  type WasmModule,
} from "./instruction.ts";
import { opcodes } from "./opcodes.ts";

/** Maximum line length, if an instruction has operands that can be put on separate lines. */
const width = 100;

/** Prints a module with its memory and data in the text format; tests compare it with the encoder. */
export function moduleText({ functions, constants = [], data = [] }: WasmModule, memory: MemoryLimits): string {
  const { initialPages, maximumPages, isShared, isOwn } = memory;
  const limits = `${initialPages} ${maximumPages}${isShared ? " shared" : ""}`;
  const declared = isOwn ? `(memory (export "memory") ${limits})` : `(import "env" "memory" (memory ${limits}))`;
  const texts = functions.map((each) => `  ${functionText(each).replaceAll("\n", "\n  ")}`);
  return ["(module", `  ${declared}`, ...constants.map(constantText), ...texts, ...data.map(segmentText)]
    .join("\n")
    .concat(")\n");
}

function constantText({ name, words }: Constant): string {
  return `  (global ${identifier(name)} v128 (v128.const ${wordsText(words).join(" ")}))`;
}

function segmentText({ address, bytes }: DataSegment): string {
  const escaped = Array.from(bytes, (byte) => `\\${byte.toString(16).padStart(2, "0")}`).join("");
  return `  (data (i32.const ${address | 0}) "${escaped}")`;
}

/** One function, on lines of about 100 characters: `(func $name … )`. */
export function functionText({ name, isExported, parameters, result, locals, body }: WasmFunction): string {
  const head = [
    `(func ${identifier(name)}`,
    ...(isExported ? [`(export ${quoted(name)})`] : []),
    ...parameters.map((parameter) => declaration("param", parameter)),
    ...(result === undefined ? [] : [`(result ${result})`]),
  ];
  const declarations = filled(
    orderedLocals(locals).map((local) => declaration("local", local)),
    "",
  );
  const text = new Lines();
  text.statements(body, 2);
  return `${[...filled(head, "    "), ...declarations.map((line) => `  ${line}`), ...text.lines].join("\n")})`;
}

function declaration(keyword: string, { name, type }: Local): string {
  return `(${keyword} ${identifier(name)} ${type})`;
}

/** Fills lines with words; `indent` goes before all lines but the first. */
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

/** Collects lines, indented by the number of open brackets. */
class Lines {
  readonly lines: string[] = [];

  statements(body: readonly Instruction[], indent: number): void {
    for (const instruction of body) this.#instruction(instruction, indent);
  }

  #instruction(instruction: Instruction, indent: number): void {
    switch (instruction.kind) {
      case "plain": {
        const line = flat(instruction, width - indent);
        if (line !== undefined) this.#line(line, indent);
        else this.#bracket(headOf(instruction), instruction.operands, indent);
        break;
      }
      case "block":
      case "loop":
        this.#bracket(`${instruction.kind} ${identifier(instruction.label)}`, instruction.body, indent);
        break;
      case "if": {
        const { condition, whenTrue, whenFalse } = instruction;
        const line = flat(condition, width - indent - "(if ".length);
        this.#line(line === undefined ? "(if" : `(if ${line}`, indent);
        if (line === undefined) this.#instruction(condition, indent + 2);
        this.#bracket("then", whenTrue, indent + 2);
        if (whenFalse.length > 0) this.#bracket("else", whenFalse, indent + 2);
        this.#close();
      }
    }
  }

  #bracket(head: string, body: readonly Instruction[], indent: number): void {
    this.#line(`(${head}`, indent);
    this.statements(body, indent + 2);
    this.#close();
  }

  #line(text: string, indent: number): void {
    this.lines.push(" ".repeat(indent) + text);
  }

  #close(): void {
    this.lines[this.lines.length - 1] += ")";
  }
}

/** An instruction on one line of at most `room` characters, or undefined if it does not fit. */
function flat(instruction: Instruction, room: number): string | undefined {
  if (instruction.kind !== "plain") return undefined;
  let text = `(${headOf(instruction)}`;
  for (const operand of instruction.operands) {
    const line = flat(operand, room - text.length - " )".length);
    if (line === undefined) return undefined;
    text += ` ${line}`;
  }
  return text.length < room || instruction.operands.length === 0 ? `${text})` : undefined;
}

/** An instruction's name and its immediates. */
function headOf(instruction: Plain): string {
  return [instruction.op, ...immediates(instruction)].join(" ");
}

function immediates({ op, name = "", value = 0, words = [], offset = 0, lane = 0, lanes = [] }: Plain): string[] {
  const address = offset === 0 ? [] : [`offset=${offset}`];
  switch (opcodes.get(op)?.immediate) {
    case "local":
    case "global":
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

/** An identifier, in which invalid characters are escaped by their code point. */
function identifier(name: string): string {
  return `$${name.replace(/[^\w!#-'*+\-./:<=>?@^`|~]/gu, (character) => `\\${character.codePointAt(0)?.toString(16)}`)}`;
}

function quoted(text: string): string {
  return `"${text.replace(/["\\]|\p{Cc}/gu, (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`)}"`;
}

/** The shortest decimal that reads back as this f32. */
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

/** Words as small integers or floats of ordinary size if they look like these, otherwise as bits. */
function wordsText(words: readonly number[]): string[] {
  const signed = words.map((word) => word | 0);
  if (signed.every((word) => Math.abs(word) < 2 ** 16)) return ["i32x4", ...signed.map(String)];
  const floats = [...new Float32Array(Uint32Array.from(words).buffer)];
  const isOrdinary = (value: number) => Object.is(value, 0) || (Math.abs(value) > 1e-9 && Math.abs(value) < 1e9);
  if (floats.every(isOrdinary)) return ["f32x4", ...floats.map(decimal)];
  return ["i32x4", ...words.map((word) => `0x${word.toString(16).padStart(8, "0")}`)];
}
