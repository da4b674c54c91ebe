/** @file Mutants of WGSL's text: literals, operators, parts of a kernel, and the frame. */
import { changed, type Mutant } from "./mutant.ts";

const onDevice = "test/gpu/ops.test.ts";
const onLowering = "test/gpu/lowering.test.ts";
const onLoops = "test/gpu/loops.test.ts";
const products = "test/gpu/products.test.ts";
const onText = "test/kernel/wgsl.test.ts";
const onKernels = "test/kernel/kernels.test.ts";

export const shaderMutants: readonly Mutant[] = [
  ...changed(
    "shaders/statement.ts",
    ["test/gpu/provable-loops.test.ts"],
    [["a bounded loop takes every step", 'step === "1u" ? turn : `${turn} * ${step}`', "turn"]],
  ),
  ...changed(
    "shaders/statement.ts",
    ["test/gpu/resident.test.ts"],
    [
      [
        "a bounded loop begins with its first step every time",
        "${first} + ${step ===",
        "${first} + ${turn === turn ? 0 : step ===",
      ],
      ["a bounded loop goes on to its bound", "if (${name} >= ${end}) {", "if (${name} >= 6u + ${end}) {"],
    ],
  ),
  ...changed(
    "shaders/expression.ts",
    [onDevice],
    [
      ["infinity of the other sign", 'value > 0 ? "0x7f800000u"', 'value < 0 ? "0x7f800000u"'],
      ["NaN is infinite", "0x7fc00000u", "0x7f800000u"],
      ["the least integer is one more", "(-2147483647i - 1i)", "(-2147483647i)"],
      ["choices are the other way round", "select(${c}, ${b}, ${a})", "select(${b}, ${c}, ${a})"],
      ["bits are converted", "`bitcast<${typeText[type]}>(${a})`", "`${typeText[type]}(${a})`"],
    ],
  ),
  ...changed(
    "shaders/expression.ts",
    [onLowering, onLoops],
    [["4 B is B", "coefficient === 1 ? []", "coefficient > 0 ? []"]],
  ),
  ...changed(
    "shaders/expression.ts",
    ["test/gpu/constants.test.ts"],
    [
      ["a kernel of constants overflows when it is compiled", "if (!isFolded ||", "if (isFolded !== undefined ||"],
      ["-0 is 0", 'if (Object.is(value, -0)) return ofBits("0x80000000u");', ""],
      ["WGSL sees through hidden bits", "`bitcast<f32>(${opaque(bits)})`", "`bitcast<f32>(${bits})`"],
      ["the largest number is written as one that WGSL refuses", " && Math.abs(rounded) <= largest", ""],
    ],
  ),
  ...changed(
    "shaders/expression.ts",
    [onText],
    [
      [
        "u32 that overflow are computed by WGSL",
        '|| first.type === "bool"',
        '|| first.type === "bool" || first.type === "u32"',
      ],
      ["what cannot overflow is hidden", "isInteger || ", ""],
      ["decimals of seven digits", "Math.fround(rounded) === value", "digits > 6"],
      ["decimals of all digits", "digits <= 9", "digits <= 0"],
      ["large integers are written in decimal", "2 ** 20", "2 ** 40"],
      ["components are the first", '"xyzw"[literalOf(operands[1])]', '"x"'],
      ["every lane reads its own", "`subgroupBroadcast(${a}, ${b})`", "a"],
    ],
  ),
  ...changed(
    "shaders/statement.ts",
    [onKernels],
    [
      ["what is added replaces", 'how === "add" ? "+=" : "="', '"="'],
      ["loops step by one", "`${name} += ${step}`", "`${name}++`"],
      ["loops run once more", "${name} < ${end};", "${name} <= ${end};"],
      ["what a function returns is its parameter", "expressionText(result, none)", 'parameters[0]?.name ?? ""'],
    ],
  ),
  ...changed(
    "shaders/kernel.ts",
    ["test/gpu/cleared-workgroups.test.ts"],
    [
      ["workgroups share memory in a buffer", " + group * ${sharedElements(code.shared)}u;", ";"],
      ["arrays in a buffer overlap", "sharedPlace + ${first}u;", "sharedPlace + ${first * 0}u;"],
      ["slots in a buffer overlap", "`${slot} * ${array.length}u + ${index}`", "index"],
      ["a barrier waits for the wrong memory", "placed.size === 0 || ", "placed.size > 0 || "],
      ["memory in a buffer has no barrier", 'placed.size > 0 ? ["storageBarrier();"] : []', "[]"],
    ],
  ),
  ...changed(
    "compiler/plan/scan/persistent.ts",
    ["test/gpu/cleared-workgroups.test.ts"],
    [
      ["the last workgroup has no memory of its own", "perRow * rowsPerWorkgroup, order", "0, order"],
      ["a GPU has its workgroup memory in a buffer", ' || tiles.target !== "software"', ""],
    ],
  ),
  ...changed(
    "runtime/hosts/navigator.ts",
    ["test/hosts/adapters.test.ts"],
    [["Deno is a browser", '!("Deno" in globalThis)', "true"]],
  ),
  ...changed(
    "shaders/kernel.ts",
    [onLowering, onLoops, products],
    [
      [
        "workgroups beyond the first 65535 are those again",
        "workgroup_id.x + workgroup_id.y * workgroups.x",
        "workgroup_id.x",
      ],
      [
        "rows that are owned together are counted one by one",
        "const blocks = rowsPer === 1",
        "const blocks = rowsPer > 0",
      ],
      ["subgroups are not asked for", 'usesSubgroups(code) ? ["enable subgroups;"] : []', "[]"],
      ["what hides constants is left out", "usesOpaque ? [opaqueText] : []", "[]"],
      ["inner loops count first", "`  count${nesting}: u32,`", "`  count${counts.length - 1 - nesting}: u32,`"],
      ["all sizes are the first", "`sizes.${fields[i]}`", "`sizes.${fields[i * 0]}`"],
      ["the second part of a kernel starts with the first", "[`group - ${start}`, ", "[`group`, "],
      [
        "a part ends one workgroup early",
        "(${blocks} * ${text(columns)} + ${lanes - 1}u) / ${lanes}u",
        "(${blocks} * ${text(columns)}) / ${lanes}u",
      ],
    ],
  ),
  ...changed(
    "compiler/kernel/names.ts",
    ["test/trust/names-in-kernels.test.ts"],
    [["names end their comment", 'line.replace(/[^\\x20-\\x7e]/g, "?")', "line"]],
  ),
];
