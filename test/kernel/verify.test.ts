/** @file Kernels that break a rule of the IR are rejected, each by its rule, without running. */
import { expect, test } from "vitest";
import { compileProgram } from "../../compiler/compile.ts";
import { at } from "../../compiler/graph/errors.ts";
import { globalArray, KernelBuilder } from "../../compiler/kernel/builder.ts";
import { kernelFunction } from "../../compiler/kernel/function.ts";
import type { Expr, KernelCode, KernelFunction, Statement, Variable } from "../../compiler/kernel/ir.ts";
import { exp } from "../../compiler/kernel/math/exponential.ts";
import { verifyKernel } from "../../compiler/kernel/verify.ts";
import { exp as expOf, traceGraph } from "../../index.ts";

const grid = { rows: ["B"], rowsPer: 1, columns: [1], lanes: 64 };
const given = globalArray(0, { name: "given", element: "f32" });
const made = globalArray(1, { name: "made", element: "f32" });

const isList = (given: unknown): given is readonly Statement[] => Array.isArray(given);

/** Builds a kernel. Statements that `write` returns are put before all others, unchecked. */
function kernel(write: (k: KernelBuilder) => unknown): KernelCode {
  const k = new KernelBuilder();
  let raw: readonly Statement[] = [];
  k.part(grid, () => {
    const given = write(k);
    if (isList(given)) raw = given;
  });
  const code = k.finish(64);
  return { ...code, parts: code.parts.map((part) => ({ ...part, body: [...raw, ...part.body] })) };
}

const depth = { extent: 4, role: "depth" } as const;
const loop = (k: KernelBuilder, first: Expr, write: (i: Variable) => void, step = 1) =>
  k.for({ axis: depth, name: "i", first, end: k.u32(4), step: k.u32(step) }, write);

function wellFormed(k: KernelBuilder): void {
  const array = k.sharedArray("f32", 64, 2);
  const row = k.let("row", k.add(k.mul(k.group, k.size("B")), k.lane));
  const total = k.var("total", k.f32(0));
  loop(k, k.u32(0), (i) => {
    k.stage(() => k.storeInSlot(array, k.bitAnd(i, k.u32(1)), k.lane, k.call(exp, [k.load(given, row)])));
    k.stage(() => k.assign(total, k.add(total, k.load(array, k.u32(3), k.bitAnd(i, k.u32(1))))));
  });
  const kept = k.registers("kept", "f32", [total, k.f32(1)]);
  k.leaveIf(k.lessEqual(k.size("B"), row));
  k.storeElement(made, row, k.load(kept, k.bitAnd(k.lane, k.u32(1))));
}

test("a valid kernel passes", () => {
  const code = kernel(wellFormed);
  expect(verifyKernel("k0", code)).toBe(code);
  expect(at(code.parts, 0).body.some(({ kind }) => kind === "for")).toBe(true);
});

test("a place that is kept for later knows nothing that is bound after it", () => {
  const code = kernel((k) => {
    const row = k.let("row", k.lane);
    const write = k.reserve();
    const later = k.bind("twice", k.mul(row, k.u32(2)));
    k.storeElement(made, row, k.load(given, later));
    write(() => k.storeElement(made, k.bind("twice", k.mul(row, k.u32(2))), k.f32(0)));
  });
  expect(verifyKernel("k0", code)).toBe(code);
  // Each is bound where it is needed.
  expect(at(code.parts, 0).body.map(({ kind }) => kind)).toEqual(["let", "let", "store", "let", "store"]);
});

test("kernels are checked when a program is compiled for inspection", () => {
  const graph = traceGraph("inspected", [{ name: "x", dtype: "f32", shape: ["B"] }], ([x]) => [expOf(x as never)]);
  expect(compileProgram(graph).kernels).toHaveLength(1);
});

const barrier: Statement = { kind: "barrier" };
const within = (condition: Expr, body: readonly Statement[]): Statement => ({ kind: "if", condition, body });
const bind = (variable: Variable, value: Expr): Statement => ({ kind: "let", variable, value });
const store = (k: KernelBuilder, index: Expr, value: Expr) => k.storeElement(made, index, value);

