/** @file Modules in the binary format, read and run by the engine. */
import { expect, test } from "vitest";
import { encodeModule } from "../../wasm/encode.ts";
import type { Instruction, Plain, WasmFunction } from "../../wasm/instruction.ts";
import { add, assign, choice, constant, exported, instruction, local, locals, onePage, run } from "./modules.ts";

const branch = (op: "br" | "br_if", name: string, ...operands: readonly Instruction[]) =>
  instruction(op, operands, { name });

test("i32 constants at the edges of LEB128 keep their values", () => {
  const edges = [7, 14, 21, 28, 31].flatMap((bits) => [2 ** (bits - 1) - 1, 2 ** (bits - 1), 2 ** bits]);
  const values = [0, 1, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1, ...edges, ...edges.map((value) => -value), -65, -(2 ** 31)];
  const call = run(values.map((value, i) => exported(`f${i}`, [constant(value)], { result: "i32" })));
  expect(values.map((_, i) => call(`f${i}`))).toEqual(values.map((value) => value | 0));
});

test("f32 constants keep their bits", () => {
  const values = [0, -0, 1, Math.fround(0.1), 2 ** -149, -3.4028234663852886e38, Infinity, -Infinity, Number.NaN];
  const bits = values.map((value) => new Int32Array(new Float32Array([value]).buffer)[0]);
  const call = run(
    values.map((value, i) => {
      const written = instruction("f32.const", [], { value });
      return exported(`f${i}`, [instruction("i32.reinterpret_f32", [written])], { result: "i32" });
    }),
  );
  expect(values.map((_, i) => call(`f${i}`))).toEqual(bits);
  expect(bits.at(-1)).toBe(0x7fc00000);
});

test("each word of a v128 constant is one lane", () => {
  const words = [1, 0x80000000, 0xffffffff, 0x01020304];
  const lanes = words.map((_, lane) =>
    exported(`lane${lane}`, [instruction("i32x4.extract_lane", [instruction("v128.const", [], { words })], { lane })], {
      result: "i32",
    }),
  );
  const call = run(lanes);
  expect(words.map((_, lane) => call(`lane${lane}`))).toEqual(words.map((word) => word | 0));
});

test("many locals, parameters and functions keep their values, also if types of locals are mixed", () => {
  const names = Array.from({ length: 300 }, (_, i) => `x${i}`);
  const types = ["f32", "i32", "v128"] as const;
  const typed = names.map((name, i) => ({ name, type: types[i % 3] ?? "i32" }));
  const ofType = (wanted: string) => typed.filter(({ type }) => type === wanted).map(({ name }) => name);
  const body = [
    ...ofType("i32").map((name, i) => assign(name, add(local("first"), constant(i)))),
    ...ofType("f32").map((name, i) => assign(name, instruction("f32.const", [], { value: i }))),
    ...ofType("v128").map((name, i) => assign(name, instruction("v128.const", [], { words: [i, 0, 0, 0] }))),
  ];
  const parameters = locals("i32", "first", "second");
  const of = (name: string, value: Instruction) =>
    exported(name, [...body, value], { parameters, locals: typed, result: "i32" });
  const call = run([
    ...names.map((name) => exported(`f_${name}`, [constant(Number(name.slice(1)))], { result: "i32" })),
    of("i32", local("x298")),
    of("f32", instruction("i32.trunc_sat_f32_s", [local("x297")])),
    of("v128", instruction("i32x4.extract_lane", [local("x299")], { lane: 0 })),
    exported("call", [add(instruction("call", [], { name: "f_x299" }), local("second"))], {
      parameters,
      result: "i32",
    }),
  ]);
  expect([call("i32", 1000, 5), call("f32", 0, 0), call("v128", 0, 0), call("call", 0, 5)]).toEqual([
    1099, 99, 99, 304,
  ]);
});

