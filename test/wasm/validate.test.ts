/** @file Type checks of instructions, which must agree with the engine. (opcodes.test.ts covers all operands.) */
import { expect, test } from "vitest";
import { encodeModule } from "../../wasm/encode.ts";
import type { Instruction, WasmFunction } from "../../wasm/instruction.ts";
import { checkModule } from "../../wasm/validate.ts";
import { add, assign, choice, constant, exported, instruction, local, locals, onePage } from "./modules.ts";
import { callee, constantOf } from "./samples.ts";

function agrees(body: readonly Instruction[], rest: Partial<WasmFunction>, problem: string | undefined): void {
  const functions = [exported("kernel", body, rest), callee];
  expect(WebAssembly.validate(encodeModule({ functions }, onePage))).toBe(problem === undefined);
  const check = () => checkModule({ functions });
  if (problem === undefined) expect(check).not.toThrow();
  else expect(check).toThrow(`internal: ${problem}`);
}

const float = constantOf("f32");
const i32 = { result: "i32" } as const;

test("a function ends with its result and leaves no other value", () => {
  agrees([constant(1)], i32, undefined);
  agrees([float], i32, "function kernel ends with f32; its result is i32");
  agrees([], i32, "function kernel ends with no value; its result is i32");
  agrees([instruction("nop")], i32, "function kernel ends with no value; its result is i32");
  agrees([constant(1)], {}, "i32.const in function kernel leaves i32, but is used as a statement");
  agrees([constant(1), constant(2)], i32, "i32.const in function kernel leaves i32, but is used as a statement");
  const inner: Instruction = { kind: "block", label: "b", body: [constant(1)] };
  agrees([inner], i32, "i32.const in function kernel leaves i32, but is used as a statement");
});

test("an instruction that control does not leave fits any type", () => {
  const leave = instruction("return", [constant(1)]);
  agrees([leave], i32, undefined);
  agrees([leave, instruction("nop")], i32, undefined);
  agrees([add(instruction("unreachable"), constant(1))], i32, undefined);
  agrees(
    [instruction("drop", [add(leave, float)])],
    i32,
    "i32.add in function kernel has f32 as operand 1; expected i32",
  );
  agrees([instruction("return", [float])], i32, "return in function kernel has f32 as operand 0; expected i32");
  agrees([choice(constant(1), [leave], [leave])], i32, "function kernel ends with no value; its result is i32");
});

test("conditions, locals, calls and selects are typed by their names and operands", () => {
  const rest = { parameters: locals("f32", "y"), locals: locals("i32", "x") };
  agrees([choice(float, [], [])], rest, "if in function kernel has f32 as its condition");
  agrees([choice(constant(1), [assign("x", float)], [])], rest, "local.set x in function kernel has f32 as operand 0");
  agrees([choice(constant(1), [], [assign("y", constant(1))])], rest, "local.set y in function kernel has i32");
  agrees([assign("x", local("y"))], rest, "local.set x in function kernel has f32 as operand 0; expected i32");
  agrees([assign("y", instruction("local.tee", [float], { name: "y" }))], rest, undefined);
  agrees([assign("x", instruction("call", [constant(1), float], { name: "callee" }))], rest, "local.set x in");
  agrees([assign("y", instruction("call", [constant(1), float], { name: "callee" }))], rest, undefined);
  const select = (...operands: readonly Instruction[]) => instruction("select", operands);
  agrees([assign("y", select(float, local("y"), local("x")))], rest, undefined);
  agrees([assign("x", select(float, local("y"), local("x")))], rest, "local.set x in function kernel has f32");
  agrees([assign("y", select(float, local("x"), local("x")))], rest, "select in function kernel has i32 as operand 1");
  agrees(
    [assign("x", instruction("nop"))],
    rest,
    "local.set x in function kernel has no value as operand 0; expected i32",
  );
});

test("unknown names are errors too", () => {
  const check = (body: Instruction) => () => checkModule({ functions: [exported("kernel", [body])] });
  expect(check(local("z"))).toThrow("internal: local.get z in function kernel uses an unknown local: z");
  expect(check(instruction("call", [], { name: "f" }))).toThrow(
    "internal: call f in function kernel calls an unknown function: f",
  );
  expect(check(instruction("f32.sin", [float]))).toThrow("internal: f32.sin in function kernel is not in");
  expect(check(instruction("drop"))).toThrow("internal: drop in function kernel has 0 operands instead of 1");
});
