/** @file Mutants of the kernel IR: its functions, which are written once for every target, and what is known of expressions. */
import { changed, type Mutant } from "./mutant.ts";

const onDevice = "test/gpu/ops.test.ts";
const numbers = "test/numbers/numbers.test.ts";
const nonFinite = "test/gpu/non-finite.test.ts";
const onExpressions = "test/kernel/expressions.test.ts";
const onKernels = "test/kernel/kernels.test.ts";

export const kernelIrMutants: readonly Mutant[] = [
  ...changed(
    "compiler/kernel/math/exponential.ts",
    [onDevice],
    [
      ["tanh far from zero", "f.sub(f.f32(1), q), f.add(f.f32(1), q)", "f.sub(f.f32(1), q), f.add(f.f32(1.01), q)"],
      ["tanh near zero", "[-0.33333334,", "[-0.3,"],
      ["tanh of large arguments", "f.mul(f.f32(-2), a)", "f.mul(f.f32(2), a)"],
      ["tanh is odd", "f.select(f.less(x, f.f32(0)), f.neg(magnitude), magnitude)", "magnitude"],
      ["tanh's series ends where it is good", "f.less(a, f.f32(0.25))", "f.less(a, f.f32(1.25))"],
      ["sigmoid", "f.div(top, f.add(f.f32(1), q))", "f.div(top, f.add(f.f32(1.001), q))"],
      ["sigmoid of what is below zero", "f.select(f.lessEqual(f.f32(0), x), f.f32(1), q)", "f.f32(1)"],
      ["softplus", "f.max(x, f.f32(0))", "f.max(x, f.f32(0.01))"],
      ["the logarithm of zero", "f.u32(0xff800000), infinite", "f.u32(0x7fc00000), infinite"],
      ["the logarithm of what is below zero", "bits, f.u32(0x7fc00000))", "bits, f.u32(0xff800000))"],
    ],
  ),
  ...changed(
    "compiler/kernel/math/exponential.ts",
    [onDevice, numbers],
    [
      ["tanh has digits near zero", "f.less(a, f.f32(0.25))", "f.less(a, f.f32(0))"],
      [
        "the last digits of ln 2 in exp",
        "f.f32(0.69311523))), f.mul(k, f.f32(0.000031946183))",
        "f.f32(0.69311523))), f.mul(k, f.f32(0.000031))",
      ],
      ["the series of exp", "0.0083333105,", "0.0083,"],
      ["powers below 0 that are subnormal", "f.max(x, f.f32(-88))", "f.max(x, f.f32(-80))"],
      ["softplus near 0", "f.less(q, f.f32(0.41))", "f.less(q, f.f32(1.41))"],
      ["powers below the smallest number", "f.max(x, f.f32(-104))", "f.max(x, f.f32(-80))"],
      ["2^k as one factor", "f.mul(f.mul(y, first), second)", "f.mul(y, power(n))"],
      [
        "e^x - 1 where it loses digits",
        "f.call(expEnd, [x, f.add(f.call(expNear, [a, k]), rest), k])",
        "f.sub(f.call(expEnd, [x, f.add(f.f32(1), f.call(expNear, [a, k])), k]), f.f32(1))",
      ],
      ["e^x - 1 far below 0", "f.max(x, f.f32(-20))", "f.max(x, f.f32(-5))"],
      [
        "the last digits of ln 2 in log",
        "f.add(h, rest)), f.mul(k, f.f32(0.000031946183))",
        "f.add(h, rest)), f.f32(0)",
      ],
      ["the series of log", "0.40000123,", "0.403,"],
      [
        "subnormal numbers have a logarithm",
        "f.select(tiny, f.i32(149), f.i32(0))",
        "f.select(tiny, f.i32(148), f.i32(0))",
      ],
      ["log(1 + x) where it loses digits", "f.less(f.f32(-0.29), x)", "f.less(f.f32(0.29), x)"],
    ],
  ),
  ...changed(
    "compiler/kernel/math/trigonometric.ts",
    [onDevice],
    [
      ["sine", "[x, f.i32(0)]", "[x, f.i32(1)]"],
      ["cosine", "[x, f.i32(1)]", "[x, f.i32(0)]"],
      ["range of the sine", "f.f32(0.000026063062)", "f.f32(0.000026)"],
      [
        "quadrants of the sine",
        "f.equal(f.bitAnd(turned, f.i32(1)), f.i32(1))",
        "f.equal(f.bitAnd(turned, f.i32(1)), f.i32(0))",
      ],
      ["sign of the sine", "f.bitAnd(turned, f.i32(2))", "f.bitAnd(quadrant, f.i32(2))"],
    ],
  ),
  ...changed(
    "compiler/kernel/math/trigonometric.ts",
    [nonFinite],
    [["the sine of infinity", "f.lessEqual(f.u32(0x7f800000), magnitude)", "f.less(f.u32(0x7f800000), magnitude)"]],
  ),
  ...changed(
    "compiler/kernel/math/trigonometric.ts",
    [onDevice, numbers],
    [
      ["the last digits of a near angle", "f.f32(6.0771006e-11)", "f.f32(0)"],
      ["the sine's series", "0.008333332,", "0.0083,"],
      ["the cosine's series", "0.00002480056, -2.7295832e-7", "0, 0"],
      ["far angles are taken for near ones", "f.u32(0x43c80000)", "f.u32(0x4f000000)"],
      ["the sign of a far angle", "f.select(isNegative, f.neg(far.angle), far.angle)", "far.angle"],
      ["the quadrant of a far angle", "f.select(isNegative, f.neg(far.quadrant), far.quadrant)", "far.quadrant"],
      ["digits of 2/pi", "0xfc2757d1", "0xfc2757d0"],
      ["where the digits of 2/pi begin", "f.u32(120)", "f.u32(119)"],
      ["the carry of a far angle", "f.select(f.less(small, carried), f.u32(1), f.u32(0))", "f.u32(0)"],
      [
        "the low word of a far angle near a quarter turn",
        "f.shiftRight(f.shiftRight(small, f.u32(1)), f.sub(f.u32(31), zeros))",
        "f.u32(0)",
      ],
      ["the high word of a product", "f.shiftRight(a, by)), f.shiftRight(b, by));", "f.shiftRight(a, by)), f.u32(0));"],
    ],
  ),
  ...changed(
    "compiler/kernel/math/numbers.ts",
    [onDevice],
    [
      [
        "casts of what is no number to i32",
        "f.f32(0), x);\n  const inside = f.min(f.max(known, f.f32(-2147483648))",
        "f.f32(1), x);\n  const inside = f.min(f.max(known, f.f32(-2147483648))",
      ],
      [
        "casts of what is no number to u32",
        "f.f32(0), x);\n  const inside = f.min(f.max(known, f.f32(0))",
        "f.f32(1), x);\n  const inside = f.min(f.max(known, f.f32(0))",
      ],
      ["the largest i32", "f.i32(2147483647), f.convert", "f.i32(2147483520), f.convert"],
      ["the largest u32", "f.u32(4294967295), f.convert", "f.u32(4294967040), f.convert"],
      ["i32 divided by 0", "f.i32(1), b)", "f.i32(2), b)"],
      ["u32 divided by 0", "f.max(b, f.u32(1))", "f.max(b, f.u32(2))"],
      ["i32 divided by -1", "f.and(f.equal(b, f.i32(-1)), f.less(a, f.i32(-2147483647)))", "f.equal(b, f.i32(-1))"],
      ["the low bits of an i32 as f32", 'f.convert(f.bitAnd(x, f.i32(255)), "f32")', "f.f32(0)"],
    ],
  ),
  ...changed(
    "compiler/kernel/math/random.ts",
    [onDevice],
    [
      ["random bits", "0x1bd11bda", "0x1bd11bdb"],
      ["rotations of random bits", "[17, 29, 16, 24]", "[13, 15, 26, 6]"],
      ["keys of random bits", "key(1)", "key(0)"],
      ["the counter in the keys", "f.u32(group + 1)", "f.u32(group)"],
    ],
  ),
  ...changed(
    "compiler/kernel/math/numbers.ts",
    [onDevice, numbers],
    [
      [
        "u32 is rounded to f32 as the driver does",
        'f.add(f.mul(f.convert(f.shiftRight(x, f.u32(8)), "f32"), f.f32(256)), f.convert(f.bitAnd(x, f.u32(255)), "f32"))',
        'f.convert(x, "f32")',
      ],
    ],
  ),
  ...changed(
    "compiler/kernel/math/numbers.ts",
    [nonFinite],
    [
      ["what is no number is one", "f.less(f.u32(0x7f800000)", "f.less(f.u32(0x7fffffff)"],
      ["infinity is no number", "f.less(f.u32(0x7f800000)", "f.lessEqual(f.u32(0x7f800000)"],
      ["max loses what is no number on its left", "f.select(f.call(isNaN32, [a]), a, larger)", "f.max(a, b)"],
      ["min loses what is no number on its left", "f.select(f.call(isNaN32, [a]), a, smaller)", "f.min(a, b)"],
    ],
  ),
  ...changed(
    "compiler/kernel/math/exponential.ts",
    [nonFinite],
    [
      ["tanh makes a number of what is none", "f.select(f.call(isNaN32, [x]), x, signed)", "signed"],
      [
        "sigmoid makes a number of what is none",
        "f.select(f.call(isNaN32, [x]), x, f.div(top, f.add(f.f32(1), q)))",
        "f.div(top, f.add(f.f32(1), q))",
      ],
      [
        "softplus makes a number of what is none",
        "f.select(f.call(isNaN32, [x]), x, f.add(f.max(x, f.f32(0)), rest))",
        "f.add(f.max(x, f.f32(0)), rest)",
      ],
      ["exp makes a number of what is none", "f.select(f.call(isNaN32, [x]), x, value)", "value"],
      ["exp of the largest numbers is finite", "f.f32(Number.POSITIVE_INFINITY)", "f.f32(3e38)"],
      [
        "log makes a number of what is none",
        "f.or(zero, f.lessEqual(f.u32(0x7f800000), bits))",
        "f.or(zero, f.and(f.lessEqual(f.u32(0x7f800000), bits), f.notEqual(bits, f.u32(0x7fc00000))))",
      ],
    ],
  ),
  ...changed(
    "compiler/kernel/expressions.ts",
    [onExpressions],
    [
      ["equal expressions are two", "if (known !== undefined) return known as E;", ""],
      ["0 and -0 are one literal", "if (Object.is(kept, -0))", 'if (type === "f32x4")'],
      ["literals of two types are one", "this.#literals.get(type)", "this.#literals.values().next().value"],
      ["an f32 keeps what it does not hold", "Math.fround(value)", "value"],
      ["an i32 does not wrap", "value | 0", "value"],
      ["sizes are one", "`size ${dim}`", "`size`"],
      ["sums are those of one length", '`uniform ${sum.join("+")}`', "`uniform ${sum.length}`"],
      ["loads of all buffers are one", "`${array.element} buffer ${array.buffer}`", "`buffer`"],
      ["loads of all indices are one", "`load ${which} ${mayMiss} ${idsOf(operands)}`", "`load ${which}`"],
      ["functions are one", "`call ${callee.name} ${", "`call ${"],
      ["conversions to two types are one", "      one.type === type &&\n", ""],
      ["ops of one length are one", "one.op === op &&", ""],
      ["operands whose hash is equal are one", "operand === one.operands[i]", "one.operands[i] !== undefined"],
      [
        "no expression is known",
        "if (known !== undefined) return known;\n    this.#count += 1;\n    const made = Object",
        "this.#count += 1;\n    const made = Object",
      ],
      [
        "only loads themselves read workgroup memory",
        "readsShared: operands.some(readsShared),\n    });\n    if",
        "readsShared: false,\n    });\n    if",
      ],
      ["what changes inside is bound outside", "Math.max(most, depth)", "Math.min(most, depth)"],
      ["registers are those of a workgroup", ' && array.space !== "registers"', ""],
      ["what differs between lanes does not", "(expr: Expr) => expr.isUniform", "(_: Expr) => true"],
      ["what is known when a kernel runs is constant", "(expr: Expr) => expr.isConstant", "(_: Expr) => true"],
      ["numbers are folded as sizes are", 'type === "u32" ? this.#ofSizes', 'type !== "bool" ? this.#ofSizes'],
      [
        "0 - x is x",
        'if (op === "add" && x === 0) return b;',
        'if ((op === "add" || op === "sub") && x === 0) return b;',
      ],
      [
        "1 / x is x",
        'if (op === "mul" && x === 1) return b;',
        'if ((op === "mul" || op === "div") && x === 1) return b;',
      ],
      ["x % 1 is x", "return this.u32(0);", "return a;"],
      ["0 is added to sizes", 'if ((op === "add" || op === "sub") && y === 0) return a;', ""],
      ["what wraps is folded without", "value !== undefined && value >= 0 && value < 2 ** 32", "value !== undefined"],
      ["quotients of sizes are rounded", "Math.floor(a / b)", "Math.round(a / b)"],
      ["a remainder by 0 is folded", "b === 0 ? undefined : a % b", "b === 0 ? 0 : a % b"],
      ["operands of any types", "throw new InternalError(`${op} of ${a.type} and ${b.type}`);", "return a.type;"],
      ["what has the type is converted", 'x.type === type ? x : this.apply("convert"', 'this.apply("convert"'],
    ],
  ),
  ...changed(
    "compiler/kernel/builder.ts",
    ["test/kernel/kernels.test.ts"],
    [["every part has memory of its own", "    this.#sharedOfPart = new Map();\n", ""]],
  ),
  ...changed(
    "compiler/kernel/builder.ts",
    ["test/gpu/provable-loops.test.ts"],
    [
      ["a loop of unknown length has no bound", "most: most ?? mostTurns", "...(most === undefined ? {} : { most })"],
      ["lanes beyond the last take part in their last turn", "!isOfLanes || length % by === 0", "by > 0"],
      ["the last turn is left out", "Math.ceil(length / by)", "Math.floor(length / by)"],
      ["turns begin at 0", "this.add(first, this.mul(turn, step))", "this.mul(turn, step)"],
    ],
  ),
  ...changed(
    "compiler/plan/emit/long-sums.ts",
    ["test/gpu/provable-loops.test.ts"],
    [["blocks of unequal length", "if (count % (blocks * stride * 32) === 0)", "if (count < blocks)"]],
  ),
  ...changed(
    "compiler/kernel/builder.ts",
    [onKernels],
    [
      ["values are bound where they are read", "Math.min(depth, this.depth)", "this.depth"],
      ["a value is bound as often as it is read", "if (known !== undefined) return known;", ""],
      ["sums are added up as they stand", ".sort((a, b) => order(a) - order(b))", ""],
      ["constants are never last", 'this.#constantsLast && expr.kind === "literal"', "false"],
      ["lanes of a loop have one index", 'mapping !== "lanes" && ', ""],
      [
        "loops that begin at the lane have one index",
        "[first, end, step].every((each) => each.isUniform)",
        "end.isUniform",
      ],
      [
        "registers are the same for all",
        'value.type, this.depth);\n    this.#write({ kind: "var"',
        'value.type, this.depth, value.isUniform);\n    this.#write({ kind: "var"',
      ],
      [
        "values that are bound differ between lanes",
        'this.depth, value.isUniform);\n    this.#write({ kind: "let"',
        'this.depth);\n    this.#write({ kind: "let"',
      ],
    ],
  ),
  ...changed(
    "compiler/kernel/function.ts",
    [onKernels],
    [
      ["a function's choices are left out", 'outside.push({ kind: "if", condition, body: this.#body });', ""],
      ["what stands before a choice is left out", "this.#body = outside;", ""],
      ["registers of a function do not change", 'this.#body.push({ kind: "assign", variable, value });', ""],
    ],
  ),
  ...changed(
    "compiler/kernel/walk.ts",
    [onKernels],
    [
      ["the last part tells how a buffer is bound", "else if (!found.has(array.buffer))", "else"],
      ["buffers in the order in which they are met", ".sort((a, b) => a.array.buffer - b.array.buffer)", ""],
      ["sizes of other parts are not given", "if (parts.length > 1)", "if (parts.length > 9)"],
      ["one part alone counts its workgroups", "if (parts.length > 1)", ""],
      ["sums of dimensions are not given", 'if (expr.kind === "uniform") note(expr.sum);', ""],
      [
        "functions that functions return are left out",
        "[...expressionsWithin(body, seen), ...within(result, seen)]",
        "expressionsWithin(body, seen)",
      ],
      [
        "functions in a function's statements are left out",
        "[...expressionsWithin(body, seen), ...within(result, seen)]",
        "within(result, seen)",
      ],
      [
        "functions stand before what they call",
        "    for (const expr of expressionsOfFunction(callee))",
        "    found.set(callee.name, callee);\n    for (const expr of expressionsOfFunction(callee))",
      ],
      ["what stands in a loop is not seen", 'if ("body" in statement) statementsIn(statement.body, found);', ""],
      ["indices of stores are not seen", "return [statement.index, ...", "return [..."],
    ],
  ),
];