test("a call passes its operands in order, and a function can call a later one", () => {
  const call = run([
    exported("outer", [instruction("call", [constant(7), constant(2)], { name: "inner" })], { result: "i32" }),
    {
      ...exported("inner", [instruction("i32.sub", [local("a"), local("b")])]),
      ...{ isExported: false, parameters: locals("i32", "a", "b"), result: "i32" },
    },
  ]);
  expect(call("outer")).toBe(5);
  expect(() => call("inner")).toThrow("exports no function inner");
});

test("a loop runs while its branch is taken, and a branch can leave a block", () => {
  const i = local("i");
  const count: Instruction[] = [
    {
      kind: "block",
      label: "end",
      body: [
        {
          kind: "loop",
          label: "again",
          body: [
            branch("br_if", "end", instruction("i32.ge_u", [i, local("n")])),
            assign("sum", add(local("sum"), i)),
            assign("i", add(i, constant(1))),
            branch("br", "again"),
          ],
        },
      ],
    },
    local("sum"),
  ];
  const rest = { parameters: locals("i32", "n"), locals: locals("i32", "i", "sum"), result: "i32" } as const;
  expect(run([exported("count", count, rest)])("count", 10)).toBe(45);
});

test("branches count the ifs and blocks up to their label; of two equal labels the inner one is taken", () => {
  const wrapped = (label: string, body: readonly Instruction[], after: number): Instruction[] => [
    { kind: "block", label, body },
    assign("x", add(local("x"), constant(after))),
  ];
  // More than 127 blocks enclose the branch, so their number needs two bytes.
  let body: Instruction[] = [
    choice(local("take"), [branch("br", "out")], [branch("br", "level")]),
    assign("x", constant(-1000)),
  ];
  for (let depth = 0; depth < 200; depth++) body = wrapped("level", body, 1);
  body = [...wrapped("out", body, 1000), local("x")];
  const rest = { parameters: locals("i32", "take"), locals: locals("i32", "x"), result: "i32" } as const;
  const call = run([exported("leave", body, rest)]);
  expect([call("leave", 1), call("leave", 0)]).toEqual([1000, 1200]);
});

test("an if with and without an else", () => {
  const set = (value: number) => [assign("x", constant(value))];
  const rest = { parameters: locals("i32", "c"), locals: locals("i32", "x"), result: "i32" } as const;
  const choose = (whenFalse: Instruction[]): Instruction[] => [choice(local("c"), set(1), whenFalse), local("x")];
  const call = run([exported("alone", choose([]), rest), exported("both", choose(set(2)), rest)]);
  expect([call("alone", 1), call("alone", 0), call("both", 1), call("both", 0)]).toEqual([1, 0, 1, 2]);
});

test("offsets are added to addresses, and copies and fills have their operands in order", () => {
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 1 });
  const store = (offset: number, value: number) =>
    instruction("i32.store", [constant(16), constant(value)], { offset });
  const bytes = (from: number, count: number) => [...new Uint8Array(memory.buffer, from, count)];
  const call = run(
    [
      exported("act", [
        store(0, 1),
        store(300, 2),
        instruction("memory.fill", [constant(1000), constant(7), constant(3)]),
        instruction("memory.copy", [constant(2001), constant(1000), constant(2)]),
      ]),
      exported("far", [instruction("i32.load", [constant(0)], { offset: 2 ** 32 - 1 })], { result: "i32" }),
    ],
    memory,
  );
  call("act");
  expect([bytes(16, 1), bytes(316, 1), bytes(999, 5), bytes(2000, 4)]).toEqual([
    [1],
    [2],
    [0, 7, 7, 7, 0],
    [0, 7, 7, 0],
  ]);
  expect(() => call("far")).toThrow("memory access out of bounds");
});

