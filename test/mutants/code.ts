/** @file Mutants of what is no op: derivatives through loops, passes, lowering, and functions in WGSL. */
import type { Mutant } from "./mutant.ts";

const cells = "test/core/random-cells.test.ts";
const onDevice = "test/gpu/ops.test.ts";
const products = "test/gpu/products.test.ts";
const onPasses = "test/core/passes.test.ts";
const onLowering = "test/gpu/lowering.test.ts";

type Change = readonly [name: string, from: string, to: string];

const changed = (file: string, tests: readonly string[], changes: readonly Change[]): Mutant[] =>
  changes.map(([name, from, to]) => ({ name, file, replace: [from, to], tests }));

const autodiff: readonly Mutant[] = [
  ...changed(
    "compiler/autodiff/reverse.ts",
    [cells, "test/core/dsl.test.ts"],
    [["the last cotangent instead of their sum", "before === undefined ? ct : add(before, ct)", "ct"]],
  ),
  ...changed(
    "compiler/autodiff/reverse-scan.ts",
    [cells],
    [
      ["a backward scan that runs forward", "reverse: !attrs.reverse", "reverse: attrs.reverse"],
      [
        "a weight's gradient from the first step alone",
        "add(at(sums, k) as Float, cotangent(i) as Float)",
        "cotangent(i) as Float",
      ],
      ["no cotangent of the final carries", "cts[i] ?? zerosLike(at(initial, i))", "zerosLike(at(initial, i))"],
    ],
  ),
  ...changed(
    "compiler/autodiff/forward.ts",
    [cells],
    [
      ["tangents that run the other way", "{ reverse: attrs.reverse, length", "{ reverse: !attrs.reverse, length"],
      ["carries that start with no tangent", "tangents[consts + i] ?? zerosLike(carry)", "zerosLike(carry)"],
    ],
  ),
];

const passes: readonly Mutant[] = [
  ...changed(
    "compiler/passes/simplify.ts",
    [onPasses],
    [
      [
        "0 - b is b",
        'return right === 0 ? rebuilt(a) : undefined;\n    case "mul"',
        'return left === 0 ? rebuilt(b) : right === 0 ? rebuilt(a) : undefined;\n    case "mul"',
      ],
      [
        "1 / b is b",
        "return right === 1 ? rebuilt(a) : undefined;",
        "return left === 1 ? rebuilt(b) : right === 1 ? rebuilt(a) : undefined;",
      ],
      ["one negation is none", 'inner.op === "neg" ? rebuilt(at(inner.operands, 0)) : undefined', "rebuilt(a)"],
    ],
  ),
  ...changed(
    "compiler/passes/dead.ts",
    [cells],
    [
      ["the first y for every y", "results.ys[keptYs.findIndex((j) => body.outputs[j] === id)]", "results.ys[0]"],
      ["carries that only carries read are dropped", "if (found.length === 0) return", "if (found.length >= 0) return"],
    ],
  ),
  ...changed(
    "compiler/passes/split-products.ts",
    [cells],
    [
      [
        "the first rows of W for every part",
        "return { id, start: start - size, size };",
        "return { id, start: 0, size };",
      ],
      [
        "a slice of columns from the rows",
        "slice(rebuilt(b), transposeB ? rank - 2 : rank - 1, start, size)",
        "slice(rebuilt(b), transposeB ? rank - 2 : rank - 1, 0, size)",
      ],
    ],
  ),
  ...changed(
    "compiler/passes/hoist.ts",
    [onPasses, cells],
    [
      [
        "invariant values change places",
        "products: products.map((id) => values.stacked(id))",
        "products: products.map((id) => values.stacked(id)).reverse()",
      ],
    ],
  ),
  ...changed(
    "compiler/passes/loop-values.ts",
    [cells],
    [
      [
        "what depends on an x counts as invariant",
        "!this.#dependsOnCarry.has(id) && !this.#dependsOnXs.has(id)",
        "!this.#dependsOnCarry.has(id)",
      ],
    ],
  ),
  ...changed(
    "compiler/passes/sink.ts",
    [onPasses, cells],
    [
      [
        "a carry that starts anywhere is a sum",
        "constantValue(outer, at(node.operands, attrs.consts + i)) === 0",
        "true",
      ],
      [
        "the sum over the batch but not over time",
        "sum(x(step) as Float, [0, ...node.attrs.axes.map((axis) => axis + 1)])",
        "sum(x(step) as Float, [0, ...node.attrs.axes.map((axis) => axis)])",
      ],
    ],
  ),
  ...changed(
    "compiler/passes/lookups.ts",
    ["test/core/lookups.test.ts"],
    [
      ["one product for all that are added", "terms?.reduce((total, term) => add(total, term))", "terms?.[0]"],
      ["any table", "tableRows <= smallTable && ", ""],
    ],
  ),
  ...changed(
    "compiler/passes/unroll.ts",
    [cells],
    [["time runs forward whatever the scan says", "const t = reverse ? length - 1 - step : step;", "const t = step;"]],
  ),
];

