/** @file Mutants of both modes of differentiation. Not here: what makes a gradient no other but computes more of it. */
import { changed, type Mutant } from "./mutant.ts";

const cells = "test/testing/random-cells.test.ts";
const onLoops = "test/autodiff/scan-derivatives.test.ts";
const onResiduals = "test/autodiff/residuals.test.ts";
const onOwn = "test/autodiff/custom-gradient.test.ts";
const onTesting = "test/testing/testing.test.ts";
const onZeros = "test/autodiff/zero-cotangents.test.ts";

export const autodiffMutants: readonly Mutant[] = [
  ...changed(
    "compiler/autodiff/chain.ts",
    [onZeros],
    [
      ["a cotangent of 0 times infinity", "mayBeInfinite(x) ? ", "!mayBeInfinite(x) ? "],
      ["an infinite tangent times a partial of 0", "unlessStopped(tangent, partial), ", "tangent, "],
      ["what is not finite is 0 for every cotangent", "or(finite(x), not(equal(factor, 0)))", "finite(x)"],
      ["a cotangent of 0 has no derivative", "or(finite(x), not(equal(factor, 0)))", "not(equal(factor, 0))"],
    ],
  ),
  ...changed(
    "compiler/autodiff/known.ts",
    [onZeros],
    [
      ["quotients are taken to be finite", "finite && b.sign === 2", "finite"],
      ["powers are taken to be finite", "{ finite: false, sign: 1 }", "{ finite, sign: 1 }"],
      ["a variance with an epsilon may be 0", "sign: least.sign > 0 ? higher : 0", "sign: 0"],
      ["what a loop is given is taken to be finite", "notesOn(frame).inputs.set(id, at(inputs, i))", "at(inputs, i)"],
    ],
  ),
  ...changed(
    "compiler/autodiff/reverse.ts",
    [onOwn],
    [
      ["each result of a call asks its vjp", "const first = calls.get(id) ?? id;", "const first = id;"],
      [
        "a call whose first result nothing reads has no gradient",
        "id !== first || received.every",
        "id !== first || ct === undefined || received.every",
      ],
    ],
  ),
  ...changed(
    "compiler/autodiff/reverse-custom.ts",
    [onOwn],
    [
      ["calls of other operands are one", "a.operands.every((operand, i) => operand === b.operands[i])", "true"],
      ["calls of other vjps are one", "sameGraph(a.attrs.vjp, b.attrs.vjp)", "true"],
      [
        "a gradient that is lost is lost without a word",
        "captured.some((active) => active)",
        "captured.some((active) => !active && active)",
      ],
      ["cotangents go to the arguments in their order", "attrs.outputs + at(attrs.wanted, i)", "attrs.outputs + i"],
    ],
  ),
  ...changed(
    "compiler/autodiff/custom-gradient.ts",
    [onOwn],
    [
      [
        "what stopGradient has stopped is no matter of the caller's",
        "captured.filter((_, i) => reachesOutputs(forward.graph, i))",
        "captured.filter(() => true)",
      ],
      ["cotangents of any shape", "|| !sameAval(aval, leaf)", ""],
      ["cotangents of integers", 'aval.dtype !== "f32" || !sameAval', "!sameAval"],
      ["results of any dtype", 'if (dtype !== "f32")\n        throw', 'if (dtype === "bool")\n        throw'],
    ],
  ),
  ...changed(
    "compiler/autodiff/reverse-scan.ts",
    [onOwn],
    [
      [
        "a value with a vjp is computed again going back",
        'op !== "gather" &&\n    op !== "customGradient" &&',
        'op !== "gather" &&',
      ],
    ],
  ),
  ...changed(
    "compiler/autodiff/forward.ts",
    [onTesting],
    [
      [
        "forward mode takes the vjp of another result",
        "[capturedByVjp.length + attrs.index]",
        "[capturedByVjp.length]",
      ],
    ],
  ),
  ...changed(
    "compiler/ops/custom-gradient.ts",
    [onOwn],
    [
      [
        "forward mode ends without a word",
        "if ([...args, ...captured].every((tangent) => tangent === undefined)) return undefined;",
        "return undefined;",
      ],
      ["the first result is every one", "{ operand: attrs.index, index }", "{ operand: 0, index }"],
      ["a result that there is not", "index >= results.length", "index > results.length"],
      ["a cotangent of another argument", "args[at(wanted, i)]", "nodeAt(vjp, id).aval"],
    ],
  ),
  ...changed(
    "compiler/passes/custom-gradients.ts",
    [onOwn],
    [
      ["they stay in the bodies of loops", '(node.op === "scan" && holdsCustomGradient(node.attrs.body))', "false"],
      ["the first result takes every place", "at(node.operands, node.attrs.index)", "at(node.operands, 0)"],
    ],
  ),
  ...changed(
    "compiler/autodiff/reverse.ts",
    [onLoops, cells],
    [
      ["the last cotangent instead of their sum", "before === undefined ? ct : add(before, ct)", "ct"],
      ["one result alone of a scan hands its cotangent on", "scanCotangents.get(scan) ?? []", "[]"],
    ],
  ),
  ...changed(
    "compiler/autodiff/reverse-scan.ts",
    [onLoops, cells],
    [
      ["a backward scan that runs forward", "reverse: !attrs.reverse", "reverse: attrs.reverse"],
      [
        "a weight's gradient from the first step alone",
        "add(at(sums, k) as Float, cotangent(i) as Float)",
        "cotangent(i) as Float",
      ],
      ["no cotangent of the final carries", "cts[i] ?? zerosLike(at(initial, i))", "zerosLike(at(initial, i))"],
      ["all ys give their cotangent to the first", "joint.received[carryCount + y]", "joint.received[carryCount]"],
      [
        "a carry that a step does not read keeps its cotangent",
        "cotangent(constCount + i) ?? zerosLike(at(initial, i))",
        "cotangent(constCount + i) ?? at(stepCts, floatCarries.indexOf(i))",
      ],
      ["no gradient through a carry whose start is fixed", "isCarry(i) || (wrt[i] ?? false)", "wrt[i] ?? false"],
    ],
  ),
  ...changed(
    "compiler/autodiff/reverse-scan.ts",
    [onResiduals],
    [
      ["xs are stored once more", " && !xIds.has(id)", ""],
      ["what is the same in every step is stored in every step", " && fromSteps.has(id)", ""],
      ["what derivative rules compute is stored", "id < ownNodes && ", ""],
      ["random bits are stored", 'if (op === "randomBits") return true;', ""],
      ["views are stored", 'entryOf(op as TableOp).kind === "view"', "false"],
      [
        "1 - z is stored beside z",
        "if (isPlainArithmetic(graph, id) && !compared.has(id) && available(id, id)) residuals.delete(id);",
        "",
      ],
    ],
  ),
  ...changed(
    "compiler/autodiff/forward.ts",
    [onLoops, cells],
    [
      ["tangents that run the other way", "{ reverse: attrs.reverse, length", "{ reverse: !attrs.reverse, length"],
      ["carries that start with no tangent", "tangents[consts + i] ?? zerosLike(carry)", "zerosLike(carry)"],
      [
        "an op rests where one of its operands does",
        "operands.every(({ tangent }) => tangent === undefined)",
        "operands.some(({ tangent }) => tangent === undefined)",
      ],
      ["weights do not move in a loop", "...tangents.slice(0, consts),", "...fixed.map(() => undefined),"],
    ],
  ),
  ...changed(
    "compiler/autodiff/gradient.ts",
    [onLoops, "test/dsl/dsl.test.ts", "test/dsl/user-errors.test.ts"],
    [
      [
        "the gradient of what was captured comes first",
        ".slice(captured.length, captured.length + wanted)",
        ".slice(0, wanted)",
      ],
      ["a loss of any shape", 'dtype !== "f32" || shape.length > 0)', 'dtype !== "f32")'],
      ["no tangent for what does not move", "tangent ?? zerosLike(at(outputs, i))", "tangent ?? at(outputs, i)"],
    ],
  ),
];
