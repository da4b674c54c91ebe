/** @file Mutants of WebAssembly's functions: the bytes, the text, the check of types, the probe of the engine, and models in modules. */
import { changed, type Mutant } from "./mutant.ts";

const onModules = "test/wasm/encode.test.ts";
const onOpcodes = "test/wasm/opcodes.test.ts";
const onText = "test/wasm/text.test.ts";
const onTypes = "test/wasm/validate.test.ts";
const onExpressions = "test/wasm/expressions.test.ts";
const onCompiled = "test/interchange/standalone.test.ts";

export const webAssemblyMutants: readonly Mutant[] = [
  ...changed(
    "wasm/bytes.ts",
    [onModules],
    [
      ["64 fits one byte, as -64", "rest > 63", "rest > 127"],
      ["-65 fits one byte, as 63", "rest < -64", "rest < -128"],
      ["128 fits one byte", "rest >= 0x80", "rest > 0x80"],
      ["negative numbers end early", "Math.floor(rest / 128)", "Math.trunc(rest / 128)"],
      ["bytes are lost when the array grows", "data.set(this.#data)", "data.set([])"],
      [
        "floats are written behind what follows",
        "setFloat32(this.#length, value, true)",
        "setFloat32(this.#length, value)",
      ],
    ],
  ),
  ...changed(
    "wasm/body.ts",
    [onModules],
    [
      [
        "ifs are not counted by branches",
        "this.#open(structure.if, undefined)",
        "this.#bytes.all([structure.if, noValue])",
      ],
      ["the outermost label of a name counts", "this.#labels.lastIndexOf(name)", "this.#labels.indexOf(name)"],
      ["labels stay known behind their block", "this.#labels.pop();", ""],
      ["locals are numbered as they are declared", "...orderedLocals(code.locals)]", "...code.locals]"],
      ["offsets are lost", "this.#bytes.unsigned(offset)", "this.#bytes.unsigned(0)"],
      [
        "an else runs with its if",
        "if (instruction.whenFalse.length > 0) {",
        "if (instruction.whenFalse.length > 1) {",
      ],
      ["a missing operand is not seen", "instruction.operands.length !== count", "instruction.operands.length > count"],
      [
        "calls need no operands",
        "return this.#callee(instruction).function.parameters.length;",
        "return instruction.operands.length;",
      ],
      ["any lane will do", "!isWithin(lane, 0, lanes - 1)", "!isWithin(lane, 0, 255)"],
    ],
  ),
  ...changed(
    "wasm/encode.ts",
    [onModules],
    [
      [
        "all functions have the first one's type",
        "if (known !== undefined) return known;",
        "if (numbers.size > 0) return 0;",
      ],
      ["no memory is shared", "isShared ? 3 : 1", "1"],
      ["memory may grow as far as it likes", "body.unsigned(maximumPages);", "body.unsigned(65536);"],
      ["what is not exported is", "if (!isExported) continue;", ""],
      ["two functions may have one name", "if (numbers.has(each.name))", "if (numbers.has(''))"],
      ["profilers find no names", 'body.text("name");', 'body.text("names");'],
      ["memory of one's own is counted as no export", "(isOwn ? 1 : 0)", "0"],
      ["all data begins at 0", "body.signed(address | 0)", "body.signed(0)"],
      ["sections for readers are empty", "body.append(content);", ""],
    ],
  ),
  ...changed(
    "wasm/opcodes.ts",
    [onOpcodes],
    [
      ["a load is a larger one", '"v128.load32_zero": 0xfd_05c', '"v128.load32_zero": 0xfd_05d'],
      ["numbers above 127 are one byte", "number < 0x80", "number < 0x100"],
      [
        "a store is not aligned",
        '{ "i32.store16": 0x3b }, "memory", { width: 2 }',
        '{ "i32.store16": 0x3b }, "memory", { width: 1 }',
      ],
    ],
  ),
  ...changed(
    "wasm/opcodes.ts",
    [onExpressions],
    [
      ["unsigned is signed", '"i32x4.lt_u": 0xfd_03a', '"i32x4.lt_u": 0xfd_039'],
      ["the lesser is the greater", '"f32x4.pmin": 0xfd_0ea', '"f32x4.pmin": 0xfd_0eb'],
      ["nearest is trunc", '"f32.nearest": 0x90', '"f32.nearest": 0x8f'],
    ],
  ),
  ...changed(
    "wasm/text.ts",
    [onText],
    [
      ["zeros have no sign in text", 'if (Object.is(rounded, -0)) return "-0";', ""],
      ["digits are too few", "Math.fround(short) === rounded", "digits > 5"],
      ["bits read as floats", "floats.every(isOrdinary)", "floats.every(Number.isFinite)"],
      ["letters stand as they are in names", "[^\\w!#-'*", "[^\\w\\p{L}!#-'*"],
      ["quotes end names", '/["\\\\]|\\p{Cc}/gu', "/[\\\\]|\\p{Cc}/gu"],
      [
        "an else stands in its if",
        'this.#bracket("else", whenFalse, indent + 2)',
        "this.statements(whenFalse, indent + 2)",
      ],
      ["all stands on one line", "text.length < room ||", "text.length > 0 ||"],
    ],
  ),
  ...changed(
    "wasm/validate.ts",
    [onTypes],
    [
      ["what is left over is not seen", "else if (left !== undefined)", "else if (left === 'v128')"],
      ["returns give a value", '|| op === "return" ||', "||"],
      ["conditions have any type", 'condition !== "i32" && condition !== "never"', "condition === undefined"],
      ["an else is not checked", "this.#statements(instruction.whenFalse);", ""],
      ["what ends early has no result", "if (hasEnded || left", "if (left"],
      [
        "choices may differ in type",
        'operands[i] === "any" ? any : operands[i]',
        'operands[i] === "any" ? type : operands[i]',
      ],
    ],
  ),
  ...changed(
    "interchange/standalone/bake.ts",
    [onCompiled],
    [
      ["all dispatches have one record", 'const key = words.join(",");', 'const key = "";'],
      [
        "all parts of a kernel are its first",
        "code.call(at(kernel.functions, part)",
        "code.call(at(kernel.functions, 0)",
      ],
      ["a step's numbers lie on its slabs", "this.#end += line * Math.ceil(bytes / line);", ""],
      ["sums are fused, which not all engines can", "cpuKernels(planned);", "cpuKernels(planned, true);"],
      ["memory has no end", "if (pages <= mostPages) return pages;", "if (pages > 0) return pages;"],
      [
        "all steps of a loop are its first",
        "...entry.slice(0, kernel.loops + (kernel.chunked ? 1 : 0)),",
        "...entry.slice(0, kernel.loops + (kernel.chunked ? 1 : 0)).fill(0),",
      ],
      [
        "copies go the other way",
        "code.i32(to.address), code.i32(from.address)",
        "code.i32(from.address), code.i32(to.address)",
      ],
      ["sizes are not looked at", "if (unmet !== undefined) throw", "if (unmet === '') throw"],
      ["kernels are exported", "({ ...each, isExported: false })", "each"],
    ],
  ),
  ...changed(
    "interchange/model-metadata.ts",
    [onCompiled],
    [["a cell's name ends the comment that it stands in", "return `${printableName(cell)}", "return `${cell}"]],
  ),
  ...changed(
    "interchange/standalone/model.ts",
    [onCompiled],
    [
      ["no state is carried", "donate: Object.fromEntries(states.map((state, i) => [state, i])),", ""],
      ["texts are sampled of a tokenizer's tokens", 'reads === "tokens" ? "step" : "write"', '"write"'],
    ],
  ),
  ...changed(
    "interchange/standalone/loader.ts",
    [onCompiled],
    [
      ["a state of one's own stays as it was", "    own.set(state);\n", ""],
      ["a state of one's own becomes the model's", "if (own !== state) state.set(others);", ""],
      ["outputs are overwritten by the next step", "return output.slice();", "return output;"],
      ["texts that are written go on from the model's state", "(own = zeros()) => (given)", "(own = state) => (given)"],
      ["a text without a prompt begins with token 0", "given.length ? given : [first]", "given.length ? given : [0]"],
      ["draws are not those of sampleText", "(b >>> -bits)", "(b >>> bits)"],
      ["forecasts are in the network's units", "n * deviation + mean", "n"],
      ["a list is taken for a state", "own instanceof Float32Array && own", "own"],
      ["texts may have a part of a character", "Number.isInteger(length) && length >= 0", "length >= 0"],
      ["any module is read", "if (facts?.use !==", "if (!facts && facts?.use !=="],
    ],
  ),
  ...changed(
    "cli/output-folder.ts",
    ["test/cli/compile.test.ts"],
    [["the model may be written over", "join(out, name), input)", "join(out, name))"]],
  ),
  ...changed(
    "wasm/features.ts",
    ["test/wasm/features.test.ts"],
    [
      ["relaxed products are used where there are none", "    WebAssembly.validate(", "    !WebAssembly.validate("],
      ["no engine has vectors", "moduleOf([...zeros, drop])", "moduleOf([...zeros])"],
    ],
  ),
  ...changed(
    "wasm/features.ts",
    ["test/devices/open-device.test.ts"],
    [["a policy is not seen", "await WebAssembly.compile(", "WebAssembly.validate("]],
  ),
];
