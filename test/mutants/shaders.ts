/** @file Mutants of WGSL's text: literals, operators, parts of a kernel, and the frame. */
import { changed, type Mutant } from "./mutant.ts";

const onDevice = "test/gpu/ops.test.ts";
const onLowering = "test/gpu/lowering.test.ts";
const onLoops = "test/gpu/loops.test.ts";
const products = "test/gpu/products.test.ts";

export const shaderMutants: readonly Mutant[] = [
  ...changed(
    "shaders/expression.ts",
    [onDevice],
    [
      ["infinity of the other sign", 'value > 0 ? "0x7f800000u"', 'value < 0 ? "0x7f800000u"'],
      ["NaN is infinite", "0x7fc00000u", "0x7f800000u"],
      ["the least integer is one more", "(-2147483647i - 1i)", "(-2147483647i)"],
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
    [["a kernel of constants overflows when it is compiled", "if (!isFolded ||", "if (isFolded !== undefined ||"]],
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
      ["inner loops count first", "`  count${nesting}: u32,`", "`  count${counts.length - 1 - nesting}: u32,`"],
      ["all sizes are the first", "`sizes.${fields[i]}`", "`sizes.${fields[i * 0]}`"],
      [
        "the second part of a kernel starts with the first",
        "part${i}(group - ${start}, lane);",
        "part${i}(group, lane);",
      ],
      [
        "a part ends one workgroup early",
        "(${blocks} * ${text(columns)} + ${lanes - 1}u) / ${lanes}u",
        "(${blocks} * ${text(columns)}) / ${lanes}u",
      ],
    ],
  ),
  ...changed(
    "compiler/render.ts",
    ["test/trust/names-in-kernels.test.ts"],
    [["names end their comment", 'text.replace(/[^\\x20-\\x7e]/g, "?")', "text"]],
  ),
];
