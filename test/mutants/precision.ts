/** @file Mutants of f16: its numbers, what is rounded to it, and how it is stored. */
import { changed, type Mutant } from "./mutant.ts";

const onNumbers = "test/precision/half.test.ts";
const onTraining = "test/precision/training.test.ts";
const onMixed = "test/precision/mixed.test.ts";

export const precisionMutants: readonly Mutant[] = [
  ...changed(
    "compiler/kernel/math/half.ts",
    [onNumbers],
    [
      [
        "halves are rounded up",
        "f.add(f.add(magnitude, f.u32(0xc8000fff)), last)",
        "f.add(magnitude, f.u32(0xc8001000))",
      ],
      ["numbers are cut off", "f.add(f.add(magnitude, f.u32(0xfff)), last)", "magnitude"],
      ["the largest numbers go on", "[0x38800000, 0x477ff000, 0x7f800000]", "[0x38800000, 0x47800000, 0x7f800000]"],
      ["subnormal numbers are 0", 'f.convert(multiple, "f32")', "f.f32(0)"],
      ["NaN is stored as infinity", "f.u32(0x7e00)", "f.u32(0x7c00)"],
      ["the sign is lost", "f.bitOr(f.bitAnd(bits, f.u32(0x80000000)), rounded)", "rounded"],
    ],
  ),
  ...changed(
    "compiler/ops/half.ts",
    [onNumbers],
    [
      ["the interpreter has numbers below 2^-24", "Math.max(-24, ", "Math.max(-34, "],
      ["the interpreter has no infinity", "if (!(magnitude < firstInfinite))", "if (Number.isNaN(x))"],
    ],
  ),
  ...changed(
    "compiler/kernel/evaluate/arithmetic.ts",
    [onMixed],
    [["a half is always the low one", "word >>> (16 * half)", "word"]],
  ),
  ...changed(
    "compiler/plan/emit/placed-builder.ts",
    [onNumbers, onMixed],
    [
      ["halves change places", "other.isHigh ? [bits, other.bits]", "!other.isHigh ? [bits, other.bits]"],
      ["a neighbour is always the low half", "this.shiftLeft(isHigh, this.u32(4))", "this.u32(0)"],
      ["a word is where its number would be", "const place = isShared ? index :", "const place = true ? index :"],
    ],
  ),
  ...changed(
    "compiler/plan/emit/pairs.ts",
    [onNumbers],
    [["the last of an odd number has a neighbour", "index.min(second, index.dim(size - 1))", "second"]],
  ),
  ...changed(
    "compiler/plan/memory/halves.ts",
    [onMixed],
    [
      [
        "values of different stages share words",
        "const first = waiting.get(stage);",
        "const [first] = waiting.values();",
      ],
      ["what is part of another value shares words", "if (!isFree(id)) {", "if (false) {"],
    ],
  ),
  ...changed(
    "compiler/plan/memory/halves.ts",
    ["test/plan/heads.test.ts"],
    [
      [
        "a rewritten step may cut words apart",
        "if (writers.has(word) && writers.get(word) !== writer) return true;",
        "",
      ],
    ],
  ),
  ...changed(
    "compiler/plan/lower.ts",
    [onMixed],
    [
      [
        "words are free once the first of them is read",
        "Math.max(...pair.map((id) => lastUse.get(id) ?? order))",
        "order",
      ],
    ],
  ),
  ...changed(
    "compiler/passes/half.ts",
    [onMixed],
    [
      ["final states are rounded", "i >= carries && !isKept(i)", "!isKept(i)"],
      ["results of the program are rounded", "!isKept(i) && nodeAt", "nodeAt"],
    ],
  ),
  ...changed(
    "compiler/plan/scan/resident-products.ts",
    [onMixed],
    [["weights of f16 are both the low one", "step.number % 2 === 0 ? 0 : 1", "0"]],
  ),
  ...changed(
    "compiler/plan/scan/resident-stages.ts",
    [onMixed],
    [
      [
        "each of two numbers of a word is stored by another lane",
        "const highs = new Map(all.flatMap((each) => (each.location.half === 1 ?",
        "const highs = new Map(all.flatMap((each) => (each.location.half === 0 ?",
      ],
    ],
  ),
  ...changed(
    "compiler/plan/scan/residency.ts",
    [onMixed],
    [["each weight takes a register", "perRegister: inHalf.has(right) ? 2 : 1", "perRegister: 1"]],
  ),
  ...changed(
    "train/loss-scale.ts",
    [onTraining],
    [
      ["the scale is never larger", "where(grows, min(mul(scale, 2), largestScale), scaleSlot)", "scaleSlot"],
      ["the scale is larger one update too early", "less(updatesToGrow - 1, steps)", "less(updatesToGrow - 2, steps)"],
      ["the scale has no end", "min(mul(scale, 2), largestScale)", "mul(scale, 2)"],
      ["the scale falls below 1", "less(1, scale)", "less(0, scale)"],
      [
        "updates are counted on after a skipped one",
        "where(isTooLarge, 0, where(grows",
        "where(isTooLarge, steps, where(grows",
      ],
      ["gradients stay scaled", "mul(gradient, div(1, scale))", "gradient"],
    ],
  ),
  ...changed(
    "train/training-step.ts",
    [onTraining],
    [
      ["a skipped step ends the run", "skips === undefined ? ok : or(ok, skips)", "ok"],
      ["the loss has weights in f32", "scale === undefined ? parameters : roundToHalf(parameters)", "parameters"],
    ],
  ),
  ...changed(
    "train/checkpoint.ts",
    [onTraining],
    [["a run in f32 cannot go on", "if (scaleSlots.some((slot) => name === slotPrefix + slot)) return scalar(0);", ""]],
  ),
  ...changed(
    "train/trainer.ts",
    [onTraining],
    [
      [
        "the device is not told the precision",
        "const compile = { schedule, tuning, precision };",
        "const compile = { schedule, tuning };",
      ],
    ],
  ),
  ...changed(
    "train/graphs-on-demand.ts",
    [onTraining],
    [
      [
        "gradients are those of f32",
        "gradientStep(this.#network, this.#options.precision,",
        'gradientStep(this.#network, "f32",',
      ],
    ],
  ),
  ...changed(
    "devices/interpreter.ts",
    [onMixed],
    [["the interpreter takes no precision", 'options.precision === "mixed"', "false"]],
  ),
];
