/**
 * @file Mutants of what a graph becomes before it is kernels: stages, places, schedules, counted work, and the rules that a
 * program is held to. Not here: choices that change no value, such as what is stored rather than computed again.
 */
import { changed, type Mutant } from "./mutant.ts";

const onLowering = "test/gpu/lowering.test.ts";
const onLoops = "test/gpu/loops.test.ts";
const onStages = "test/plan/stages.test.ts";
const onTunings = "test/gpu/tunings.test.ts";
const onWork = "test/plan/work.test.ts";
const onPrograms = "test/plan/verify-program.test.ts";
const onNoSteps = "test/gpu/no-steps.test.ts";
const onSchedules = "test/plan/schedules.test.ts";
const onCost = "test/passes/compile-cost.test.ts";
const onChoices = "test/plan/choose.test.ts";
const onGraphs = "test/graph/graph.test.ts";

export const planMutants: readonly Mutant[] = [
  ...changed(
    "compiler/plan/stages/form-stages.ts",
    [onStages, onLowering, onLoops],
    [
      ["results of a loop are read beside it", 'const elsewhere = op === "result" || ', "const elsewhere = "],
      ["what is scattered is read beside it", 'op === "scatterAdd" || this.#packs.has(id);', "this.#packs.has(id);"],
      ["what is packed is read beside it", '|| op === "scatterAdd" || this.#packs.has(id);', '|| op === "scatterAdd";'],
      ["any position can be read at once", "return at(this.#level, id) + 1;", "return at(this.#level, id);"],
      ["any repetition is one number for a row", "kept.every((axis, i) => axis === node.attrs.axes[i])", "true"],
      [
        "scatters share a kernel",
        'node.op === "scatterAdd" ? `scatter ${id}` : `${level} ${size}`',
        "`${level} ${size}`",
      ],
      [
        "parts of a pack are not stored",
        'nodeAt(this.#graph, id).op !== "result") this.#stored.add(id);',
        'nodeAt(this.#graph, id).op === "input") this.#stored.add(id);',
      ],
    ],
  ),
  ...changed(
    "compiler/plan/memory/in-place-concat.ts",
    [onLowering],
    [
      ["parts of two packs lie in the first", " && !taken.has(part)", ""],
      ["a part that stands twice lies once", " || new Set(parts).size !== parts.length", ""],
      ["all parts lie at the start", "offset: offset - Number(size)", "offset: 0"],
      [
        "columns lie one after the other",
        "!node.aval.shape.slice(0, node.attrs.axis).every((dim) => dim === 1)",
        "false",
      ],
    ],
  ),
  ...changed(
    "compiler/plan/memory/slabs.ts",
    [onChoices],
    [
      [
        "branches lie beside each other",
        "slot.busyUntil = before.get(slot) ?? unused;",
        "slot.busyUntil = slot.busyUntil;",
      ],
      [
        "what the first branch needs longest is taken over",
        "Math.max(slot.busyUntil, longest.get(slot) ?? unused)",
        "slot.busyUntil",
      ],
      ["values of equal size share lines of a cache", 'this.#layout === "staggered" ? stagger : 0', "0"],
      ["values of a GPU are staggered", 'this.#layout === "staggered" ? stagger : 0', "stagger"],
    ],
  ),
  ...changed(
    "compiler/plan/scan/choose.ts",
    [onChoices],
    [["of a known size all branches are lowered", 'typeof dim === "number"', 'typeof dim === "boolean"']],
  ),
  ...changed(
    "compiler/plan/memory/slabs.ts",
    [onLowering, onLoops],
    [
      ["places are taken over while they are read", "busyUntil < from", "busyUntil <= from"],
      [
        "places are taken over whatever their size",
        "this.#slots.get(key)?.find",
        "[...this.#slots.values()].flat().find",
      ],
      ["whoever takes a place over does not hold it", "free.busyUntil = until;", ""],
      ["all values lie at the start", "const offset = this.#size;", "const offset = [0];"],
      [
        "the plain part of an offset is forgotten",
        "added.length === 0 ? [0] : added",
        '[...added.filter((dim) => typeof dim !== "number"), 0]',
      ],
    ],
  ),
  ...changed(
    "compiler/plan/memory/slabs.ts",
    [onCost],
    [["like terms stand apart", "= addDims(terms);", "= [...terms];"]],
  ),
  ...changed(
    "compiler/plan/lower.ts",
    [onCost],
    [["crowding is seen only in kernels", "crowding.relieve(predicted);", ""]],
  ),
  ...changed(
    "compiler/plan/memory/crowding.ts",
    [onLowering, onCost],
    [
      ["kernels bind any number of buffers", "own.size > this.#limit", "own.size > 99"],
      [
        "inputs of one shape are copied one by one",
        "if (!own.has(from) || !(isAlike || input === smallest)) continue;",
        "if (input !== smallest) continue;",
      ],
      ["parameters are copied with what is as large", " && !isLarge(this.#avalOf(input))", ""],
      ["the largest input is copied", "this.#rank(a) - this.#rank(b)", "this.#rank(b) - this.#rank(a)"],
    ],
  ),
  ...changed(
    "compiler/graph/builder.ts",
    [onGraphs],
    [
      ["0 and -0 are one constant", 'Object.is(value, -0) ? "-0" : String(value)', "String(value)"],
      ["bodies of one size are one", "if (sameGraphs(attrs, this.node(known).attrs)) return known;", "return known;"],
    ],
  ),
  ...changed(
    "compiler/plan/memory/donation.ts",
    [onLowering],
    [
      ["inputs are overwritten that others read", "if (isSafe) locations.set", "locations.set"],
      ["inputs are overwritten that the same step reads", "order < writer.order ||", "order <= writer.order ||"],
      [
        "inputs are overwritten whose writer reads them elsewhere",
        "stage === writer.stage && samePosition",
        "stage === writer.stage",
      ],
      [
        "what is several outputs lies in an input",
        "if (isPacked(id) || graph.outputs.filter((other) => other === id).length > 1) continue;",
        "if (isPacked(id)) continue;",
      ],
      ["outputs are given away before the end", "for (const id of graph.outputs) use(id, groups.length);", ""],
      [
        "a pack ends before its parts are read",
        "const longest = Math.max(last.get(id) ?? 0, ...parts.map((part) => lifetimeOf(part.id)));",
        "const longest = last.get(id) ?? 0;",
      ],
      ["parts end before their pack is read", "for (const part of parts) use(part.id, longest);", ""],
      [
        "any donation is taken",
        "storages[from.dtype].element !== storages[to.dtype].element || sizeOf(from.shape) !== sizeOf(to.shape)",
        "from.dtype !== to.dtype",
      ],
    ],
  ),
  ...changed(
    "compiler/plan/stages/reads.ts",
    [onLowering, onLoops],
    [
      ["every view reads at its own position", 'node.op === "reshape") && sizeOf', 'kind === "view") && sizeOf'],
      [
        "loops read at their own position",
        '(kind === "elementwise" || node.op === "reshape")',
        '(kind !== "view" || node.op === "reshape")',
      ],
    ],
  ),
  ...changed(
    "compiler/plan/stages/accumulators.ts",
    [onLowering],
    [
      ["products that others read are only added", "this.#uses[id] === 1 && ", ""],
      ["maxima are added", "products?.every(isProduct) && ", "products && "],
      ["products of any depth share a loop", " && this.#sameExtents(left, right)", ""],
    ],
  ),
  ...changed(
    "compiler/plan/scan/separable-rows.ts",
    [onLoops],
    [
      ["rows may be summed", "return node.attrs.axes.includes(0) ? mixes : undefined;", "return undefined;"],
      ["rows may be turned", "return node.attrs.permutation[0] === 0 ? undefined : mixes;", "return undefined;"],
      [
        "columns may be repeated along rows",
        "return node.attrs.axes[0] === 0 ? undefined : mixes;",
        "return undefined;",
      ],
      ["rows may be looked up", "return isRow(0) ? mixes : undefined;", "return undefined;"],
      ["rows may be multiplied with rows", "isRow(0) && !isRow(1) && ", "isRow(0) && "],
      [
        "rows may be what a product sums over",
        " && !node.attrs.transposeA ? undefined : mixes",
        " ? undefined : mixes",
      ],
      [
        "rows may be scattered",
        'case "scatterAdd":\n      return mixes;',
        'case "scatterAdd":\n      return undefined;',
      ],
      [
        "what is the same for all rows may be reduced inside",
        'if (kind === "reduction" || kind === "contraction")',
        'if (kind === "source")',
      ],
      ["results need no rows", "if (shape[0] !== rows) return no(`${returns}", "if (rows === 0) return no(`${returns}"],
    ],
  ),
  ...changed(
    "compiler/plan/scan/schedules.ts",
    [onSchedules, onTunings],
    [
      ["stepwise is only asked for", 'asked !== "auto" && length', 'asked === "persistent" && length'],
      [
        "persistent is done another way where it cannot be",
        'asked !== "auto" && length',
        'asked === "stepwise" && length',
      ],
      ["a tuning's schedule is not followed", 'asked === "auto" ? tiles.tuning?.schedule : undefined', "undefined"],
      ["what is advised against is done", " || (plan.against !== undefined && !isAsked)", ""],
    ],
  ),
  ...changed(
    "compiler/plan/scan/persistent-plan.ts",
    [onSchedules],
    [
      ["any weights are read by one workgroup", "weights > most\n", "weights < 0\n"],
      [
        "weights of symbolic size count",
        'typeof size === "number" ? storages[aval.dtype].bytes * size : 0',
        "4 * 2 ** 24",
      ],
    ],
  ),
  ...changed(
    "compiler/plan/scan/schedules.ts",
    [onNoSteps],
    [["a loop of no steps is refused", " && length !== 0", ""]],
  ),
  ...changed(
    "compiler/plan/scan/persistent-plan.ts",
    [onNoSteps],
    [
      [
        "a loop of no steps is persistent",
        'if (scanOf(context).attrs.length === 0) return { plan: undefined, reason: "it has no steps" };',
        "",
      ],
    ],
  ),
  ...changed(
    "compiler/plan/scan/chunks.ts",
    [onNoSteps],
    [["work of no rows is no number", "shares === 0 ? 0 : ", ""]],
  ),
  ...changed(
    "compiler/plan/stages/stages.ts",
    [onNoSteps],
    [["values without elements have kernels", "): boolean => size !== 0;", "): boolean => size !== -1;"]],
  ),
  ...changed(
    "compiler/plan/scan/chunks.ts",
    [onSchedules],
    [
      ["a chunk of no steps", "Math.max(1, Math.floor(budget / seconds))", "Math.floor(budget / seconds)"],
      ["barriers cost nothing", "Math.max(1, barriers) * secondsPerBarrier", "1e-12"],
      ["products cost nothing", "flops / flopsPerSecond(lanes) + ", ""],
      ["a lane does the work of all", "20e6 * lanes", "20e6"],
      ["a row's work is that of all rows", "total / shares", "total"],
    ],
  ),
  ...changed(
    "compiler/plan/scan/slots.ts",
    [onLoops],
    [
      ["one slot for every carry", "count: isSafe ? 1 : 2", "count: 1"],
      ["one slot for a carry that is read after it is written", "read.order < written", "read.order <= written"],
      [
        "one slot for a carry that its writer reads elsewhere",
        "read.stage === writer && (read.samePosition ||",
        "read.stage === writer && (read.stage === writer ||",
      ],
      [
        "what crosses invocations has no slot",
        "reads.some((read) => read.id === id && read.stage !== writer)",
        "false",
      ],
    ],
  ),
  ...changed(
    "compiler/plan/scan/fit-rows.ts",
    ["test/gpu/order-of-sums.test.ts"],
    [
      [
        "more rows than fit in workgroup memory",
        "while (fitting > 1 && bytesOf(fitting, neighbours) > limit)",
        "while (fitting < 1)",
      ],
    ],
  ),
  ...changed(
    "compiler/plan/scan/persistent-plan.ts",
    [onLoops],
    [["workgroups of any size", "Math.min(maxLanes[target], ", "Math.min(4096, "]],
  ),
  ...changed(
    "compiler/plan/lower.ts",
    [onLowering, onLoops],
    [
      [
        "inputs that were copied are read where they were",
        "homes.get(id) ?? inputLocation(graph, id)",
        "inputLocation(graph, id)",
      ],
      ["parts lie where their pack starts", "[...whole.offset, offset]", "whole.offset"],
      [
        "donated outputs are not copied home",
        "if (home !== undefined && location.buffer !== home.buffer)",
        "if (home === undefined && location.buffer === -1)",
      ],
      [
        "an input that is handed back is computed again",
        'graph.outputs.filter((id, i) => nodeAt(graph, id).op !== "input" || donated.get(i) !== id)',
        'graph.outputs.filter((id) => nodeAt(graph, id).op !== "input")',
      ],
    ],
  ),
  ...changed(
    "compiler/plan/work.ts",
    [onWork],
    [
      [
        "a product's additions do not count",
        "return mulDims(2, mulDims(elements,",
        "return mulDims(1, mulDims(elements,",
      ],
      ["parts of a value are counted as the whole", "const mostWays = 64", "const mostWays = 0"],
      ["a reduction counts what it gives", "return sizeOf(operandShape(0));", "return elements;"],
      ["a scatter counts its rows", "return sizeOf(operandShape(1));", "return elements;"],
      ["choosing is arithmetic", '["where", "cast", "stopGradient"]', '["cast", "stopGradient"]'],
      [
        "whole numbers are arithmetic",
        'isArithmetic && node.aval.dtype === "f32" ? elements : 0',
        "isArithmetic ? elements : 0",
      ],
      [
        "a loop's work is that of one step",
        "for (const stage of stages) count.stage(scope, stage, length);",
        "for (const stage of stages) count.stage(scope, stage, 1);",
      ],
      [
        "what several stages read is read by each",
        "reads.some((other) => other.value === value && other.path !== path && path.endsWith(other.path))",
        "reads.length < 0",
      ],
      [
        "a slice reads the whole",
        'if (node.op === "slice" || (node.op === "gather" && operand === 0))',
        'if (node.op === "gather" && operand === 0)',
      ],
      [
        "a lookup reads its table",
        'if (node.op === "slice" || (node.op === "gather" && operand === 0))',
        'if (node.op === "slice")',
      ],
      ["numbers that are read take two bytes", "mulDims(bytes, elements)", "mulDims(2, elements)"],
      ["numbers that are written take two bytes", "mulDims(storages[dtype].bytes, ", "mulDims(2, "],
      ["a value is counted for every reader", "if (this.#visited.has(key)) return;", ""],
      ["states that stay in workgroup memory are read", "if (!loop?.persistent) this.#reads", "this.#reads"],
      ["a y is written once", "i < carries ? 1 : length)", "1)"],
      ["what nobody reads is written", "if (isWritten(i)) count.write", "count.write"],
    ],
  ),
  ...changed(
    "compiler/plan/verify-program.ts",
    [onPrograms, "test/gpu/chunks.test.ts"],
    [
      ["a buffer may be bound twice", "new Set(buffers).size !== buffers.length", "buffers.length < 0"],
      [
        "a buffer need not exist",
        "buffers.some((buffer) => program.buffers[buffer] === undefined)",
        "buffers.length < 0",
      ],
      ["any number of buffers", "buffers.length > limits.storageBuffers", "buffers.length < 0"],
      ["any workgroup memory", "kernel.workgroupBytes > limits.workgroupBytes", "kernel.workgroupBytes < 0"],
      ["any number of invocations", "kernel.workgroupSize > limits.workgroupSize", "kernel.workgroupSize < 0"],
      ["inputs in slabs", 'spec === undefined || spec.role !== "input"', "spec === undefined"],
      ["inputs whose buffer has another size", "shape.length > 0 && spec?.size.length !== 1", "shape.length < 0"],
      [
        "places in buffers that do not exist",
        "if (program.buffers[buffer] === undefined) fail(where",
        "if (buffer < 0) fail(where",
      ],
      ["copies within a buffer", "step.from.buffer === step.to.buffer", "step.from.buffer === -1"],
      ["results in an input's buffer", '(donated !== undefined) !== (role === "input")', "role === undefined"],
      ["kernels that do not exist", "if (kernel === undefined) {", "if (number < 0) {"],
      ["chunks that nobody runs", "chunked !== (chunks !== undefined)", "chunked === undefined"],
      [
        "what runs instead of a loop is not looked at",
        "for (const dispatch of step.otherwise) walk(dispatch, nesting);",
        "",
      ],
      ["branches by sizes that there are not", "if (unknown !== undefined) fail", 'if (unknown === "") fail'],
      ["sizes without a branch", "bounds.at(-1) !== Number.POSITIVE_INFINITY", "bounds.length < 0"],
      ["branches behind those that take all", "i > 0 && bound <= (bounds[i - 1] ?? 0)", "i < 0"],
      ["branches are not looked at", "for (const inner of steps) walk", "for (const inner of steps.slice(0, 0)) walk"],
      ["workgroups are counted outside of slabs", 'if (spec?.role !== "slab")', "if (spec === null)"],
      ["workgroups are counted in any type", 'spec?.element !== "u32"', "spec === null"],
      [
        "any number of numbers of workgroups",
        "size.length !== 1 || (size[0] !== 1 && size[0] !== 3)",
        "size.length < 0",
      ],
      ["chunks of no steps", "!(Number.isInteger(chunks.steps) && chunks.steps > 0)", "chunks.steps === -1"],
      [
        "steps of loops that are not there",
        "chunks === undefined ? loops > nesting : loops !== nesting + 1",
        "loops < 0",
      ],
    ],
  ),
  ...changed(
    "compiler/plan/emit/shared-parts.ts",
    ["test/plan/shared-parts.test.ts", "test/gpu/product-blocks.test.ts"],
    [
      ["every part is written for itself", "      ofKind.set(key, known);\n", ""],
      [
        "forms that are made for a stage are one",
        "this.#known.get(kind)",
        "this.#known.get([...this.#known.keys()][0] ?? kind)",
      ],
    ],
  ),
  ...changed(
    "compiler/plan/emit/canonical-part.ts",
    ["test/plan/shared-parts.test.ts"],
    [
      ["parts for all targets are one", "canonical(own, alike,", "canonical(own,"],
      ["sizes tell parts apart", "{ ...tiles, outside: undefined }", "tiles"],
    ],
  ),
  ...changed(
    "compiler/plan/emit/canonical-values.ts",
    ["test/plan/shared-parts.test.ts"],
    [
      ["parts of all nodes are one", "...others, nodes, sources,", "...others, sources,"],
      [
        "every buffer is the first",
        "[...buffers.add(given.buffer)].indexOf(given.buffer)",
        "0 * buffers.add(given.buffer).size",
      ],
      ["offsets have symbols by where they are met", "sums.get(key) ?? ", ""],
      ["nothing begins at a multiple of four", "mulDims(4, symbol) }", "symbol }"],
      ["parts of vectors are told apart by their start", "places.sumOf([node.attrs.start])", "[node.attrs.start]"],
    ],
  ),
  ...changed(
    "compiler/plan/emit/canonical-values.ts",
    ["test/kernels/kernels.test.ts"],
    [["offsets of 0 are like others", "if (sum.every((dim) => dim === 0)) return [0];", ""]],
  ),
  ...changed(
    "compiler/plan/outside-loops.ts",
    [onStages],
    [
      [
        "a software adapter runs all forms in one kernel",
        'tiles.target === "software" ? `form',
        'tiles.target === "cpu" ? `form',
      ],
    ],
  ),
  ...changed(
    "compiler/plan/stages/form-stages.ts",
    [onStages],
    [["every lane of a software adapter computes the numbers of all", "isNumber ? transcendentalCost - 1 : ", ""]],
  ),
  ...changed(
    "compiler/plan/scan/shared-loop.ts",
    ["test/plan/shared-parts.test.ts"],
    [
      ["loops of all bodies are one", "[nodes, inputs, outputs],", "[inputs, outputs],"],
      ["loops with heads are told apart by what they read", "{ ...own, heads, tileOf", "{ ...own, tileOf"],
      ["each loop is of its own results", "results: located(plan.results)", "results: plan.results"],
      ["loops name memory of their own in a buffer", "context.outer !== region || clearsWorkgroups", "false"],
    ],
  ),
  ...changed(
    "compiler/graph/builder.ts",
    ["test/graph/graph.test.ts"],
    [["maps are alike", "value instanceof Map || value instanceof Set", "value instanceof Set"]],
  ),
  ...changed(
    "compiler/render.ts",
    ["test/plan/shared-parts.test.ts"],
    [
      [
        "every kernel has its text at once",
        '    get wgsl() {\n      if (typeof kept !== "string") kept = kernelText(kept);\n      return kept;\n    },',
        '    wgsl: typeof kept === "string" ? kept : kernelText(kept),',
      ],
    ],
  ),
  ...changed(
    "compiler/kernel/places.ts",
    ["test/plan/shared-parts.test.ts"],
    [
      ["a body has the buffers of another part", "{ ...array, buffer, name }", "{ ...array, name }"],
      ["four times a sum is the sum", "mulDims(dimCoefficient(dim), each)", "each"],
    ],
  ),
  ...changed(
    "compiler/plan/tuning.ts",
    ["test/train/files/tuned.test.ts"],
    [
      ["a tuning may be any object", "if (!Object.hasOwn(tuningGrid, field)) {", 'if (field === "") {'],
      ["a field may have any value", "if (!allowed.includes(given)) {", "if (given === undefined) {"],
    ],
  ),
];
