/**
 * @file Checks the types of a module's instructions, as the engine does. The engine's message names a byte offset; this
 * one names the function and the instruction.
 */
import { InternalError } from "../compiler/graph/errors.ts";
import type { Instruction, Plain, ValueType, WasmFunction, WasmModule } from "./instruction.ts";
import { type Opcode, opcodes, type StackType } from "./opcodes.ts";

/** What an instruction leaves on the stack: "never", which fits any type, if control does not leave it normally. */
type Left = StackType | "never" | undefined;

/**
 * Throws an InternalError if an operand does not have the type that its instruction requires, or if a value is left
 * over.
 */
export function checkModule({ functions, constants = [] }: WasmModule): void {
  const byName = new Map(functions.map((each) => [each.name, each]));
  const globals = new Set(constants.map(({ name }) => name));
  for (const each of functions) new Checker(each, byName, globals).check();
}

class Checker {
  readonly #code: WasmFunction;
  readonly #functions: ReadonlyMap<string, WasmFunction>;
  readonly #constants: ReadonlySet<string>;
  readonly #locals: ReadonlyMap<string, ValueType>;

  constructor(code: WasmFunction, functions: ReadonlyMap<string, WasmFunction>, constants: ReadonlySet<string>) {
    this.#code = code;
    this.#functions = functions;
    this.#constants = constants;
    this.#locals = new Map([...code.parameters, ...code.locals].map(({ name, type }) => [name, type]));
  }

  check(): void {
    const { body, result } = this.#code;
    const last = body.at(-1);
    const hasEnded = this.#statements(result === undefined ? body : body.slice(0, -1));
    if (result === undefined) return;
    const left = last && this.#left(last);
    if (hasEnded || left === "never" || left === result) return;
    throw new InternalError(`function ${this.#code.name} ends with ${inWords(left)}; its result is ${result}`);
  }

  /** Whether control leaves the statements before their end. */
  #statements(body: readonly Instruction[]): boolean {
    let hasEnded = false;
    for (const instruction of body) {
      const left = this.#left(instruction);
      if (left === "never") hasEnded = true;
      else if (left !== undefined) this.#fail(instruction, `leaves ${inWords(left)}, but is used as a statement`);
    }
    return hasEnded;
  }

  #left(instruction: Instruction): Left {
    switch (instruction.kind) {
      case "plain":
        return this.#plain(instruction);
      case "block":
      case "loop":
        this.#statements(instruction.body);
        return undefined;
      case "if": {
        const condition = this.#left(instruction.condition);
        if (condition !== "i32" && condition !== "never")
          this.#fail(instruction, `has ${inWords(condition)} as its condition`);
        this.#statements(instruction.whenTrue);
        this.#statements(instruction.whenFalse);
      }
    }
    return undefined;
  }

  #plain(instruction: Plain): Left {
    const { operands, result } = this.#signature(instruction);
    const given = instruction.operands.map((operand) => this.#left(operand));
    if (given.length !== operands.length)
      this.#fail(instruction, `has ${given.length} operands instead of ${operands.length}`);
    const any = given.find((type, i) => operands[i] === "any" && type !== "never");
    for (const [i, type] of given.entries()) {
      const expected = operands[i] === "any" ? any : operands[i];
      if (type === undefined || (type !== "never" && type !== expected))
        this.#fail(instruction, `has ${inWords(type)} as operand ${i}; expected ${inWords(expected)}`);
    }
    const { op } = instruction;
    if (op === "br" || op === "return" || op === "unreachable") return "never";
    return result === "any" ? (any ?? "never") : result;
  }

  /** The operand and result types of an instruction, also if they depend on a local or function. */
  #signature(instruction: Plain): Pick<Opcode, "operands" | "result"> {
    const opcode = opcodes.get(instruction.op) ?? this.#fail(instruction, "is not in wasm/opcodes.ts");
    const { name = "" } = instruction;
    if (instruction.op === "return")
      return { operands: this.#code.result ? [this.#code.result] : [], result: undefined };
    if (opcode.immediate === "function") {
      const callee = this.#functions.get(name) ?? this.#fail(instruction, `calls an unknown function: ${name}`);
      return { operands: callee.parameters.map(({ type }) => type), result: callee.result };
    }
    if (opcode.immediate === "global" && !this.#constants.has(name))
      this.#fail(instruction, `reads an unknown constant: ${name}`);
    if (opcode.immediate !== "local") return opcode;
    const type = this.#locals.get(name) ?? this.#fail(instruction, `uses an unknown local: ${name}`);
    return { operands: opcode.operands.map(() => type), result: opcode.result && type };
  }

  #fail: (instruction: Instruction, problem: string) => never = (instruction, problem) => {
    const { name = "", op } = instruction.kind === "plain" ? instruction : { op: instruction.kind };
    throw new InternalError(`${op}${name && ` ${name}`} in function ${this.#code.name} ${problem}`);
  };
}

function inWords(type: Left): string {
  return type ?? "no value";
}