/** A function of one f32 whose body is replaced. */
const withBody = (body: readonly Statement[], change: Partial<KernelFunction> = {}): KernelFunction => {
  const f = kernelFunction("cg_test", ["f32"], "f32", (_, x) => x);
  return { ...f, body, ...change };
};
const calling = (k: KernelBuilder, f: KernelFunction) => store(k, k.u32(0), k.call(f, [k.f32(1)]));

test.each<[string, (k: KernelBuilder) => unknown, RegExp]>([
  ["a variable without a declaration", (k) => store(k, k.variable("x", "u32", 0), k.f32(1)), /x is not in scope/],
  [
    "a variable after its block",
    (k) => {
      let inside: Expr = k.u32(0);
      k.stage(() => {
        inside = k.let("x", k.lane);
      });
      store(k, inside, k.f32(1));
    },
    /made\[x\] = 1": x is not in scope/,
  ],
  [
    "a variable before it is declared",
    (k) => [bind(k.variable("y", "u32", 0), k.let("x", k.lane))],
    /x is not in scope/,
  ],
  [
    "a loop's variable after the loop",
    (k) => {
      let inside: Expr = k.u32(0);
      loop(k, k.u32(0), (i) => {
        inside = i;
      });
      store(k, inside, k.f32(1));
    },
    /i is not in scope/,
  ],
  [
    "a variable hidden by another one of its name",
    (k) => {
      const outer = k.let("x", k.lane);
      k.stage(() => {
        k.let("x", k.u32(1));
        store(k, outer, k.f32(1));
      });
    },
    /x is hidden by another declaration here/,
  ],
  [
    "two variables with one name",
    (k) => {
      k.let("x", k.lane);
      k.let("x", k.lane);
    },
    /x is declared twice in one block/,
  ],
  ["a variable of another type", (k) => [bind(k.variable("x", "f32", 0), k.u32(1))], /x is f32, its value 1 is u32/],
  [
    "an assignment of another type",
    (k) => k.assign(k.var("x", k.f32(0)), k.u32(1)),
    /x = 1": x is f32, its value 1 is u32/,
  ],
  ["an assignment to a `let`", (k) => k.assign(k.let("x", k.f32(0)), k.f32(1)), /x is assigned but is not a register/],
  ["an assignment to the lane", (k) => k.assign(k.lane, k.u32(1)), /lane is assigned but is not a register/],
  ["an element of another type", (k) => store(k, k.lane, k.u32(1)), /made is f32, its value 1 is u32/],
  ["a float index", (k) => store(k, k.f32(1), k.f32(1)), /an index of made is u32, its value 1 is f32/],
  ["a u32 condition", (k) => k.if(k.u32(1), () => {}), /the condition is bool, its value 1 is u32/],
  ["a u32 condition to leave", (k) => k.leaveIf(k.u32(1)), /the condition is bool/],
  ["a loop from a float", (k) => loop(k, k.f32(0), () => {}), /i is u32, its value 0 is f32/],
  ["a loop with step 0", (k) => loop(k, k.u32(0), () => {}, 0), /i has step 0/],
  [
    "a sum of bools",
    (k) => k.let("x", k.apply("add", "bool", [k.bool(true), k.bool(true)])),
    /add of bool, bool cannot return bool/,
  ],
  [
    "a sum of two types",
    (k) => k.let("x", k.apply("add", "u32", [k.u32(1), k.f32(1)])),
    /add of u32, f32 cannot return u32/,
  ],
  ["a sum of one operand", (k) => k.let("x", k.apply("add", "u32", [k.u32(1)])), /add of u32 cannot return u32/],
  [
    "a comparison that returns u32",
    (k) => k.let("x", k.apply("less", "u32", [k.lane, k.lane])),
    /less of u32, u32 cannot return/,
  ],
  ["bits of a float", (k) => k.let("x", k.bitAnd(k.f32(1), k.f32(1))), /bitAnd of f32, f32/],
  ["not of a u32", (k) => k.let("x", k.not(k.lane)), /not of u32 cannot return u32/],
  ["a shift by i32", (k) => k.let("x", k.shiftLeft(k.lane, k.i32(1))), /shiftLeft of u32, i32/],
  ["the root of an integer", (k) => k.let("x", k.sqrt(k.lane)), /sqrt of u32/],
  ["minus a u32", (k) => k.let("x", k.neg(k.lane)), /neg of u32/],
  [
    "a select between types",
    (k) => k.let("x", k.apply("select", "u32", [k.bool(true), k.lane, k.f32(1)])),
    /select of bool/,
  ],
  ["bits of a bool", (k) => k.let("x", k.bitcast(k.bool(true), "u32")), /bitcast of bool/],
  ["a vector of a vector", (k) => k.let("x", k.vector([k.vector([k.f32(1)])])), /vector of f32x4/],
  ["a fifth component", (k) => k.let("x", k.component(k.vector([k.f32(1)]), 4)), /component of f32x4, u32/],
  ["a fifth of four neighbours", (k) => k.let("x", k.fromQuad(k.lane, 4)), /fromQuad of u32, u32/],
  [
    "a lane that is not a literal",
    (k) => k.let("x", k.apply("fromLane", "u32", [k.lane, k.group])),
    /fromLane of u32, u32 cannot return u32/,
  ],
  [
    "a call with too many arguments",
    (k) => store(k, k.u32(0), k.call(exp, [k.f32(1), k.f32(1)])),
    /cg_exp is called as/,
  ],
  ["a call with an argument of another type", (k) => store(k, k.u32(0), k.call(exp, [k.lane])), /cg_exp is called as/],
  [
    "a barrier in a conditional",
    (k) => [within(k.equal(k.lane, k.u32(0)), [barrier])],
    /not all invocations of a workgroup reach/,
  ],
  [
    "a barrier in a conditional in a loop over lanes",
    (k) => {
      const variable = k.variable("i", "u32", 1);
      const head = { axis: depth, mapping: "lanes", variable, first: k.lane, end: k.u32(4), step: k.u32(1) } as const;
      return [{ kind: "for", ...head, body: [within(k.bool(true), [barrier])] }];
    },
    /not all invocations of a workgroup reach a barrier/,
  ],
  [
    "a barrier in a stage",
    () => [{ kind: "stage", body: [barrier] }],
    /not all invocations of a workgroup reach a barrier/,
  ],
  [
    "a barrier after invocations may have left",
    (k) => [{ kind: "leave", condition: k.equal(k.lane, k.u32(0)) }, barrier],
    /a barrier follows a statement at which invocations leave/,
  ],
  ["leaving inside a block", (k) => k.stage(() => k.leaveIf(k.bool(true))), /invocations leave inside a block/],
  [
    "a lane marked uniform",
    (k) => [bind(k.variable("x", "u32", 0, true), k.lane)],
    /x is marked uniform but differs between invocations/,
  ],
  [
    "a loop over lanes marked uniform",
    (k) => {
      const variable = k.variable("i", "u32", 1, true);
      return [
        {
          kind: "for",
          axis: depth,
          mapping: "lanes",
          variable,
          first: k.u32(0),
          end: k.u32(4),
          step: k.u32(1),
          body: [],
        },
      ];
    },
    /i is marked uniform but differs between invocations/,
  ],
  [
    "a bound of a loop that is no number of iterations",
    (k) => {
      const variable = k.variable("i", "u32", 1, true);
      const range = { first: k.u32(0), end: k.u32(4), step: k.u32(2), most: 2 ** 32 };
      return [{ kind: "for", axis: depth, mapping: "serial", variable, ...range, body: [] }];
    },
    /i is bounded by 4294967296 iterations/,
  ],
  [
    "an expression marked uniform",
    (k) => [bind(k.variable("x", "u32", 0), { ...k.add(k.lane, k.u32(1)), isUniform: true })],
    /\(lane \+ 1\) is marked uniform/,
  ],
  [
    "memory without a declaration",
    (k) => k.let("x", k.load({ space: "shared", name: "s", element: "f32", length: 4, slots: 1 }, k.lane)),
    /s is not declared/,
  ],
  [
    "registers after their block",
    (k) => {
      let inside: Expr = k.f32(0);
      k.stage(() => {
        inside = k.load(k.registers("r", "f32", [k.f32(1)]), k.u32(0));
      });
      store(k, k.u32(0), inside);
    },
    /r is not declared/,
  ],
  [
    "an index beyond registers",
    (k) => k.let("x", k.load(k.registers("r", "f32", [k.f32(1)]), k.u32(1))),
    /r has 1 elements, but its index is 1/,
  ],
  [
    "an index beyond shared memory",
    (k) => k.storeElement(k.sharedArray("f32", 4), k.u32(4), k.f32(1)),
    /shared0_4_f32 has 4 elements, but its index is 4/,
  ],
  [
    "a slot beyond two",
    (k) => k.storeInSlot(k.sharedArray("f32", 4, 2), k.u32(2), k.lane, k.f32(1)),
    /shared0_2x4_f32 has 2 slots, but its slot is 2/,
  ],
  [
    "a slot of memory without slots",
    (k) => k.storeInSlot(k.sharedArray("f32", 4), k.u32(0), k.lane, k.f32(1)),
    /shared0_4_f32 has 1 slots/,
  ],
  [
    "no slot for memory with two",
    (k) => k.storeElement(k.sharedArray("f32", 4, 2), k.lane, k.f32(1)),
    /shared0_2x4_f32 has 2 slots/,
  ],
  [
    "more registers than values",
    (k) => [
      {
        kind: "registers",
        array: { space: "registers", name: "r", element: "f32", length: 2, slots: 1 },
        values: [k.f32(1)],
      },
    ],
    /r has 2 elements and 1 values/,
  ],
  [
    "a size that is not a uniform",
    (k) => [bind(k.variable("x", "u32", 0), k.size("2*T"))],
    /the size T is not a uniform/,
  ],
  [
    "a sum that is not a uniform",
    (k) => [bind(k.variable("x", "u32", 0), k.uniform(["B", 4]))],
    /the size B \+ 4 is not a uniform/,
  ],
  [
    "a barrier in a function",
    (k) => calling(k, withBody([barrier])),
    /function cg_test, .*a function contains a barrier/,
  ],
  [
    "memory in a function",
    (k) => {
      const f = withBody([]);
      calling(k, { ...f, result: k.load(given, k.u32(0)) });
    },
    /function cg_test: given is not declared/,
  ],
  [
    "a lane in a function",
    (k) => calling(k, withBody([], { result: k.convert(k.lane, "f32") })),
    /lane is not in scope/,
  ],
  ["a result of another type", (k) => calling(k, withBody([], { result: k.u32(1) })), /returns u32, not f32/],
])("rejects %s", (_, write, message) => {
  expect(() => verifyKernel("k0", kernel(write))).toThrow(message);
});

test.each<[string, Partial<KernelCode>, RegExp]>([
  ["workgroups of size 0", { workgroupSize: 0 }, /has a workgroup size of 0/],
  ["a buffer that is not declared", { buffers: [] }, /given is not declared/],
  [
    "a written buffer declared as read",
    {
      buffers: [
        { array: given, access: "read" },
        { array: made, access: "read" },
      ],
    },
    /declares made as read but writes it/,
  ],
  [
    "a read buffer declared as read_write",
    {
      buffers: [
        { array: given, access: "read_write" },
        { array: made, access: "read_write" },
      ],
    },
    /declares given as read_write but never writes it/,
  ],
  ["shared memory that is not declared", { shared: [] }, /shared0_2x64_f32 is not declared/],
  ["sizes that are not uniforms", { uniforms: [] }, /the size B is not a uniform of the kernel/],
])("rejects a kernel with %s", (_, change, message) => {
  expect(() => verifyKernel("k0", { ...kernel(wellFormed), ...change })).toThrow(message);
});
