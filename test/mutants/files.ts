/** @file Ways to break what reads and writes the files of others: their numbers, their names, and what they mean. */
import { changed, type Mutant } from "./mutant.ts";

export const fileMutants: readonly Mutant[] = [
  ...changed(
    "train/tensor-storage.ts",
    ["test/train/safetensors.test.ts"],
    [
      ["subnormal numbers of F16 are zero", "return sign * fraction * 2 ** -24;", "return sign * 0;"],
      ["infinity of F16 is a number", "exponent === 0x1f", "exponent === 0x20"],
      ["BF16 is the lower half", "setUint32(0, bits * 2 ** 16)", "setUint32(0, bits)"],
      ["I64 wraps around", "fits: within(-(2 ** 31), 2 ** 31 - 1) }", "}"],
    ],
  ),
  ...changed(
    "train/safetensors.ts",
    ["test/train/safetensors.test.ts", "test/cli/weights.test.ts"],
    [
      [
        "tensors are read that nothing asks for",
        "    define({\n      get: () => {",
        "    readTensor(entry, data, name);\n    define({\n      get: () => {",
      ],
      ["what is not replaced is rounded", "tensor === undefined || isSame(", "tensor !== undefined && isSame("],
    ],
  ),
  ...changed(
    "train/stream.ts",
    ["test/cli/tokens.test.ts"],
    [["a sample begins a text", 'prompt === "" ? [] : [...tokens]', "[]"]],
  ),
  ...changed(
    "train/data/bytes.ts",
    ["test/cli/tokens.test.ts"],
    [["a byte order mark is dropped", "{ ignoreBOM: true }", "{ ignoreBOM: false }"]],
  ),
  ...changed(
    "interchange/model-metadata.ts",
    ["test/interchange/onnx.test.ts"],
    [["bytes are told as characters", '(tokens ?? "characters")', '"characters"']],
  ),
];
