/** @file Mutants of the passes: each doing nothing, and each rule without one of its conditions. */
import { changed, type Mutant } from "./mutant.ts";

const onPasses = "test/passes/passes.test.ts";
const onLoops = "test/passes/loop-passes.test.ts";
const onDead = "test/passes/dead-code.test.ts";
const onSizes = "test/passes/specialize.test.ts";
const onProducts = "test/passes/split-products.test.ts";
const onLookups = "test/passes/lookups.test.ts";
const onGraphs = "test/graph/graph.test.ts";
const onCost = "test/passes/compile-cost.test.ts";

export const passMutants: readonly Mutant[] = [
  ...changed(
    "compiler/passes/dead.ts",
    [onDead, onCost],
    [
      ["bodies without anything dead are built again", "if (isPruned(graph)) return graph;", ""],
      ["what is dead may stay", 'op === "input" || needed.has(id)', "id >= 0"],
    ],
  ),
  ...changed(
    "compiler/passes/part-of-loop.ts",
    [onDead, onLoops, onCost],
    [
      ["parts that are the whole are built again", "if (isAll(body, inputs, outputs)) return body;", ""],
      ["any outputs are all", "|| !isSame(outputs, body.outputs) ", ""],
    ],
  ),
  ...changed(
    "compiler/passes/local-rules.ts",
    [onCost],
    [
      [
        "a round without a rule builds a graph",
        "if (!someRuleFires(current, rules)) return current;",
        "if (round === 2) return current;",
      ],
    ],
  ),
  ...changed(
    "compiler/optimize.ts",
    ["test/passes/passes.test.ts"],
    [
      ["the passes run again for each program", "passed[precision].set(graph, current);", ""],
      ["a known graph tells of no pass", " && onPass === undefined", ""],
    ],
  ),
  ...changed(
    "compiler/plan-program.ts",
    ["test/gpu/missing-entries.test.ts"],
    [["what passes have moved is asked for too", "requirementsOf(graph)", "requirementsOf(optimize(graph, options))"]],
  ),
  ...changed(
    "compiler/trace/site.ts",
    ["test/passes/sites.test.ts"],
    [
      ["a frame has its neighbour's site", "sites[i + 1] ??", "sites[i] ??"],
      ["frames of one line are one", ":${frame.getColumnNumber()}`", "`"],
      ["stacks are frames for all from then on", "settings.prepareStackTrace = prepareStackTrace;", ""],
      ["stacks are longer for all from then on", "settings.stackTraceLimit = stackTraceLimit;", ""],
    ],
  ),
  ...changed(
    "compiler/passes/simplify.ts",
    [onPasses],
    [
      ["nothing is simplified", "applyRules(graph, rules)", "applyRules(graph, {})"],
      [
        "0 - b is b",
        "sub: (match) => otherThan(0, match, 1)",
        "sub: (match) => otherThan(0, match, 0) ?? otherThan(0, match, 1)",
      ],
      [
        "0 · b is b",
        "mul: (match) => otherThan(1, match, 0) ??",
        "mul: (match) => otherThan(0, match, 0) ?? otherThan(1, match, 0) ??",
      ],
      [
        "1 / b is b",
        "div: (match) => otherThan(1, match, 1)",
        "div: (match) => otherThan(1, match, 0) ?? otherThan(1, match, 1)",
      ],
      [
        "one negation is none",
        'inner.op === "neg" ? rebuilt(at(inner.operands, 0)) : undefined',
        "rebuilt(at(node.operands, 0))",
      ],
      [
        "a padded 1 is 1 everywhere",
        'node.op === "broadcast" || node.op === "reshape"',
        'node.op === "broadcast" || node.op === "reshape" || node.op === "pad"',
      ],
      ["a repeated 1 is no 1", 'node.op === "broadcast" || node.op === "reshape"', 'node.op === "reshape"'],
    ],
  ),
  ...changed(
    "compiler/passes/dead.ts",
    [onDead],
    [
      [
        "nothing is dead",
        "return { scan: (node, id, operands) => pruneScan(node, operands, read.get(id) ?? new Set()) };",
        "return {};",
      ],
      [
        "ys that are equal stay twice",
        "ys.filter((i, k) => ys.findIndex((j) => body.outputs[j] === body.outputs[i]) === k)",
        "ys",
      ],
      ["the first y for every y", "results.ys[keptYs.findIndex((j) => body.outputs[j] === id)]", "results.ys[0]"],
    ],
  ),
  ...changed(
    "compiler/graph/live.ts",
    [onDead, "test/gpu/missing-entries.test.ts"],
    [
      ["results stay that nobody reads", "new Set(read);", "new Set(body.outputs.keys());"],
      ["carries stay that nobody reads", "new Set(read);", "new Set([...read, ...Array(carries).keys()]);"],
      ["carries that only carries read are dropped", "if (found.length === 0) return", "if (found.length >= 0) return"],
      [
        "carries that carries of carries read are dropped",
        "for (const i of found) live.add(i);",
        "for (const i of found) live.add(i);\n    return [...live].sort((a, b) => a - b);",
      ],
      ["a loop needs all that it is given", "if (live.ids.has(input)) ids", "ids"],
      ["of a loop every result is read", "read.get(id) ?? new Set()", "new Set(body.outputs.keys())"],
      ["a loop needs nothing outside", "if (live.ids.has(input)) ids.add", "if (live.ids.size < 0) ids.add"],
    ],
  ),
  ...changed(
    "compiler/passes/split-products.ts",
    ["test/passes/compile-cost.test.ts"],
    [
      ["a slice of a slice forgets the first start", "inner.attrs.start + start, size)", "start, size)"],
      ["slices of slices pile up", "sliceOfSlice(match) ?? sliceOfProduct(match)", "sliceOfProduct(match)"],
    ],
  ),
  ...changed(
    "compiler/passes/split-products.ts",
    [onProducts],
    [
      ["no product is taken apart", "dot: splitDot, ", ""],
      ["slices of products stay", " ?? sliceOfProduct(match)", ""],
      [
        "the first rows of W for every part",
        "return { id: operand, start: start - size",
        "return { id: operand, start: 0",
      ],
      [
        "the first columns of the left operand for every part",
        "slice(rebuilt(aId), aDepth, piece.start, piece.size)",
        "slice(rebuilt(aId), aDepth, 0, piece.size)",
      ],
      [
        "a slice of columns from the first",
        "slice(rebuilt(b), transposeB ? rank - 2 : rank - 1, start, size)",
        "slice(rebuilt(b), transposeB ? rank - 2 : rank - 1, 0, size)",
      ],
      [
        "a slice of rows from the first",
        "slice(rebuilt(a), transposeA ? rank - 1 : rank - 2, start, size)",
        "slice(rebuilt(a), transposeA ? rank - 1 : rank - 2, 0, size)",
      ],
      [
        "a transposed left operand's depth is its last axis",
        "const [aDepth, aRows] = transposeA ? [row, column] : [column, row];",
        "const [aDepth, aRows] = [column, row];",
      ],
      [
        "a transposed right operand's depth is its first axis",
        "const [bDepth, bColumns] = transposeB ? [column, row] : [row, column];",
        "const [bDepth, bColumns] = [row, column];",
      ],
      [
        "any axis is the joined one",
        'joined.op !== "concat" || joined.attrs.axis !== joinedAxis',
        'joined.op !== "concat"',
      ],
      [
        "any reshape keeps the last axis",
        "axis === shape.length - 1 && keepsLastAxis(graph, node)",
        "axis === shape.length - 1",
      ],
      [
        "one term of the sum is left",
        'if (product.op === "add") return add(part(at(product.operands, 0)), part(at(product.operands, 1)));',
        'if (product.op === "add") return part(at(product.operands, 0));',
      ],
    ],
  ),
  ...changed(
    "compiler/passes/invariant-carries.ts",
    [onPasses, onLoops],
    [
      ["no carry is fixed", "at(outputs, place - attrs.consts) === at(inputs, place)", "false"],
      [
        "a carry that takes another one's place is fixed",
        "at(outputs, place - attrs.consts) === at(inputs, place)",
        "inputs.includes(at(outputs, place - attrs.consts))",
      ],
      [
        "the last of an invariant carry is that of a moving one",
        "isInvariant(place) ? at(operands, place) : at(results.carries, moving.indexOf(place))",
        "at(results.carries, Math.max(0, moving.indexOf(place)))",
      ],
      [
        "carries move up",
        "at(results.carries, moving.indexOf(place))",
        "at(results.carries, Math.min(place - attrs.consts, moving.length - 1))",
      ],
    ],
  ),
  ...changed(
    "compiler/passes/hoist.ts",
    [onLoops, onPasses],
    [
      ["nothing leaves a loop", "scan: hoistFromScan", "scan: () => undefined"],
      [
        "invariant values change places",
        "products: products.map((id) => values.stacked(id))",
        "products: products.map((id) => values.stacked(id)).reverse()",
      ],
      ["what is the same in every step stays", "if (isWork(body, id)) invariants.push(id);", ""],
    ],
  ),
  ...changed(
    "compiler/passes/loop-values.ts",
    [onLoops, onPasses],
    [
      [
        "what depends on an x counts as invariant",
        "!this.#dependsOnCarry.has(id) && !this.#dependsOnXs.has(id)",
        "!this.#dependsOnCarry.has(id)",
      ],
      [
        "costly values are made twice",
        'entry.kind === "view" || (entry.kind === "elementwise" && entry.cheap)',
        'entry.kind !== "contraction"',
      ],
      ["a transposed product is one over time", "!node.attrs.transposeA && ", ""],
      [
        "a matrix of each step is the same in all",
        "this.isInvariant(at(node.operands, 1))",
        "this.canStack(at(node.operands, 1))",
      ],
    ],
  ),
  ...changed(
    "compiler/passes/sink.ts",
    [onLoops, onPasses],
    [
      [
        "nothing leaves a loop at its end",
        "({ scan: (node, _, operands) => sinkFromScan(outer, node, operands) })",
        "({ scan: () => undefined })",
      ],
      [
        "what a step chooses is chosen behind the loop",
        "[condition, b].every((operand) => this.#values.canStackCheaply(operand))",
        "true",
      ],
      [
        "a factor that stops at 0 keeps a sum in the loop",
        "(this.#values.isInvariant(other) || this.#stops(other, part))",
        "this.#values.isInvariant(other)",
      ],
      [
        "a factor stops where anything is 0",
        'isZero?.op !== "equal" || isZero.operands[0] !== part',
        'isZero?.op !== "equal"',
      ],
      ["products that only a y reads stay", "i >= attrs.carries ? planner.tail(id) : undefined;", "undefined;"],
      [
        "a carry that starts anywhere is a sum",
        "constantValue(outer, at(node.operands, attrs.consts + i)) === 0",
        "true",
      ],
      ["a sum that is read on its way is a sum", "this.#uses[carry] !== 1 || ", ""],
      ["a sum that is kept as it grows is a sum", " || this.#uses[next] !== 1", ""],
      ["anything that is added is added to the carry", " || !node.operands.includes(carry)", ""],
      ["what is scattered in the step stays", ' || node.op === "scatterAdd") return true;', ") return true;"],
      ["what comes in is summed inside", " || this.#values.xsOperand(id) !== undefined;", ";"],
      ["what goes out is summed inside", " || this.#ys.includes(id)", ""],
      [
        "sums look at each other in one direction",
        "for (let before = -1; before < sunk.size; )",
        "for (let before = -1; before < 0; )",
      ],
      ["anything is at hand", "return isKept && nodeAt", "return nodeAt"],
      [
        "the sum over the batch but not over time",
        "sum(x(step) as Float, [0, ...node.attrs.axes.map((axis) => axis + 1)])",
        "sum(x(step) as Float, [0, ...node.attrs.axes.map((axis) => axis)])",
      ],
      [
        "products by elements are summed",
        '["add", "sub", "neg", "concat", "pad"]',
        '["add", "sub", "neg", "concat", "pad", "mul"]',
      ],
      [
        "what changes from step to step is a factor",
        "(this.#values.isInvariant(other) || this.#stops(other, part)) && ",
        "",
      ],
      ["divisors are summed", 'op === "mul" ? [0, 1] : [0]', "[0, 1]"],
      ["every product is one over time", "node.attrs.transposeA && !node.attrs.transposeB", "true"],
      ["a sum is an operand of itself", "node.operands[0] === carry ? 1 : 0", "0"],
    ],
  ),
  ...changed(
    "compiler/passes/lookups.ts",
    [onLookups],
    [
      ["products of what was looked up stay", "dot: productOfLookup, ", ""],
      ["updates that are products stay", ", scatterAdd: scatterOfProducts", ""],
      ["rows that a mask hides are looked up", "if (mask === undefined) return x;", "if (mask !== null) return x;"],
      ["other rows are taken for hidden ones", " || constantValue(graph, other) !== 0", ""],
      ["columns that are hidden are taken for rows", "wide.attrs.axes.some((axis, i) => axis !== i)", "false"],
      ["one product for all that are added", "terms?.reduce((total, term) => add(total, term))", "terms?.[0]"],
      ["any table", "tableRows <= smallTable && ", ""],
      [
        "a reshape may cut rows apart before a product",
        "return lastAxis(graph, from) === lastAxis(graph, id) ? lookupOf(graph, from) : undefined;",
        "return lookupOf(graph, from);",
      ],
      [
        "a reshape may cut rows apart before a scatter",
        "return lastAxis(graph, from) === lastAxis(graph, id) ? addedProducts(graph, from, isReadOnce) : undefined;",
        "return addedProducts(graph, from, isReadOnce);",
      ],
      ["a product of two transposed operands is one of rows", "  if (node.attrs.transposeB) return undefined;\n", ""],
      [
        "updates that are products of columns",
        "node.aval.shape.length === 2 && !node.attrs.transposeA ? [{ product: node }] : undefined",
        "node.aval.shape.length === 2 ? [{ product: node }] : undefined",
      ],
      [
        "tables of matrices",
        "nodeAt(graph, table).aval.shape.length === 2 ? { table, indices } : undefined",
        "{ table, indices }",
      ],
    ],
  ),
  ...changed(
    "compiler/passes/unroll.ts",
    [onGraphs],
    [
      ["scans stay", 'if (typeof length !== "number") return', "if (true) return"],
      ["time runs forward whatever the scan says", "const t = reverse ? length - 1 - step : step;", "const t = step;"],
      ["every step starts from the beginning", "carries = results.slice(0, carryCount);", ""],
      [
        "ys in the order of computation",
        "rows[t] = results.slice(carryCount);",
        "rows[step] = results.slice(carryCount);",
      ],
      ["every step reads the first x", "pick(x, t)", "pick(x, 0)"],
    ],
  ),
  ...changed(
    "compiler/passes/specialize.ts",
    [onSizes],
    [
      [
        "inputs keep their symbols",
        "const aval = specializeAval(nodeAt(graph, id).aval, sizes);",
        "const { aval } = nodeAt(graph, id);",
      ],
      ["bodies keep their symbols", "body: specialize(node.attrs.body, sizes)", "body: node.attrs.body"],
      ["lengths keep their symbols", "length: dim(node.attrs.length), body", "body"],
      ["sizes of slices keep their symbols", "size: dim(node.attrs.size)", "size: node.attrs.size"],
      ["sizes as numbers are forgotten", 'typeof size === "number"\n', "size === 0\n"],
    ],
  ),
  ...changed(
    "compiler/graph/dim.ts",
    ["test/graph/graph.test.ts"],
    [
      [
        "a symbol stands once in a product",
        "mulDims(product, size ?? sizes[factor] ?? factor)",
        "size ?? sizes[factor] ?? factor",
      ],
      ["pieces of an axis are rounded down", "product * Math.ceil(evaluateDim(", "product * Math.floor(evaluateDim("],
      ["pieces of pieces forget the first cut", "inner.by * by)", "by)"],
      [
        "any multiple of pieces is the axis rounded up",
        "only?.of === size && only.by === coefficient",
        "only?.of === size",
      ],
      ["a product is cut inside parentheses", 'if (character === "*" && depth === 0)', 'if (character === "*")'],
    ],
  ),
];
