/** @file Mutants of the CPU as a target: what its kernels are made of, and how the kernel IR becomes WebAssembly. */
import { changed, type Mutant } from "./mutant.ts";

const onKernels = "test/cpu/random-kernels.test.ts";
const onProducts = "test/cpu/products.test.ts";
const onGraphs = "test/cpu/graphs.test.ts";
const onReads = "test/cpu/reads-beyond.test.ts";

export const cpuTargetMutants: readonly Mutant[] = [
  ...changed(
    "wasm/arithmetic.ts",
    [onKernels],
    [
      [
        "unsigned numbers are compared as signed ones",
        'less: "lt_u", lessEqual: "le_u"',
        'less: "lt_s", lessEqual: "le_s"',
      ],
      ["signed numbers shift in zeros", 'shiftRight: "shr_s"', 'shiftRight: "shr_u"'],
      ["the lesser of whole numbers is unsigned", 'min: "i32x4.min_s"', 'min: "i32x4.min_u"'],
      ["numbers that all lanes share: the greater is the lesser", 'op === "min" ? [y, x] : [x, y]', "[y, x]"],
      ["the remainder of unsigned numbers is a signed one's", 'rem: "i32.rem_u"', 'rem: "i32.rem_s"'],
      ["unsigned numbers become f32 as signed ones", '"f32x4.convert_i32x4_u"', '"f32x4.convert_i32x4_s"'],
      [
        "a truth as a number is -1",
        'const one = to === "f32" ? 0x3f800000 : 1;',
        'const one = to === "f32" ? 0x3f800000 : -1;',
      ],
      ["a choice between vectors is turned around", '"v128.bitselect", b, c, a', '"v128.bitselect", c, b, a'],
      [
        "what has no instruction is done for three lanes",
        "for (const i of [0, 1, 2, 3])",
        "for (const i of [0, 1, 2])",
      ],
    ],
  ),
  ...changed(
    "wasm/arithmetic.ts",
    ["test/numbers/numbers.test.ts"],
    [["every divisor becomes odd", 'code.op("i32.or", divisor, isZero)', 'code.op("i32.or", divisor, code.i32(1))']],
  ),
  ...changed(
    "wasm/expression.ts",
    [onKernels],
    [
      [
        "an entry of a table is that before it",
        'code.op("i32.eq", i, code.i32(n))',
        'code.op("i32.eq", i, code.i32(n + 1))',
      ],
      ["lanes read one entry of a table", "code.words([n, n, n, n])", "code.words([n, 0, 0, 0])"],
      [
        "functions are called with numbers of the first lane",
        "const isVector = !values.every(isUniform);",
        "const isVector = values.every(isUniform);",
      ],
      ["a difference of indices is a sum", "addSums(a.sum, b.sum, -1)", "addSums(a.sum, b.sum)"],

      ["less is less or equal", 'this.#comparedAlike(b, a, "i32.lt_u", true)', 'this.#comparedAlike(b, a, "i32.lt_u")'],
    ],
  ),
  ...changed(
    "wasm/expression.ts",
    ["test/cpu/lanes.test.ts"],
    [["the stride of a difference is that of the first", "stride: a.stride - b.stride", "stride: a.stride"]],
  ),
  ...changed(
    "wasm/expression.ts",
    [onGraphs],
    [
      ["a product keeps its stride", "stride: a.stride * y", "stride: a.stride"],
      ["slots of memory are one", "scaleSum(which.sum, array.length)", "scaleSum(which.sum, 0)"],
      ["remainders of neighbours are one", 'expr.op === "div" ? 0 : a.stride', "0"],
      [
        "neighbours have one quotient wherever they begin",
        "sumAlignment(a.sum) < width || sumAlignment(b.sum) < width",
        "width < 0",
      ],
    ],
  ),
  ...changed(
    "wasm/constants.ts",
    ["test/wasm/constants.test.ts"],
    [
      ["all constants are the first", "constants.get(key) ??", "[...constants.values()][0] ??"],
      ["conditions keep their constants", "condition: replaced(condition)", "condition"],
      ["zeros are globals", "words.every((word) => word === 0) ||", ""],
      ["a float is its integer", "new Uint32Array(Float32Array.of(only.value).buffer)", "Uint32Array.of(only.value)"],
    ],
  ),
  ...changed(
    "wasm/encode.ts",
    ["test/wasm/constants.test.ts"],
    [["constants have the numbers of the next", "[name, index]))", "[name, index + 1]))"]],
  ),
  ...changed(
    "compiler/kernel/math/exponential.ts",
    ["test/kernel/exact-functions.test.ts"],
    [["integers are rounded down", "const roundingBits = 0x4b400000", "const roundingBits = 0x4b000000"]],
  ),
  ...changed(
    "compiler/kernel/math/numbers.ts",
    ["test/kernel/exact-functions.test.ts"],
    [["every number is NaN", "f.notEqual(x, x)", "f.equal(x, x)"]],
  ),
  ...changed(
    "wasm/writer.ts",
    [onGraphs],
    [
      ["what is made of other numbers is one", "sums.map(sumKey).join()", "sums.length"],
      ["sums that differ by a constant are one", "`${termsKey(terms)}+${constant}`", "termsKey(terms)"],
    ],
  ),
  ...changed(
    "compiler/plan/emit/loops.ts",
    [onGraphs],
    [
      ["products apart are all the first", "loops.slice(i, i + 1)", "loops.slice(0, 1)"],
      ["the last product apart is left out", "Array.from({ length: most }", "Array.from({ length: most - 1 || 1 }"],
    ],
  ),
  ...changed(
    "wasm/memory.ts",
    [onKernels],
    [
      [
        "lanes of a mask store where they are not",
        'condition: code.lane("i32x4.extract_lane", i, code.get(mask))',
        'condition: code.lane("i32x4.extract_lane", 0, code.get(mask))',
      ],
      ["some lanes are all", '"i32x4.all_true", code.get(mask)', '"v128.any_true", code.get(mask)'],
      [
        "what is added takes the place",
        'const stored = how === "set" ? value : code.op(add,',
        'const stored = how !== "never" ? value : code.op(add,',
      ],
      ["gathered numbers lie beside each other", 'code.op("i32x4.shl", held, code.i32(2))', "held"],
    ],
  ),
  ...changed(
    "wasm/memory.ts",
    [onGraphs],
    [["numbers at a distance lie beside each other", "constantSum(i * stride)", "constantSum(i)"]],
  ),
  ...changed(
    "wasm/memory.ts",
    [onReads],
    [
      ["an index beyond the end is held nowhere", 'code.op("select", i, last, code.op("i32.lt_s", i, last))', "i"],
      [
        "lanes without work read as far as they like",
        "Math.abs(index.stride) * 3 * bytes <= mostBeyond",
        "Math.abs(index.stride) > 0",
      ],
    ],
  ),
  ...changed(
    "wasm/statement.ts",
    [onKernels],
    [
      ["every lane assigns", "this.#mask === undefined || !isVector", "true"],
      [
        "a mask in a mask is alone",
        'this.#mask === undefined ? condition : code.op("v128.and", condition, code.get(this.#mask))',
        "condition",
      ],
      [
        "lanes that leave stay",
        'this.#mask = this.#maskOf(code.op("v128.not", vectorOf(w, value, "bool")));',
        'this.#maskOf(vectorOf(w, value, "bool"));',
      ],
      [
        "all lanes are in a loop that some have left",
        "this.#masked(mask, () => this.statements(body));",
        "this.statements(body);",
      ],
      ["a loop runs once at least", "if (!isEntered) w.write(", "if (isEntered) w.write("],
    ],
  ),
  ...changed(
    "wasm/kernel.ts",
    [onKernels],
    [
      ["lanes have one number", "sum: constantSum(0), stride: 1 }", "sum: constantSum(0), stride: 0 }"],
      ["parts of a kernel are one function", "`${name}_${i}`", "`${name}_0`"],
      [
        "arrays of a workgroup lie in one place",
        "shared += aligned(array.length * array.slots * bytes) + lanes * bytes;",
        "shared += 0;",
      ],
    ],
  ),
  ...changed(
    "wasm/kernel.ts",
    [onGraphs],
    [
      [
        "sizes are those before them",
        "this.#word(2 * this.#kernel.buffers.length + i,",
        "this.#word(2 * this.#kernel.buffers.length + i - 1,",
      ],
      ["a size divides by more than it does", "least, alignmentOf(dimCoefficient(dim))", "least, mostAlignment"],
    ],
  ),
  ...changed(
    "wasm/sum.ts",
    ["test/wasm/sum.test.ts"],
    [
      ["terms that cancel stay", "if (total === 0) terms.delete(atom);", "if (total === 0) terms.set(atom, 0);"],
      [
        "what divides a sum divides its number alone",
        "least = Math.min(least, Math.min(mostAlignment, alignment * alignmentOf(factor)));",
        "least = Math.min(least, mostAlignment);",
      ],
    ],
  ),
  ...changed(
    "wasm/values.ts",
    [onKernels],
    [
      ["neighbours are one", "[0, 1, 2, 3].map((i) => i * value.stride)", "[0, 1, 0, 1].map((i) => i * value.stride)"],
      [
        "a truth of all lanes is one bit",
        'code.op("i32x4.splat", code.op("i32.sub", code.i32(0), scalar))',
        'code.op("i32x4.splat", scalar)',
      ],
    ],
  ),
  ...changed(
    "wasm/writer.ts",
    [onGraphs],
    [
      ["numbers that are no powers of two shift", "factor > 0 && factor === 2 ** power", "factor > 0"],

      [
        "a sum is known where it was never computed",
        "const scope = at(this.#scopes, depth);",
        "const scope = at(this.#scopes, 0);",
      ],
    ],
  ),
  ...changed(
    "compiler/plan/emit/vector-tile.ts",
    [onProducts],
    [
      ["columns that there are not are stored", "...(isWhole(n, tile) ? {} : { exists }),", ""],
      [
        "every matrix of a batch is the first",
        'const inMatrix = writer.let("inMatrix", batch.length === 0 ? group : writer.rem(group, perMatrix));',
        'const inMatrix = writer.let("inMatrix", group);',
      ],
      [
        "tiles of rows overlap",
        "writer.mul(writer.rem(inMatrix, blocks), writer.u32(tile.rows))",
        "writer.rem(inMatrix, blocks)",
      ],
    ],
  ),
  ...changed(
    "compiler/plan/emit/vectors.ts",
    [onProducts],
    [
      [
        "rows that fill no tile are left out",
        "writer.if(writer.not(isFull), () => {",
        "writer.if(writer.bool(false), () => {",
      ],
      [
        "rows of a tile are columns",
        "at(writer.u32(Math.floor(p / tile.columns)), writer.u32(p % tile.columns))",
        "at(writer.u32(p % tile.columns), writer.u32(Math.floor(p / tile.columns)))",
      ],
    ],
  ),
  ...changed(
    "compiler/plan/emit/vector-panels.ts",
    [onProducts],
    [
      ["the last block alone counts", "writer.add(writer.load(array, place), register)", "register"],
      [
        "rows beyond the first 128 are the first",
        'writer.let("row0", writer.mul(writer.rem(inMatrix, blocks), number(mostRows)))',
        'writer.let("row0", number(0))',
      ],
      [
        "transposed right operands are read as they are not",
        "...(attrs.transposeB ? [column, step] : [step, column]),",
        "...(attrs.transposeB ? [column, column] : [step, column]),",
      ],
      [
        "columns that there are not are stored",
        "else writer.if(writer.less(column, writer.size(n)), write);",
        "else write();",
      ],
      [
        "tiles of more than four rows read the next step",
        "writer.add(four, number(Math.floor(r / vectorLanes)))",
        "writer.add(four, number(0 * r))",
      ],
      [
        "sums begin with what was there",
        "writer.storeElement(array, offsetAt(row, c), writer.f32(0));",
        "writer.storeElement(array, offsetAt(row, c), writer.f32(1));",
      ],
    ],
  ),
  ...changed(
    "compiler/plan/scan/packed-consts.ts",
    [onGraphs],
    [
      [
        "a panel is as deep as it is wide",
        "const k = index.mod(index.div(own, width), depth);",
        "const k = index.mod(index.div(own, width), width);",
      ],
      ["transposed weights are laid out as they are", "one.isTransposed ? [inside, k] : [k, inside]", "[k, inside]"],
      ["every panel is the first", "m.add(m.mul(panel, m.dim(depth)), k)", "k"],
    ],
  ),
  ...changed(
    "compiler/compile-cpu.ts",
    [onGraphs],
    [
      [
        "a workgroup of a CPU has the lanes of a GPU",
        "mapping: { lanes: vectorLanes, run: 1 }",
        "mapping: { lanes: 64, run: 1 }",
      ],
    ],
  ),
  ...changed(
    "compiler/graph/margins.ts",
    [onReads],
    [["nothing lies behind the last block", "behind: 64 + mostBeyond", "behind: 64"]],
  ),
  ...changed(
    "wasm/writer.ts",
    [onReads],
    [
      ["sums below an address go above it", "if (sum.constant >= 0 && isAbove) return", "return"],
      ["what is below 0 without its number is an address", "sum.constant >= 0 && isAbove", "sum.constant >= 0"],
    ],
  ),
  ...changed(
    "wasm/expression.ts",
    ["test/cpu/fused.test.ts"],
    [["a product is added to its factor", '"f32x4.relaxed_madd", a, b, total', '"f32x4.relaxed_madd", a, total, b']],
  ),
  ...changed(
    "interchange/standalone/bake.ts",
    ["test/interchange/bake.test.ts"],
    [["a model's memory ends with its last part", "(this.#end + margins.behind)", "this.#end"]],
  ),
  ...changed(
    "compiler/plan/scan/separable-rows.ts",
    ["test/plan/schedules.test.ts"],
    [
      [
        "values of any size may be given by a step",
        'if (shape.slice(1).some((dim) => typeof dim !== "number")) return no(`${returns}',
        "if (shape.length > 99) return no(`${returns}",
      ],
    ],
  ),
];