test("the same functions run on shared and on unshared memory", () => {
  const functions = [exported("size", [instruction("memory.size")], { result: "i32" })];
  const [initialPages, maximumPages] = [3, 70000 - 65536];
  for (const isShared of [false, true]) {
    const module = new WebAssembly.Module(encodeModule({ functions }, { initialPages, maximumPages, isShared }));
    const memory = new WebAssembly.Memory({ initial: 3, maximum: maximumPages, shared: isShared });
    const { size } = new WebAssembly.Instance(module, { env: { memory } }).exports;
    expect(typeof size === "function" && size()).toBe(3);
    const other = new WebAssembly.Memory({ initial: 3, maximum: maximumPages, shared: !isShared });
    expect(() => new WebAssembly.Instance(module, { env: { memory: other } })).toThrow(WebAssembly.LinkError);
    const larger = new WebAssembly.Memory({ initial: 3, maximum: maximumPages + 1, shared: isShared });
    expect(() => new WebAssembly.Instance(module, { env: { memory: larger } })).toThrow("maximum");
  }
});

test("a module can have its own memory, with initial data and a maximum size", () => {
  const own = { initialPages: 2, maximumPages: 3, isShared: false, isOwn: true };
  const many = Uint8Array.from({ length: 300 }, (_, i) => i & 0xff);
  const data = [
    { address: 65, bytes: many },
    { address: 2 * 65536 - 2, bytes: Uint8Array.of(8, 9) },
  ];
  const size = exported("size", [instruction("memory.size")], { result: "i32" });
  const encoded = encodeModule({ functions: [size], data }, own);
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(encoded));
  const { memory } = exports;
  if (!(memory instanceof WebAssembly.Memory)) throw new Error("the module exports no memory");
  const bytes = new Uint8Array(memory.buffer);
  expect([bytes.length, bytes[64], bytes[365]]).toEqual([2 * 65536, 0, 0]);
  expect([...bytes.slice(65, 365)]).toEqual([...many]);
  expect([...bytes.slice(-3)]).toEqual([0, 8, 9]);
  expect(() => memory.grow(2)).toThrow(RangeError);
  memory.grow(1);
  expect(typeof exports.size === "function" && exports.size()).toBe(3);
  const late = [{ address: 2 * 65536 - 1, bytes: Uint8Array.of(8, 9) }];
  const beyond = new WebAssembly.Module(encodeModule({ functions: [], data: late }, own));
  expect(() => new WebAssembly.Instance(beyond)).toThrow(WebAssembly.RuntimeError);
});

test("custom sections are found by name", () => {
  const custom = [
    { name: "σ", bytes: Uint8Array.of(1, 0, 255) },
    { name: "empty", bytes: new Uint8Array() },
  ];
  const module = new WebAssembly.Module(encodeModule({ functions: [], custom }, onePage));
  const found = ["σ", "empty"].map((name) => WebAssembly.Module.customSections(module, name));
  expect(found.map((sections) => sections.map((bytes) => [...new Uint8Array(bytes)]))).toEqual([[[1, 0, 255]], [[]]]);
});

test("atomic wait and notify, with a 64-bit timeout", () => {
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
  const wait = (name: string, timeout: number) =>
    exported(
      name,
      [
        instruction("memory.atomic.wait32", [
          constant(0),
          constant(0),
          instruction("i64.const", [], { value: timeout }),
        ]),
      ],
      { result: "i32" },
    );
  const functions = [
    wait("soon", 1000),
    exported("add", [instruction("i32.atomic.rmw.add", [constant(0), constant(5)])], { result: "i32" }),
    exported("notify", [instruction("memory.atomic.notify", [constant(0), constant(-1)])], { result: "i32" }),
    wait("never", -1),
  ];
  const module = new WebAssembly.Module(encodeModule({ functions }, { ...onePage, isShared: true }));
  const { exports } = new WebAssembly.Instance(module, { env: { memory } });
  const call = (name: string) => {
    const found = exports[name];
    return typeof found === "function" ? found() : undefined;
  };
  // 2: timed out; 1: after the addition, the word does not have the expected value.
  expect([call("soon"), call("add"), call("never"), call("notify")]).toEqual([2, 0, 1, 0]);
  expect(new Int32Array(memory.buffer)[0]).toBe(5);
});

