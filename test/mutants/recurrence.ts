/** @file Mutants of the analysis of a loop's carries, and of the schedule that is parallel over time. */
import { changed, type Mutant } from "./mutant.ts";

const onForms = "test/recurrence/carry-forms.test.ts";
const onParallel = "test/recurrence/parallel-scan.test.ts";
const onCells = "test/recurrence/affine-cells.test.ts";
const onCompared = "test/plan/compared-exactly.test.ts";
const onDevices = "test/gpu/parallel.test.ts";

const onChunks = "test/recurrence/chunkwise.test.ts";
const onChunkedTraining = "test/recurrence/chunked-training.test.ts";

export const recurrenceMutants: readonly Mutant[] = [
  ...changed(
    "compiler/autodiff/reverse-scan.ts",
    [onCompared],
    [["what a derivative compares is computed again", "&& !compared.has(id) && available", "&& available"]],
  ),
  ...changed(
    "compiler/plan/stages/form-stages.ts",
    [onCompared],
    [
      [
        "what is compared exactly is computed by every reader",
        "if (isElementwise(nodeAt(this.#graph, id))) this.#stored.add(id);",
        "this.#live.has(id);",
      ],
    ],
  ),
  ...changed(
    "compiler/ops/compared-exactly.ts",
    [onCompared],
    [
      ["what is compared with a constant is stored", '.op === "constant"))) continue;', '.op === "scan"))) continue;'],
      ["views are compared themselves", '.kind === "view") operands', '.kind === "reduction") operands'],
    ],
  ),
  ...changed(
    "compiler/recurrence/memory-uses.ts",
    [onChunks],
    [
      ["a query may depend on the memory", "if (!isFree(vector)) throw", "if (vector < 0) throw"],
      ["a read may be by a matrix", "if (result[isLeft ? 1 : 0] !== 1) throw", "if (result.length !== 2) throw"],
      ["a sum over all entries is a read", "node.attrs.axes.length !== 1 || axis === undefined", "axis === undefined"],
      ["each step may return the memory", "if (matrices.has(y)) throw", "if (y < 0) throw"],
      [
        "another state may keep the memory",
        "for (const id of others) if (matrices.has(id))",
        "for (const id of others) if (id < 0)",
      ],
    ],
  ),
  ...changed(
    "compiler/recurrence/memory-step.ts",
    [onChunks],
    [
      [
        "steps that do not exist let the memory fade",
        "decay: optional(step.decay, 1)",
        "decay: optional(step.decay, 0)",
      ],
    ],
  ),
  ...changed(
    "compiler/recurrence/matrix-memory.ts",
    [onChunks],
    [
      ["reads may be along both axes", "if (second !== undefined) throw", "if (second === null) throw"],
      [
        "a choice may differ from entry to entry",
        ".every((dim) => dim === 1);\n        if (isOfAll)",
        ".every((dim) => dim !== 0);\n        if (isOfAll)",
      ],
      [
        "keys and values may fade at once",
        "if (shape.slice(-2).every((dim) => dim !== 1)) throw",
        "if (shape.length === 0) throw",
      ],
      [
        "a second read may be corrected",
        "if (this.#corrected !== undefined && this.#corrected !== id)",
        "if (this.#corrected !== undefined && id < 0)",
      ],
      [
        "an outer product that is negated stays as it is",
        "return this.#sum(this.#matrix(a), negated(this.#matrix(b)), id);",
        "return this.#sum(this.#matrix(a), this.#matrix(b), id);",
      ],
      [
        "what is written does not fade with the rest",
        "alongColumns ? { row, column: both(column) } : {",
        "true ? { row, column } : {",
      ],
    ],
  ),
  ...changed(
    "compiler/recurrence/memory-chunks.ts",
    [onChunks],
    [
      ["a read misses what its own step has written", "      ...ofOwn(read),\n", ""],
      [
        "a score includes the step itself",
        "return reverse ? less(t, s) : less(s, t);",
        "return reverse ? less(t, s) : less(s, add(t, 1));",
      ],
      [
        "the memory does not fade over a chunk",
        "decays === undefined ? memory : scaled(",
        "decays !== undefined ? memory : scaled(",
      ],
      [
        "what is written does not fade until the end",
        "decays === undefined ? outer.key : scaled",
        "decays !== null ? outer.key : scaled",
      ],
      [
        "a correction is read before it is corrected",
        "correction = dot(inverseOfRest(total(parts), steps, chunk.reverse), foundBy(read));",
        "correction = foundBy(read);",
      ],
      [
        "chunks of a loop from the end go from the start",
        "const [first, second] = this.#reverse ? [1, 0] : [0, 1];",
        "const [first, second] = [0, 1];",
      ],
    ],
  ),
  ...changed(
    "compiler/recurrence/chunked-loop.ts",
    [onChunks, onChunkedTraining],
    [
      [
        "steps that do not exist change other states",
        "return exists === undefined ? value : where(",
        "return exists !== null ? value : where(",
      ],
      ["a chunk keeps what it computes", "{ reverse, recompute: true, length", "{ reverse, length"],
    ],
  ),
  ...changed(
    "compiler/recurrence/chunkwise.ts",
    [onChunkedTraining],
    [
      ["small memories run in chunks too", "if (width < leastWidth) return undefined;", ""],
      [
        "chunks cannot be turned off",
        'return choice === "never" ? undefined : choice;',
        'return choice === "never" ? mostSteps : choice;',
      ],
    ],
  ),
  ...changed(
    "compiler/recurrence/carry-forms.ts",
    [onForms, onParallel],
    [
      ["a choice by the state is affine", "return isFree(a) ? choiceOf(b, c) : undefined;", "return choiceOf(b, c);"],
      [
        "products of states are affine",
        "isFree(a) || isFree(b) ? sumOf([a, b], false)",
        "a === a ? sumOf([a, b], false)",
      ],
      ["a quotient by a state is affine", "isFree(b) ? sumOf([a], false)", "b === b ? sumOf([a], false)"],
      ["views keep positions", "if (keepsPositions(body, node)) return worst;", "if (node.aval) return worst;"],
      [
        "a maximum less a state is a maximum",
        'if (a.kind === "extremum" && isFree(b)) return a;\n      return sumOf([a, b], isFree(b)',
        'if (a.kind === "extremum") return a;\n      return sumOf([a, b], isFree(b)',
      ],
      ["a choice is no term of a maximum", "isFree(value) || isShifted(value)),\n  );", "isFree(value)),\n  );"],
      [
        "a multiple of a state may be in a maximum",
        'return value.kind === "affine" && value.shifted;',
        'return value.kind === "affine";',
      ],
      [
        "a maximum of a minimum is a maximum",
        'value.kind === "extremum" ? value.of === of :',
        'value.kind === "extremum" ? value.of !== undefined :',
      ],
      ["a group may mix maxima and multiples", "if (!same) return", "if (same === undefined) return"],
      ["loops in a step keep positions", 'operands.every(isFree) ? free : { kind: "dense", cause: id }', "free"],
      [
        "states of other groups count as the group's own",
        "mine.has(id) ? {",
        "bodyInputs(attrs).carries.includes(id) ? {",
      ],
    ],
  ),
  ...changed(
    "compiler/recurrence/carry-forms.ts",
    [onCells],
    [
      ["functions of a state are affine", "    default:\n      return undefined;", "    default:\n      return a;"],
      [
        "reductions keep positions",
        'if (entryOf(node.op).kind !== "elementwise") return',
        "if (node.aval === undefined) return",
      ],
    ],
  ),
  ...changed(
    "compiler/recurrence/carry-groups.ts",
    [onForms],
    [
      [
        "every carry is alone",
        "const reached = open.includes(read) ? lowest.get(read) : undefined;",
        "const reached = undefined;",
      ],
      ["finished groups join later ones", "open.includes(read) ? lowest.get(read) : undefined", "lowest.get(read)"],
      [
        "every carry reads itself",
        "return group.some((carry) => at(readBy, carry).some((read) => group.includes(read)));",
        "return readBy.length > 0;",
      ],
    ],
  ),
  ...changed(
    "compiler/recurrence/stopped-factor.ts",
    [onForms],
    [
      ["a guard may test another value", "tested === ct && ", ""],
      ["a guard may leave another value", "isZero(body, zero) && isZero(body, otherwise)", "isZero(body, zero)"],
    ],
  ),
  ...changed(
    "compiler/passes/all-steps.ts",
    ["test/passes/loop-passes.test.ts", "test/passes/stacks.test.ts", onParallel],
    [
      [
        "slices of all steps along the axis of one",
        'case "slice":\n      return { ...node, attrs: { ...node.attrs, axis: node.attrs.axis + 1 } };',
        'case "slice":\n      return node;',
      ],
      [
        "joins of all steps along the axis of one",
        "return { ...node, attrs: { axis: node.attrs.axis + 1 } };",
        "return node;",
      ],
      [
        "transposes that move time",
        "{ permutation: [0, ...later(node.attrs.permutation)] }",
        "{ permutation: [...later(node.attrs.permutation), 0] }",
      ],
      [
        "sums over the axis before",
        'attrs: { axes: later(node.attrs.axes) } };\n    case "reduceMax"',
        'attrs: { axes: node.attrs.axes } };\n    case "reduceMax"',
      ],
      [
        "matrices of each step multiply all rows",
        "if (right.timed || node.attrs.transposeA",
        "if (node.attrs.transposeA",
      ],
      [
        "the steps of a stack stay inside it",
        "transpose(bySteps, [stack.length, ...axes.filter((axis) => axis !== stack.length)])",
        "transpose(bySteps, axes)",
      ],
      [
        "tables may change",
        '!invariant.has(at(operands, 0))) return "a lookup',
        'invariant.size < 0) return "a lookup',
      ],
    ],
  ),
  ...changed(
    "compiler/recurrence/carry-maps.ts",
    [onParallel],
    [
      ["differences are sums", 'const f = op === "add" ? add : sub;', "const f = add;"],
      ["what is only subtracted is added", '(op === "add" ? y : neg(y))', "y"],
      ["maxima are sums of shifts", 'either(node.op === "max" ? max : min)', "either(add)"],
      ["what a choice leaves out stays", "where(condition, x ?? absent, y ?? absent)", "x ?? y"],
      ["a choice is always the carry", "where(chosen, added.get(id) ?? absent, absent)", "added.get(id) ?? absent"],
      ["a choice is never free", "rest: where(any, absent, sum.rest", "rest: where(any, absent, undefined"],
      ["offsets are not scaled", "rest: term.rest && f(term.rest) };", "rest: term.rest };"],
    ],
  ),
  ...changed(
    "compiler/recurrence/parallel-states.ts",
    [onParallel],
    [
      [
        "maps compose in the other order",
        "withParts(steps, xs), withParts(identity, carries)",
        "withParts(identity, carries), withParts(steps, xs)",
      ],
      [
        "compositions keep the first offset",
        "combination(kind, row, first.offset, offset[i])",
        "combination(kind, row, [], offset[i])",
      ],
      ["padding in reverse resets states", "neutral));\n  };", "absent));\n  };"],
      [
        "a state that does not read itself is 0 in the padding",
        "if (padded === undefined && neutral === absent)",
        "if (padded === undefined)",
      ],
      [
        "a delay in reverse starts in the padding",
        "const ends = reverse ? where(chunks.exists(), padded, everywhere) : padded;",
        "const ends = padded;",
      ],
      [
        "starts come after a chunk",
        "applied(withParts(identity, xs), states as Float[]), ys: states }",
        "applied(withParts(identity, xs), states as Float[]), ys: applied(withParts(identity, xs), states as Float[]) }",
      ],
      ["maps never overflow", "where(finite(x), zero, 1)", "where(finite(x), zero, 0)"],
    ],
  ),
  ...changed(
    "compiler/recurrence/chunks-of-time.ts",
    [onParallel],
    [
      [
        "the last step of a chunk in reverse is its last",
        "slice(this.#byChunk(padded), 1, reverse ? 0 : this.steps - 1, 1)",
        "slice(this.#byChunk(padded), 1, this.steps - 1, 1)",
      ],
      [
        "states before are those after",
        "concat(reverse ? [others, first] : [first, others], 1)",
        "concat([others, first], 1)",
      ],
      [
        "all of the padding exists",
        "less(iota(shape, 0), broadcastAxes(end, shape, []))",
        "less(broadcastAxes(end, shape, []), iota(shape, 0))",
      ],
    ],
  ),
  ...changed(
    "compiler/recurrence/parallel-scan.ts",
    [onParallel],
    [
      ["blocks of any size", "if (carries.length > mostInBlock)", "if (carries.length > 99)"],
      ["states of any type", '.find((d) => d !== "f32")', ".find((d) => d === undefined)"],
      [
        "overflows are ignored",
        "return overflows === undefined ? sequences :",
        "return overflows !== null ? sequences :",
      ],
      [
        "the last state in reverse is that of the last step",
        "slice(values, 0, reverse ? 0 : -1, 1)",
        "slice(values, 0, -1, 1)",
      ],
    ],
  ),
  ...changed(
    "compiler/recurrence/newton-states.ts",
    [onParallel],
    [
      [
        "linearised at the wrong states",
        "sub(rest, mul(at(at(matrix, i), j), state))",
        "add(rest, mul(at(at(matrix, i), j), state))",
      ],
      ["no residual is too large", "where(isNear, zerosLike(after), 1)", "zerosLike(after)"],
      ["every residual is too large", "where(isNear, zerosLike(after), 1)", "fill(after.shape, 1)"],
      ["states move along all at once", "i === j ? 1 : 0", "1"],
    ],
  ),
  ...changed(
    "compiler/plan/scan/only-if.ts",
    [onDevices],
    [
      ["what is conditional always runs", "w.select(holds, total, w.u32(0))", "total"],
      ["what is conditional never runs", "w.select(holds, total, w.u32(0))", "w.u32(0)"],
    ],
  ),
  ...changed(
    "compiler/plan/scan/inlined.ts",
    [onDevices],
    [
      [
        "memory of the operands is free for what reads them",
        "order - 1 + (group + 1) / (groups.length + 1)",
        "order + group / (groups.length + 1)",
      ],
      [
        "a value with two places is stored in one",
        "const all = targets.get(id) ?? [locations.get(id)];",
        "const all = [targets.get(id)?.[0] ?? locations.get(id)];",
      ],
    ],
  ),
  ...changed(
    "compiler/plan/scan/parallel.ts",
    [onDevices, "test/plan/schedules.test.ts"],
    [
      ["no steps run in chunks", "branch(0, oneByOne)", "branch(-1, oneByOne)"],
      ["a few steps run in chunks", "branch(fewSteps, oneByOne)", "branch(0, oneByOne)"],
      ["a full device runs in chunks", "Math.floor(filling / width)", "Number.MAX_SAFE_INTEGER"],
    ],
  ),
];