const lowering: readonly Mutant[] = [
  ...changed(
    "compiler/plan/emit-loops.ts",
    [cells, products],
    [
      [
        "what lies past the end counts",
        "select(0.0, ${right.text}, ${step.counts})",
        "select(${right.text}, ${right.text}, ${step.counts})",
      ],
      ["the rest of an unrolled loop is left out", "if (rest > 0)", "if (rest > 9)"],
      ["every lane's row is the first lane's", "${text}, ${shared.lane}u", "${text}, 0u"],
    ],
  ),
  ...changed(
    "compiler/plan/emit-blocks.ts",
    [products],
    [
      ["blocks do not wait before they multiply", 'writer.line("workgroupBarrier();");\n    const step', "const step"],
      [
        "past the depth the last element counts again",
        'vec4<f32>(${values.join(", ")}), ${k0} + ${k} <',
        'vec4<f32>(${values.join(", ")}), 0u * ${k0} <',
      ],
      ["rows past the end are stored", "if (row < ${rowCount} && column < ${n}u)", "if (column < ${n}u)"],
    ],
  ),
  ...changed(
    "compiler/plan/emit-stage.ts",
    [cells, onDevice, products],
    [
      [
        "a tree that forgets the upper half",
        "combine(node, `${shared}[lane]`, `${shared}[lane + ${half}]`)",
        "`${shared}[lane]`",
      ],
      [
        "scattered updates replace each other",
        'store(scatter, placeOf(rowIndex), update.text, "+=")',
        'store(scatter, placeOf(rowIndex), update.text, "=")',
      ],
    ],
  ),
  ...changed(
    "compiler/plan/persistent.ts",
    [cells, "test/gpu/chunks.test.ts"],
    [
      ["time forward in a reversed scan", "if (!reverse) return count;", "return count;"],
      ["a chunk starts at the beginning", "(${steps} & 1u)", "0u"],
    ],
  ),
  ...changed(
    "compiler/plan/persistent-plan.ts",
    [cells],
    [["one slot for every carry", "count: isSafe ? 1 : 2", "count: 1"]],
  ),
  ...changed(
    "compiler/plan/stepwise.ts",
    [cells],
    [
      ["steps read what they write", "clock.slot(emitter, 0), ...index]", "clock.slot(emitter, 1), ...index]"],
      [
        "the first step reads the slots",
        "${clock.count(emitter).text} == 0u)`",
        "${clock.count(emitter).text} == 99u)`",
      ],
    ],
  ),
  ...changed(
    "compiler/plan/memory.ts",
    [cells, "test/gpu/training-step.test.ts"],
    [["places are taken over while they are read", "slot.busyUntil < from", "slot.busyUntil <= from"]],
  ),
  ...changed(
    "compiler/plan/donations.ts",
    [onLowering],
    [["inputs are overwritten that others read", "if (isSafe) locations.set", "locations.set"]],
  ),
  ...changed(
    "compiler/plan/rows.ts",
    [onLowering, cells],
    [["rows may be summed", "return node.attrs.axes.includes(0) ? mixes : undefined;", "return undefined;"]],
  ),
  ...changed(
    "compiler/plan/accumulators.ts",
    [onLowering, cells],
    [["products that others read are only added", "uses[id] === 1 && ", ""]],
  ),
];

const wgsl: readonly Mutant[] = changed(
  "shaders/math.ts",
  [onDevice],
  [
    ["tanh far from zero", "let far = (1.0 - q) / (1.0 + q);", "let far = (1.0 - q) / (1.01 + q);"],
    ["tanh near zero", "a * (1.0 + s * (-0.33333334", "a * (1.0 + s * (-0.3"],
    ["tanh of large arguments", "exp(-2.0 * min(a, 20.0))", "exp(2.0 * a)"],
    ["tanh is odd", "return select(magnitude, -magnitude, x < 0.0);", "return magnitude;"],
    ["sigmoid", "select(q, 1.0, x >= 0.0) / (1.0 + q)", "select(q, 1.0, x >= 0.0) / (1.001 + q)"],
    ["softplus", "return max(x, 0.0) + select(", "return max(x, 0.01) + select("],
    ["softplus where it is small", "q * (1.0 - q * (0.5 - q * 0.33333334))", "q * 0.99"],
    ["sine", "return cg_sin_quadrant(x, 0);", "return cg_sin_quadrant(x, 1);"],
    ["cosine", "return cg_sin_quadrant(x, 1);", "return cg_sin_quadrant(x, 0);"],
    ["range of the sine", "turns * 0.00048351288", "turns * 0.000483"],
    ["sign of the sine", "quadrant >= 2", "quadrant >= 3"],
    ["random bits", "0x1bd11bdau", "0x1bd11bdbu"],
  ],
);

export const codeMutants: readonly Mutant[] = [...autodiff, ...passes, ...lowering, ...wgsl];