test("profilers find the names of functions", () => {
  const functions = [exported("first", []), { ...exported("zweite_ħ", []), isExported: false }];
  const module = new WebAssembly.Module(encodeModule({ functions }, onePage));
  const [names = new ArrayBuffer()] = WebAssembly.Module.customSections(module, "name");
  // The subsection of function names: its bytes, their count, then each name's index, bytes and text.
  expect(Buffer.from(names).toString()).toBe("\x01\x13\x02\x00\x05first\x01\x09zweite_ħ");
  const failing = run([exported("fails_here", [instruction("unreachable")])]);
  expect(() => failing("fails_here")).toThrow(
    expect.objectContaining({ stack: expect.stringContaining("fails_here") }),
  );
});

test("50,000 instructions and deeply nested expressions can be encoded", () => {
  const step = assign("x", add(local("x"), constant(3)));
  const many = exported("many", [...new Array<Plain>(12_500).fill(step), local("x")], {
    ...{ locals: locals("i32", "x"), result: "i32" },
  });
  let deep: Plain = constant(0);
  for (let i = 0; i < 1500; i++) deep = add(deep, constant(1));
  const call = run([many, exported("deep", [deep], { result: "i32" })]);
  expect([call("many"), call("deep")]).toEqual([37_500, 1500]);
});

test("a malformed module is an error that names the function and the instruction", () => {
  const encoded = (body: readonly Instruction[], rest: Partial<WasmFunction> = {}) => {
    const callee = exported("two", [], { parameters: locals("i32", "a", "b") });
    return () => encodeModule({ functions: [exported("kernel", body, rest), callee] }, onePage);
  };
  const rejects = (body: Instruction, problem: string) =>
    expect(encoded([body])).toThrow(`internal: ${body.kind === "plain" ? body.op : ""} in function kernel ${problem}`);
  rejects(instruction("f32.add4"), "is not in wasm/opcodes.ts");
  rejects(instruction("i32.add", [constant(1)]), "has 1 operands instead of 2");
  rejects(instruction("call", [], { name: "two" }), "has 0 operands instead of 2");
  rejects(instruction("return", [constant(1)]), "has 1 operands instead of 0");
  expect(encoded([instruction("return")], { result: "i32" })).toThrow("has 0 operands instead of 1");
  rejects(local("y"), "uses the local y, which the function does not have");
  rejects(instruction("call", [], { name: "three" }), "calls the function three, which the module does not have");
  rejects(branch("br", "out"), "jumps to the label out, which does not enclose it");
  expect(encoded([{ kind: "block", label: "out", body: [] }, branch("br", "out")])).toThrow("jumps to the label out");
  rejects(constant(2 ** 32), "has the value 4294967296");
  rejects(constant(0.5), "has the value 0.5");
  rejects(instruction("f32.const"), "has no value");
  rejects(instruction("v128.const", [], { words: [1, 2, 3] }), "has the immediates [1,2,3] instead of 4 integers");
  rejects(instruction("v128.const", [], { words: [1, 2, 3, -1] }), "has the immediates [1,2,3,-1]");
  rejects(instruction("i32.load", [constant(0)], { offset: -4 }), "has the offset -4, which is not a u32");
  const vector = instruction("v128.const", [], { words: [0, 0, 0, 0] });
  rejects(instruction("f32x4.extract_lane", [vector], { lane: 4 }), "has lane 4, but there are 4 lanes");
  rejects(instruction("i8x16.shuffle", [vector, vector], { lanes: new Array(16).fill(32) }), "has the immediates");
  expect(encoded([], { locals: [...locals("i32", "x"), ...locals("f32", "x")] })).toThrow("has two locals named x");
  expect(() => encodeModule({ functions: [exported("f", []), exported("f", [])] }, onePage)).toThrow("two functions");
});
