/** @file Mutants inside the rules of the ops, at the cases that a rule tells apart, and of the interpreter. */
import { changed, type Mutant } from "./mutant.ts";

const values = "test/ops/ops.test.ts";
const edges = "test/ops/op-edges.test.ts";
const composed = "test/ops/composed.test.ts";
const onLoops = "test/ops/interpret.test.ts";
const onGraphs = "test/graph/graph.test.ts";
const missing = "test/gpu/missing-entries.test.ts";
const onDevice = "test/gpu/ops.test.ts";
const ofComposed = "test/ops/composed-cases.test.ts";

export const opRuleMutants: readonly Mutant[] = [
  ...changed(
    "compiler/ops/elementwise.ts",
    [values, edges],
    [
      ["products of integers round", "Math.imul(a, b)", "a * b"],
      ["an integer by 0 is 0", "b === 0 ? a : Math.trunc(a / b)", "b === 0 ? 0 : Math.trunc(a / b)"],
      ["quotients of integers are rounded down", "Math.trunc(a / b)", "Math.floor(a / b)"],
      ["max gives its gradient to the smaller", "[share(b, a), share(a, b)]", "[share(a, b), share(b, a)]"],
      ["min gives its gradient to the larger", "[share(a, b), share(b, a)]", "[share(b, a), share(a, b)]"],
      [
        "where both are equal neither gets a gradient",
        'mul(cast(not(less(b, a)), "f32"), 0.5)',
        'mul(cast(less(a, b), "f32"), 0.5)',
      ],
      [
        "|x| has the slope -1 at 0",
        'sub(cast(less(0, x), "f32"), cast(less(x, 0), "f32"))',
        'sub(mul(cast(less(0, x), "f32"), 2), 1)',
      ],
      ["a cast rounds to the nearest integer", "Math.trunc(x), range[0]", "Math.round(x), range[0]"],
      ["a cast wraps where it is out of range", 'from === "f32" ? ranges[dtype] : undefined', "undefined"],
      ["a cast of integers keeps to the range", 'from === "f32" ? ranges[dtype] : undefined', "ranges[dtype]"],
      ["a cast to bool asks for more than 0", "Math.fround(x) : x) !== 0", "Math.fround(x) : x) > 0"],
      ["a cast to bool sees what f32 does not hold", '(from === "f32" ? Math.fround(x) : x) !== 0', "x !== 0"],
      ["an operand of another shape is repeated from the left", "shape[axis - rank + shape.length]", "shape[axis]"],
    ],
  ),
  ...changed(
    "compiler/ops/transcendental.ts",
    ["test/gpu/ops.test.ts"],
    [
      ["the slope of tanh has lost what is left of 1", "mul(sub(1, out), add(1, out))", "sub(1, mul(out, out))"],
      [
        "the slope of e^x - 1 is made of its result",
        "partials: ({ operands: [x] }) => [exp(x)]",
        "partials: ({ out }) => [add(out, 1)]",
      ],
    ],
  ),
  ...changed(
    "compiler/ops/logic.ts",
    [values, edges],
    [
      ["where leaks gradient into what was not chosen", "where(condition, ct, zerosLike(ct))", "ct"],
      ["the condition's operands change places", "(condition === 0 ? b : a)", "(condition === 0 ? a : b)"],
    ],
  ),
  ...changed(
    "compiler/ops/logic.ts",
    [onDevice],
    [
      ["a kernel's select the other way round", "e.select(condition, a, b)", "e.select(condition, b, a)"],
      [
        "infinity is finite on the device",
        'e.bitcast(x, "u32"), e.u32(0x7f800000)), e.u32(0x7f800000)',
        'e.bitcast(x, "u32"), e.u32(0x7fc00000)), e.u32(0x7fc00000)',
      ],
    ],
  ),
  ...changed(
    "compiler/ops/sources.ts",
    [onDevice],
    [["counts along the first axis", "e.convert(at(index, axis), dtype)", "e.convert(at(index, 0), dtype)"]],
  ),
  ...changed(
    "compiler/ops/contractions.ts",
    ["test/gpu/non-finite.test.ts"],
    [
      ["the least of all numbers is finite", "initial: Number.NEGATIVE_INFINITY", "initial: -3.4028234663852886e38"],
      ["a maximum loses what is no number", "e.call(max32, [a, b])", "e.max(a, b)"],
    ],
  ),
  ...changed(
    "compiler/ops/contractions.ts",
    [values, edges],
    [
      [
        "elements that tie each get the whole gradient",
        "div(attains, broadcastReduced(sum(attains, axes), x.shape, axes))",
        "attains",
      ],
      [
        "the left cotangent forgets that the right operand is transposed",
        "{ transposeA: transposeB, transposeB: true }",
        "{ transposeB: true }",
      ],
      [
        "the left cotangent takes the right operand as transposed",
        "dot(ct, b, { transposeB: !transposeB })",
        "dot(ct, b, { transposeB: true })",
      ],
      [
        "the right cotangent forgets that the left operand is transposed",
        "{ transposeA: true, transposeB: transposeA }",
        "{ transposeA: true }",
      ],
      [
        "the right cotangent takes the left operand as transposed",
        "dot(a, ct, { transposeA: !transposeA })",
        "dot(a, ct, { transposeA: true })",
      ],
      ["every product of a stack is of the first left matrix", "a.data[batch * m * k", "a.data[0 * m * k"],
      ["every product of a stack is of the first right matrix", "batch * k * n + depth", "0 * k * n + depth"],
      [
        "a lookup past the end reads past the end",
        "m.min(load(1, index.slice(0, rank)), last)",
        "load(1, index.slice(0, rank))",
      ],
      ["an update past the end is lost", "Math.min(index >>> 0, rows - 1)", "index >>> 0"],
    ],
  ),
  ...changed(
    "compiler/ops/views.ts",
    [values],
    [
      [
        "a transposition reads by its own permutation",
        "at(index, attrs.permutation.indexOf(axis))",
        "at(index, at(attrs.permutation, axis))",
      ],
      [
        "its cotangent goes by its own permutation",
        "(_, axis) => attrs.permutation.indexOf(axis))",
        "(_, axis) => at(attrs.permutation, axis))",
      ],
      [
        "what is repeated is read by its first axes",
        "attrs.axes.map((axis) => at(index, axis))",
        "attrs.axes.map((_, i) => at(index, i))",
      ],
    ],
  ),
  ...changed(
    "compiler/ops/views.ts",
    [onDevice],
    [
      [
        "rows are as long as the axis before",
        "m.mul(flat, m.dim(at(shape, axis)))",
        "m.mul(flat, m.dim(at(shape, axis - 1)))",
      ],
      [
        "a position's index is the quotient",
        "axis === 0 ? rest : m.mod(rest, size)",
        "axis === 0 ? rest : m.div(rest, size)",
      ],
    ],
  ),
  ...changed(
    "compiler/ops/views.ts",
    ["test/gpu/no-steps.test.ts"],
    [["extents of 0 grow until they are equal", "if (sizeOf(shape) === 0) return from.map(() => m.dim(0));", ""]],
  ),
  ...changed(
    "compiler/ops/pieces.ts",
    [values, "test/dsl/user-errors.test.ts"],
    [
      ["a start counted from the end counts from the start", "m.sub(m.dim(total), m.dim(-start))", "m.dim(-start)"],
      ["a slice's cotangent lies at the start", "pad(ct, attrs.axis, attrs.start,", "pad(ct, attrs.axis, 0,"],
      [
        "a slice's tangent is that of the start",
        "slice(tangent, attrs.axis, attrs.start,",
        "slice(tangent, attrs.axis, 0,",
      ],
      [
        "what is padded gets the cotangent of the start",
        "slice(ct, attrs.axis, attrs.start,",
        "slice(ct, attrs.axis, 0,",
      ],
      ["a padded tangent lies at the start", "pad(tangent, attrs.axis, attrs.start,", "pad(tangent, attrs.axis, 0,"],
      [
        "padding goes on after its end",
        "const when = { at: at(index, attrs.axis), from, to };",
        "const when = { at: at(index, attrs.axis), from, to: m.add(to, m.dim(1)) };",
      ],
      [
        "all that was joined gets the first cotangent",
        "slice(ct, attrs.axis, at(starts, i),",
        "slice(ct, attrs.axis, 0,",
      ],
      ["a slice may end past the end", "first < 0 || first + size > total", "first < 0"],
    ],
  ),
  ...changed(
    "compiler/ops/pieces.ts",
    [missing],
    [
      ["the last entries of an axis are there", "start < 0 ? -start : start + size", "start < 0 ? 0 : start + size"],
      ["an entry is there where the one before it is", "-start : start + size", "-start : start"],
      [
        "a symbolic axis may be cut anywhere into as many",
        "size === total || isRoundedUp(total, size) ? start !== 0 :",
        "size === total || isRoundedUp(total, size) ? false :",
      ],
      ["what is padded may be longer than the whole", "neededExtent(size, start,", "neededExtent(0, start,"],
      ["slices have all that they read", "neededExtent(at(at(operands, 0), axis), start", "neededExtent(0, start"],
    ],
  ),
  ...changed(
    "compiler/kernel/math/erf.ts",
    [onDevice],
    [
      ["erf near 0", "[0.12837917,", "[0.13,"],
      ["erf further on", "0.63182604,", "0.64,"],
      ["the kernel's erf is even", "f.neg(magnitude), magnitude", "magnitude, magnitude"],
    ],
  ),
  ...changed(
    "compiler/kernel/math/erf.ts",
    ["test/numbers/numbers.test.ts"],
    [
      ["erf loses digits near 0", "f.less(a, f.f32(1))", "f.less(a, f.f32(0.001))"],
      ["erf of numbers whose parts are subnormal", "f.f32(1e-30)", "f.f32(0)"],
      ["erf goes on where it is 1", "f.min(f.abs(x), f.f32(4))", "f.abs(x)"],
      ["the last term of erf", ", -0.0000016371514]", "]"],
    ],
  ),
  ...changed(
    "compiler/kernel/math/erf.ts",
    ["test/gpu/non-finite.test.ts"],
    [["erf makes a number of what is none", "f.select(f.call(isNaN32, [x]), x, signed)", "signed"]],
  ),
  ...changed(
    "compiler/kernel/math/power.ts",
    [onDevice, "test/gpu/non-finite.test.ts", "test/numbers/numbers.test.ts"],
    [
      ["the logarithm of a power has no rest", "f.add(f.sub(sum, logHigh), small)", "f.sub(sum, logHigh)"],
      ["the exponent of a power has no rest", "f.mul(f.sub(y, yHigh), logHigh)", "f.f32(0)"],
      [
        "powers of numbers near 1 lose their digits",
        "f.select(f.equal(base, f.f32(0)), cut(f, first), ofGrid)",
        "ofGrid",
      ],
      ["an odd power of what is below 0 is above it", "f.neg(size), size)", "size, size)"],
      ["what is below 0 has any power", "f.select(hasNone, f.f32(Number.NaN), signed)", "signed"],
      ["powers past 2^24 are odd", "f.select(large, f.f32(0), y)", "f.select(large, f.f32(1), y)"],
      ["0 to a power below 0 is 0", "f.select(isBelow, infinity, f.f32(0))", "f.f32(0)"],
      ["NaN to the power of 0 is NaN", "f.or(f.equal(x, f.f32(1)), f.equal(y, f.f32(0)))", "f.equal(x, f.f32(1))"],
    ],
  ),
  ...changed(
    "compiler/ops/transcendental.ts",
    [ofComposed],
    [
      ["1 to the power of NaN is NaN", "return a === 1 || (", "return ("],
      [
        "0^0 has no derivative in the base",
        "where(and(equal(a, 0), equal(b, 0)), 0, mul(b",
        "where(and(equal(a, 1), equal(b, 0)), 0, mul(b",
      ],
      ["a power of 0 has no derivative in the exponent", "where(and(equal(a, 0), not(less(b, 0))), 1, a)", "a"],
      ["a cube is a square", "mul(mul(x, x), x)", "mul(x, x)"],
    ],
  ),
  ...changed(
    "compiler/ops/activations.ts",
    [ofComposed],
    [
      ["sign has a slope at 0", "stopGradient(x)", "x"],
      [
        "clip stops the gradient at its lower bound",
        "where<D>(less(x, min as Tensor<D>), min, x)",
        "where<D>(less(min as Tensor<D>, x), x, min)",
      ],
      [
        "of bounds that cross the lower one holds",
        "where<D>(less(max, above), max, above)",
        "where<D>(less(max, x), max, above)",
      ],
      ["bounds that cross are taken", "!(min <= max)", "min > Infinity"],
      ["leakyRelu has the slope 1 at 0", "where(lessEqual(x, 0)", "where(less(x, 0)"],
      ["selu without its scale", "1.0507009873554805", "1"],
      ["the slope of softsign loses its digits", "where(less(1, magnitude), far, mul(x, inverse))", "mul(x, inverse)"],
      ["hardSigmoid as Keras had it", "div(x, 6)", "mul(x, 0.2)"],
      ["ceil is floor", "neg(floor(neg(x)))", "floor(x)"],
      ["silu is a sigmoid", "mul(x, sigmoid(x))", "sigmoid(x)"],
      ["mish by another curve", "tanh(softplus(x)));", "sigmoid(x));"],
      ["rsqrt is a root", "div(1, sqrt(x))", "sqrt(x)"],
    ],
  ),
  ...changed(
    "compiler/ops/sorting.ts",
    ["test/ops/composed-cases.test.ts"],
    [
      ["the last of equal elements comes first", "less(row, column)", "less(column, row)"],
      ["numbers and NaN are equal", "and(isLowNumber, not(isHighNumber))", "and(isLowNumber, isLowNumber)"],
      ["every sort ascends", "descending ? [b, a] : [a, b]", "[a, b]"],
    ],
  ),
  ...changed(
    "compiler/ops/reductions.ts",
    [ofComposed],
    [
      ["logSumExp of infinities is NaN", "where(finite(most), most, 0)", "most"],
      ["the correction of a variance is left out", "sub(countOf(x, reduced), correction)", "countOf(x, reduced)"],
      [
        "the variance of one number is NaN",
        "max(sub(countOf(x, reduced), correction), 1)",
        "sub(countOf(x, reduced), correction)",
      ],
      ["a norm of 0 has no gradient", "where(isZero, 0, sqrt(where(isZero, 1, total)))", "sqrt(total)"],
      ["any order of a norm is 2", "if (order !== 2) throw", "if (order < 0) throw"],
      [
        "the last of an odd number is left out of a product",
        "concat([pairs, slice(left, axis, count - 1, 1)], axis)",
        "pairs",
      ],
      ["a running sum counts from the next", "less(place, element)", "not(less(element, place))"],
      [
        "a running sum runs forward alone",
        "reverse ? less(element, place) : less(place, element)",
        "less(place, element)",
      ],
      ["long running sums run forward alone", '{ reverse, name: "cumsum" }', '{ name: "cumsum" }'],
      ["a long axis does not go back to its place", "i === axis ? 0 : i < axis ? i + 1 : i", "i === axis ? 0 : i"],
    ],
  ),
  ...changed(
    "compiler/ops/reductions.ts",
    [ofComposed],
    [
      [
        "a running sum multiplies by 0",
        "where(not(isLeftOut), elements, 0)",
        "mul(where(not(isLeftOut), ones(wide), 0), elements)",
      ],
    ],
  ),
  ...changed(
    "compiler/ops/reductions.ts",
    // float64 has the squares.
    [onDevice],
    [
      [
        "squares of a norm overflow",
        "where(and(finite(most), less(0, most)), most, 1)",
        "where(finite(most), add(mul(most, 0), 1), 1)",
      ],
    ],
  ),
  ...changed(
    "compiler/ops/einsum.ts",
    [ofComposed],
    [
      ["a product is read as it lies", "transposeA: left.isTransposed", "transposeA: false"],
      ["without an arrow letters keep their order", ".sort();", ";"],
      ["sizes of a letter differ", "known !== undefined && known.size !== size", "known === null"],
      [
        "a letter may stand twice in an operand",
        "if (twice !== undefined) throw faultIn(text, `${twice} appears twice in operand",
        "if (twice === null) throw faultIn(text, `${twice} appears twice in operand",
      ],
      [
        "what is needed later is summed over",
        "const later = [...spec.result, ...others.slice(i + 1)",
        "const later = [...spec.result, ...others.slice(i + 2)",
      ],
      ["letters of one operand alone are kept", "(axis) => !wanted.includes(at(letters, axis))", "(axis) => axis < 0"],
    ],
  ),
  ...changed(
    "compiler/ops/error-function.ts",
    [values],
    [
      ["the series of erf", "(2 * n + 1)", "(2 * n)"],
      ["the series of erf ends early", "sum * 2 ** -54", "sum * 1e-12"],
      ["the fraction of erfc", "a + n / 2 / below", "a + n / below"],
      ["erf is even", "x < 0 ? -magnitude : magnitude", "magnitude"],
      ["erf is 1 from 3 on", "a >= 6 ? 1", "a >= 3 ? 1"],
    ],
  ),
  ...changed(
    "compiler/graph/requirements.ts",
    [missing],
    [
      ["results without elements need some", " || evaluateDim(elements, sizes) === 0) continue", ") continue"],
      ["one entry is enough", "extent >= atLeast ||", "extent >= 1 ||"],
    ],
  ),
  ...changed(
    "compiler/ops/requirements.ts",
    [missing],
    [
      ["loops of no steps read what they would", "mulDims(times, node.attrs.length)", "times"],
      ["bodies of loops need nothing", "body === undefined ? []", "body !== undefined ? []"],
      ["the one that asks least", "other.atLeast < requirement.atLeast", "other.atLeast > requirement.atLeast"],
      [
        "all nodes count",
        "requirementsIn(graph, liveIn(graph), 1)",
        "requirementsIn(graph, { ...liveIn(graph), ids: new Set(graph.nodes.keys()) }, 1)",
      ],
    ],
  ),
  ...changed(
    "compiler/ops/interpret.ts",
    [missing],
    [["sizes are taken as they come", "if (unmet !== undefined) throw", "if (unmet === null) throw"]],
  ),
  ...changed(
    "compiler/ops/contractions.ts",
    [missing],
    [["a table of no rows is looked into", "table.shape[0] === 0 &&", "table.shape[0] === -1 &&"]],
  ),
  ...changed(
    "compiler/ops/composed.ts",
    [composed, edges],
    [
      ["elu without its factor", "mul(expm1(where(below, x, 0)), alpha)", "expm1(where(below, x, 0))"],
      ["gelu's cube", "0.044715", "0.04415"],
      ["logSigmoid is log of 1 - sigmoid", "neg(softplus(neg(x)))", "neg(softplus(x))"],
      ["a >= b is a > b", "lessEqual(b, a)", "less(b, a)"],
      ["a <= b is a < b", "or(less(a, b), equal(a, b))", "less(a, b)"],
      ["what is no number is less or equal", "or(less(a, b), equal(a, b))", "not(less(b, a))"],
      ["relu loses what is no number", "where(lessEqual(x, 0), 0, x)", "where(less(0, x), x, 0)"],
      ["a > b is a < b", "=> less(b, a)", "=> less(a, b)"],
      ["a != b is a = b", "not(equal(a, b))", "equal(a, b)"],
      [
        "a mean is over all axes",
        "div(sum(x, axes, options), dimSize(count))",
        "div(sum(x, axes, options), dimSize(sizeOf(x.shape)))",
      ],
      [
        "powers of softmax overflow",
        "return sub(x, stopGradient(reduceMax(x, axis, { keepAxes: true })));",
        "return x;",
      ],
      ["deviations are not centred", "const variance = mean(square(centered),", "const variance = mean(square(x),"],
      ["epsilon is added to the deviation", "sqrt(add(variance, epsilon))", "add(sqrt(variance), epsilon)"],
      [
        "oneHot counts from the end",
        "equal(wide, iota(shape, shape.length - 1))",
        "equal(wide, sub(depth - 1, iota(shape, shape.length - 1)))",
      ],
      [
        "split starts every piece at the start",
        "slice(x, position, start - size, size)",
        "slice(x, position, 0, size)",
      ],
      ["split takes sizes that leave a rest", "sizes.reduce((a, b) => a + b, 0) !== total", "total < 0"],
      ["windows of an even width lean to the left", "Math.floor((width - 1) / 2)", "Math.floor(width / 2)"],
      [
        "an outer product of the wrong way round",
        "return mul(reshape(a, [...a.shape, 1]), reshape(b, [...b.shape.slice(0, -1), 1, at(b.shape, b.shape.length - 1)]));",
        "return mul(reshape(b, [...b.shape, 1]), reshape(a, [...a.shape.slice(0, -1), 1, at(a.shape, a.shape.length - 1)]));",
      ],
      [
        "uniform numbers reach 1",
        'mul(cast(div(bits, 256), "f32"), 2 ** -24)',
        'mul(add(cast(div(bits, 256), "f32"), 1), 2 ** -24)',
      ],
    ],
  ),
  ...changed(
    "compiler/ops/threefry.ts",
    [edges],
    [
      ["one set of rotations", "((group % 2) * 4 + round)", "round"],
      ["another parity", "parity = 0x1bd11bda", "parity = 0x1bd11bdb"],
      ["no counter in the keys", "+ group + 1) | 0", "+ group) | 0"],
      ["keys do not turn", "(keys[(group + 1) % 3] ?? 0)", "(keys[1] ?? 0)"],
    ],
  ),
  ...changed(
    "compiler/ops/interpret.ts",
    [onLoops, values, edges],
    [
      ["a reversed scan runs forward", "const t = reverse ? steps - 1 - step : step;", "const t = step;"],
      [
        "ys of a reversed scan in the order of computation",
        "y.data.set(row.data, t * row.data.length)",
        "y.data.set(row.data, step * row.data.length)",
      ],
      ["carries stay what they were", "carries = results.slice(0, carryCount);", ""],
      ["u32 does not wrap around", 'dtype === "u32" ? value >>> 0 : value', "value"],
      ["i32 does not wrap around", 'if (dtype === "i32") return value | 0;', 'if (dtype === "i32") return value;'],
      ["indices below 0 are places before the start", "read(k, i) >>> 0", "read(k, i)"],
      ["a piece ends one later", "when.at < when.to", "when.at <= when.to"],
      [
        "any size that arrives is taken",
        "if (problem !== undefined) throw new UserError(`${graph.name}: input ${inputName(graph, id)}: ${problem}`);",
        "",
      ],
    ],
  ),
  ...changed(
    "compiler/ops/scan.ts",
    [onLoops, "test/dsl/dsl.test.ts"],
    [
      [
        "every scan runs forward",
        "const { reverse = false, recompute = false } = options;",
        "const { reverse, recompute } = { reverse: false, recompute: options.recompute ?? false };",
      ],
      ["xs of any length", "if (x.shape[0] !== length) {", "if (x.shape[0] === undefined) {"],
      ["a carry may change its shape", "if (!sameAval(carry, before)) {", "if (carry.dtype !== before.dtype) {"],
    ],
  ),
  ...changed(
    "compiler/ops/verify.ts",
    [onGraphs],
    [
      ["operands may stand behind", "operand >= 0 && operand < id", "operand >= 0"],
      ["anything reads a scan", '&& node.op !== "result") fail', '&& node.op === "input") fail'],
      [
        "avals need not be those of the op",
        "if (!sameAval(aval, node.aval)) fail",
        "if (aval.dtype !== node.aval.dtype) fail",
      ],
      ["inputs that are not listed", "if (!graph.inputs.includes(id)) fail", "if (id < 0) fail"],
      ["two inputs of one name", "if (seen.has(node.attrs.name)) fail", "if (id < 0) fail"],
      ["an input listed twice", "new Set(graph.inputs).size !== graph.inputs.length", "graph.inputs.length < 0"],
      ["bodies are not looked at", "  verify(attrs.body);\n", ""],
      [
        "a carry leaves the step in another shape",
        "expect(`next carry ${i}`, avalOf(id), out === undefined ? undefined : avalOf(out));",
        "",
      ],
      [
        "xs of another length",
        "{ dtype, shape: [attrs.length, ...shape] }",
        "{ dtype, shape: [operands[attrs.consts + attrs.carries + i]?.aval.shape[0] ?? 0, ...shape] }",
      ],
      [
        "operands left over",
        "operands.length !== attrs.body.inputs.length",
        "operands.length < attrs.body.inputs.length",
      ],
    ],
  ),
  ...changed(
    "compiler/ops/non-finite.ts",
    ["test/trust/non-finite.test.ts"],
    [
      ["what is odd at another place is named", "isElementwise ? taken.filter(", "!isElementwise ? taken.filter("],
      [
        "what a choice did not take is named",
        'node.op === "where" ? operands.slice(',
        'node.op === "pad" ? operands.slice(',
      ],
      [
        "the last number in time is named",
        "found.sort((a, b) => a.order - b.order)[0]",
        "found.sort((a, b) => b.order - a.order)[0]",
      ],
      [
        "numbers are not rounded to f32",
        "result.data[i] = Math.fround(result.data[i] ?? 0)",
        "result.data[i] = result.data[i] ?? 0",
      ],
      [
        "infinity that a mask put there is an origin",
        "Number.isNaN(result.data[bad]) || makers.every((operand) => firstBad(operand) < 0)",
        "true",
      ],
      [
        "an origin ends with the op that made it",
        "if (known !== undefined) this.#byMemory.set(result.data.buffer, known);",
        "if (known === undefined && bad < 0) return;",
      ],
      ["loops are not left", "this.#loops.pop();", ""],
      [
        "rows over time forget their origin",
        "if (origin !== undefined) this.#byMemory.set(all.data.buffer, origin);",
        "",
      ],
    ],
  ),
];
