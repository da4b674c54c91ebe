/** @file Mutants of what checks kernels and runs them with no device: rules, arithmetic, memory that is watched, lanes and barriers, the steps of a program. */
import { changed, type Mutant } from "./mutant.ts";

const onFaults = "test/kernel/evaluate.test.ts";
const onVerifier = "test/kernel/verify.test.ts";
const onRandom = "test/kernel/random-kernels.test.ts";
const onPrograms = "test/kernel/evaluate-programs.test.ts";

export const evaluatorMutants: readonly Mutant[] = [
  ...changed(
    "compiler/kernel/evaluate/memory.ts",
    [onFaults],
    [
      [
        "buffers are known before they are written",
        'if (this.#known[index] === 0) return clock.invalidRead(this.name, index, "read before it was written");',
        "",
      ],
      [
        "what is read outside of a buffer is 0",
        "if (value === undefined)\n      return clock.invalidRead(this.name, index, `read out of bounds: it has ${this.data.length} elements`);",
        "if (value === undefined) return 0;",
      ],
      [
        "what is written outside of a buffer is lost",
        "if (index >= this.data.length)\n      clock.fail(this.name, index, `written out of bounds: it has ${this.data.length} elements`);",
        "",
      ],
      [
        "what another invocation writes may be read",
        "writer >= clock.dispatch && writer !== invocation)\n      return",
        "writer < 0)\n      return",
      ],
      ["any two may write one element", "!Object.is(before, this.data[index])", "before < 0"],
      [
        "what others read may be overwritten",
        "if (isRead) clock.overwrite(",
        "if (isRead && index < 0) clock.overwrite(",
      ],
      [
        "a barrier keeps no invocation from writing",
        "isBesides && this.epoch - this.#began < by.epoch ? undefined : by.number + this.dispatch",
        "isBesides && by.epoch < 0 ? undefined : by.number + this.dispatch",
      ],
      ["memory of a workgroup is that of the one before", "if (written < clock.start)", "if (written === 0)"],
      [
        "what another lane wrote may be read",
        "if ((written === clock.epoch || overwriter !== undefined) && writer !== lane)",
        "if (overwriter !== undefined && writer !== lane)",
      ],
      [
        "what another lane reads may be overwritten",
        "if ((written === clock.epoch || overwriter !== undefined) && writer !== lane)",
        "if (written === clock.epoch && writer !== lane)",
      ],
      [
        "two lanes may write one element",
        "if (this.#written[index] === clock.epoch && writer !== lane)",
        "if (writer < 0)",
      ],
      ["what is read and dropped may not be overwritten", "this.#isAgain = isAgain;", "this.#isAgain = true;"],
    ],
  ),
  ...changed(
    "compiler/kernel/evaluate/expressions.ts",
    [onFaults],
    [
      ["what is not chosen must mean something", "clock.fault = before;", ""],
      ["what is chosen need mean nothing", "if (isTrue) clock.fault = fault;", "clock.fault = before;"],
      ["lanes that take no part answer", "number >= subgroupSize || isActive[source] !== 1", "number >= subgroupSize"],
      [
        "lanes beyond the subgroup answer",
        "number >= subgroupSize || isActive[source] !== 1",
        "isActive[source] !== 1",
      ],
      ["every lane's subgroup is the first", "lane - own + number", "number"],
    ],
  ),
  ...changed(
    "compiler/kernel/evaluate/expressions.ts",
    [onPrograms],
    [["the other one is chosen", "return isTrue ? first : second", "return isTrue ? second : first"]],
  ),
  ...changed(
    "compiler/kernel/evaluate/statements.ts",
    [onFaults],
    [
      ["some lanes may reach a barrier", "if (lanes.length !== all)", "if (lanes.length === 0)"],
      ["a barrier ends no epoch", "clock.epoch += 1;", ""],
      ["lanes may leave a block", "if (all(lanes).length !== lanes.length)", "if (all(lanes).length < 0)"],
      [
        "what decides need mean nothing",
        "      const number = value(lane);\n      clock.expectNoFault();",
        "      const number = value(lane);",
      ],
      [
        "loops end past the largest index",
        "if (next > value && next < 2 ** 32) return next;",
        "if (next > value) return next;",
      ],
    ],
  ),
  ...changed(
    "compiler/kernel/verify.ts",
    [onVerifier],
    [
      ["barriers may stand anywhere", "if (!place.isUniform)", "if (place.isOutermost && !place.isUniform)"],
      [
        "barriers may stand behind who leaves",
        "if (this.#haveLeft)",
        "if (this.#haveLeft && place.isOutermost && this.#code === undefined)",
      ],
      [
        "invocations may leave a block",
        "if (!place.isOutermost) this.fail(",
        "if (place.isOutermost && !place.isUniform) this.fail(",
      ],
      [
        "barriers may stand in a stage",
        'this.block(statement.body, { isOutermost: false, isUniform: false });\n        return;\n      case "leave"',
        'this.block(statement.body, { isOutermost: false, isUniform: true });\n        return;\n      case "leave"',
      ],
      ["loops may go on by 0", "step.value === 0", "step.value < 0"],
      ["any name in scope will do", "if (found === variable) return;", "if (found !== undefined) return;"],
      ["names may be declared twice", "if (scope?.names.has(named.name))", "if (scope === undefined)"],
      [
        "values may be changed",
        "if (!this.#scopes.some(({ registers }) => registers.has(variable)))",
        "if (this.#scopes.length === 0)",
      ],
      ["elements may lie beyond their array", "index.value >= array.length", "index.value > array.length"],
      ["slots may lie beyond their array", "slot.value >= array.slots", "slot.value > array.slots"],
      [
        "what never is written may be declared so",
        'if (isWritten !== (access === "read_write"))',
        'if (isWritten && access !== "read_write")',
      ],
      [
        "what is written may be declared to be read",
        'if (isWritten !== (access === "read_write"))',
        'if (!isWritten && access === "read_write")',
      ],
      [
        "types of values do not matter",
        "if (expr.type !== type) this.fail(",
        "if (expr.type === undefined) this.fail(",
      ],
      ["primitives take any types", "if (!typesFit(expr)) {", "if (expr.operands.length > 9) {"],
      ["functions may hold anything", "if (this.#code === undefined && ![", "if (this.#code !== undefined && !["],
      ["lanes are alike", 'mapping === "lanes" ||', ""],
      ["sizes need not be given", 'if (!known.has(sum.join(" + ")))', "if (known.size > 99)"],
    ],
  ),
  ...changed(
    "compiler/kernel/evaluate/kernel.ts",
    [onFaults, onPrograms],
    [
      [
        "what is overwritten is not looked at again",
        "if (!this.#clock.hasOverwritten) return;",
        "if (counts.length > 0) return;",
      ],
      ["parts run in the first one's workgroups", "    number -= count;\n", ""],
    ],
  ),
  ...changed(
    "compiler/kernel/evaluate/arithmetic.ts",
    [onRandom, onPrograms],
    [
      ["f32 does not round", "mul: (a, b) => Math.fround(a * b),", "mul: (a, b) => a * b * (1 + 2 ** -20),"],
      ["halves go up", "rest === 0.5 && low % 2 === 0", "rest > 1"],
      ["u32 does not wrap", "sub: (a, b) => (a - b) >>> 0,", "sub: (a, b) => a - b,"],
      ["i32 is shifted without its sign", "shiftRight: (a, by) => a >> by,", "shiftRight: (a, by) => (a >>> by) | 0,"],
      ["comparisons are strict", "Number(a <= b)", "Number(a < b)"],
    ],
  ),
  ...changed(
    "compiler/plan/evaluate-program.ts",
    ["test/gpu/choose.test.ts"],
    [
      [
        "the first branch runs",
        "bucketOf(step.branches, evaluateDim(step.dim, this.#sizes))",
        "bucketOf(step.branches, 0)",
      ],
    ],
  ),
  ...changed(
    "compiler/kernel/evaluate/memory.ts",
    [onPrograms],
    [["workgroups that nothing has written are none", "this.#known[index] !== 1", "this.#known[index] === 2"]],
  ),
  ...changed(
    "compiler/plan/evaluate-program.ts",
    [onPrograms],
    [
      [
        "a loop of no steps runs nothing",
        "if (length === 0) for (const dispatch of step.otherwise) this.step(dispatch, counts);",
        "",
      ],
      ["a step between two chunks is left out", "first += steps)", "first += steps + 1)"],
      [
        "workgroups are those of the grid, whatever was written",
        ", step.indirect && this.#workgroups(step.indirect)",
        "",
      ],
      ["one number of workgroups counts", "total * at(this.#buffers, buffer)", "0 * total + at(this.#buffers, buffer)"],
      ["inner loops count as the outer ones", "this.step(inner, [...counts, count])", "this.step(inner, [count])"],
    ],
  ),
];
