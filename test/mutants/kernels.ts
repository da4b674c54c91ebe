/** @file Mutants of what kernels do: indices, loops, tiles, blocks, barriers, and the loops over time. */
import { changed, type Mutant } from "./mutant.ts";

const onDevice = "test/gpu/ops.test.ts";
const products = "test/gpu/products.test.ts";
const reductions = "test/gpu/reductions.test.ts";
const onLowering = "test/gpu/lowering.test.ts";
const onLoops = "test/gpu/loops.test.ts";
const onArrays = "test/gpu/arrays.test.ts";
const onLongSums = "test/gpu/long-sums.test.ts";
const onNoSteps = "test/gpu/no-steps.test.ts";
const onIndices = "test/kernel/index-arithmetic.test.ts";

export const kernelMutants: readonly Mutant[] = [
  ...changed(
    "compiler/kernel/barriers.ts",
    ["test/kernel/barriers.test.ts"],
    [
      ["reads are written over", "!(a.writes || b.writes)", "!(a.writes && b.writes)"],
      ["invocations never wait", "this.#before.add(statement);", ""],
      ["an iteration does not wait for the last", "const iterations = 3;", "const iterations = 1;"],
      ["slots that alternate are one", "!isKnown || a.region.parity === b.region.parity", "true"],
      ["slots do not change places", "this.#done.get(base) ?? Number.NaN", "0"],
      ["whatever a slot follows is a counter", "this.#done.get(base) ?? Number.NaN", "this.#done.get(base) ?? 0"],
      ["loops by two are counters", 'step.kind === "literal" && step.value === 1', "true"],
      [
        "loops that only read wait in every iteration",
        " && this.#accessesOf(statement).some(({ writes }) => writes)",
        "",
      ],
      [
        "lanes that differ wait in a choice",
        'statement.kind === "if" && statement.condition.isUniform',
        'statement.kind === "if"',
      ],
      [
        "what is inside is not read",
        '"body" in statement ? statement.body.flatMap((inner)',
        '"body" in statement ? statement.body.slice(0, 0).flatMap((inner)',
      ],
      ["slots of an array are one access", "${one.array.name} ${one.slot?.id}", "${one.array.name}"],
      ["a write is no other access than a read", "${one.slot?.id} ${one.writes}", "${one.slot?.id}"],
      ["a barrier does not clear what was done", "      this.#pending = [];\n    }", "    }"],
    ],
  ),
  ...changed(
    "compiler/kernel/index-arithmetic.ts",
    [onIndices],
    [
      ["what is below one more is below", "bound <= limit;", "bound <= limit + 1;"],
      ["more multiples are lost", "return this.add(this.#times(more, d), joined);", "return joined;"],
      ["a joined multiple is not multiplied", "return x && this.#times(x, d);", "return x;"],
      ["a remainder by nothing", "if (d === 0 || d === 1) return this.dim(0);", "if (d === 1) return this.dim(0);"],
      ["a quotient by nothing", "if (d === 0) return this.dim(0);", ""],
      [
        "a quotient of a multiple forgets the rest",
        "this.add(split.multiple, this.div(split.rest, b))",
        "split.multiple",
      ],
      [
        "a remainder of a multiple is 0",
        "if (split !== undefined) return this.mod(split.rest, b);",
        "if (split !== undefined) return this.dim(0);",
      ],
      [
        "a quotient within a row is that of the whole",
        "return this.div(joined.high, this.dim(joined.times));",
        "return joined.high;",
      ],
      [
        "a remainder within a row forgets the column",
        "this.add(this.mul(this.mod(joined.high, this.dim(joined.times)), joined.factor), joined.low)",
        "this.mul(this.mod(joined.high, this.dim(joined.times)), joined.factor)",
      ],
      [
        "a quotient of a remainder does not turn",
        "return this.mod(this.div(cycle.of, b), this.dim(cycle.times));",
        "return this.div(cycle.of, b);",
      ],
      ["two divisions are one by the second", "this.dim(mulDims(earlier, d))", "this.dim(d)"],
      [
        "any quotient and remainder are one position",
        'form.kind === "div" && sizeOfIndex(form.b) === d && form.a.expr === x.expr',
        'form.kind === "div" && sizeOfIndex(form.b) === d',
      ],
      ["a quotient that turns is joined as one that does not", "this.mod(x, this.dim(mulDims(d, e)))", "x"],
      [
        "a sum is below its first operand's bound",
        "if (d !== undefined && b.bound !== undefined && fits(b.bound, d)) return a.bound;",
        "return a.bound;",
      ],
      ["a difference of sizes is 0", "return this.dim(x - y);", "return this.dim(0);"],
      [
        "anything times 0 is itself",
        "if (x === 0 || y === 0) return this.dim(0);",
        "if (x === 0 || y === 0) return a;",
      ],
    ],
  ),
  ...changed(
    "compiler/plan/emit/values.ts",
    ["test/passes/compile-cost.test.ts"],
    [["where a weight begins is written out", "if (part !== undefined) return part;", ""]],
  ),
  ...changed(
    "compiler/plan/emit/values.ts",
    [onDevice, onLowering, onLoops],
    [
      ["every piece that begins at 0 holds everywhere", "first === 0 && isBelow", "first === 0"],
      ["every piece that reaches the end holds everywhere", "first === 0 && isBelow", "isBelow"],
      ["pieces never hold where that is known", "return first <= i && i < end;", "return false;"],
      ["a piece's end is its extent", "index.sub(to, from)]", "to]"],
      [
        "values at all positions are one",
        '`${region.key}%${id}[${index.map(({ expr }) => expr.id).join(", ")}]`',
        "`${region.key}%${id}[${index.length}]`",
      ],
      ["values of nested loops are those of the outer", "`${region.key}%${id}[${index", "`%${id}[${index"],
    ],
  ),
  ...changed(
    "compiler/plan/emit/loops.ts",
    [products, onLowering, onLoops],
    [
      [
        "what lies past the end counts",
        "k.select(step.counts, right, k.literal(0, node.aval.dtype))",
        "k.select(step.counts, right, right)",
      ],
      ["the rest of an unrolled loop is left out", "if (rest > 0)", "if (rest > 9)"],
      ["the rest of an unrolled loop is the beginning", "index.dim(Number(depth) - rest + step)", "index.dim(step)"],
      ["every lane's row is the first lane's", "fromLane(value, shared.lane)", "fromLane(value, 0)"],
      [
        "lanes share rows that their columns tell apart",
        "if (index.some(({ expr }) => reads(expr, shared.columns))) return undefined;",
        "",
      ],
      [
        "lanes share rows that sums of their columns tell apart",
        " || operandsOf(expr).some((operand) => reads(operand, variables))",
        "",
      ],
      ["what one lane loaded is every lane's", "`shared ${shared.lane} ${valueKey", "`shared ${valueKey"],
      [
        "loops that wait for each other run as one",
        "!accumulator.loops.some((id) => dependsOn(region, id, others))",
        "others.length > 0",
      ],
      ["loops of other extents run as one", "if (last !== undefined && isAlike && ", "if (last !== undefined && "],
      ["a transposed left operand is read as it lies", "transposeA ? [k, m] : [m, k]", "[m, k]"],
      ["a transposed right operand is read as it lies", "transposeB ? [n, k] : [k, n]", "[k, n]"],
      [
        "axes that are reduced change places",
        "at(reduced, axes.indexOf(axis))",
        "at(reduced, axes.length - 1 - axes.indexOf(axis))",
      ],
    ],
  ),
  ...changed(
    "compiler/plan/emit/tree.ts",
    [reductions, onDevice, onArrays, products],
    [
      [
        "a tree that forgets the upper half",
        "combine(writer, node, own, writer.load(shared, writer.add(lane, half)))",
        "own",
      ],
      ["lanes of a tree read what their neighbours read", "writer.u32(treeLanes)];", "writer.u32(1)];"],
    ],
  ),
  ...changed(
    "compiler/plan/emit/stage.ts",
    [onLowering],
    [
      [
        "roots are stored one after the other",
        "return { id, index, value: emitter.compute(region, id, index) };",
        "const value = emitter.compute(region, id, index);\n    store(id, index, value);\n    return { id, index, value };",
      ],
    ],
  ),
  ...changed(
    "compiler/plan/emit/scatter.ts",
    [onArrays, onDevice, products, onLongSums],
    [
      [
        "scattered updates replace each other",
        'store(scatter, [rowOf(n), ...rest], updateOf(n, rest), "add")',
        'store(scatter, [rowOf(n), ...rest], updateOf(n, rest), "set")',
      ],
      [
        "a scatter adds to what was there",
        "(row) => store(scatter, [index.of(row, rows), ...rest], zero)",
        "() => undefined",
      ],
      ["scattered updates past the end are lost", "index.dim(node.attrs.rows - 1)", "index.dim(4294967295)"],
    ],
  ),
  ...changed(
    "compiler/plan/emit/scatter.ts",
    ["test/kernel/evaluate-programs.test.ts"],
    [["every row gets every update", "writer.equal(writer.bound(rowOf(n)), writer.bound(row))", "writer.bool(true)"]],
  ),
  ...changed(
    "compiler/plan/emit/scatter.ts",
    [onLongSums],
    [
      ["parts of scatters are not put aside", "if (!isLong(terms)) {", "if (rows > 0) {"],
      ["what is put aside counts on", "store(scatter, row, zero);", ""],
      ["parts of all columns lie in one place", "index.add(index.mul(part, index.dim(sizeOf(width))), column)", "part"],
    ],
  ),
  ...changed(
    "compiler/plan/emit/long-sums.ts",
    [onLongSums],
    [
      ["sums are not cut", "if (!parts.round || !isLong(terms)) {", 'if (start !== "") {'],
      ["parts of a sum start with the sum", "{ registers: registers.map(startPart), startPart }", "sum"],
      ["one block holds all terms", "k.shiftLeft(k.u32(1), half)", "k.u32(4294967295)"],
      ["one block holds all terms that are known", "1 << ((33 - Math.clz32(terms)) >> 1)", "terms"],
      ["more parts than there is room for", "mostBlocks === undefined ? root :", 'root !== "" ? root :'],
    ],
  ),
  ...changed(
    "compiler/plan/emit/loops.ts",
    [onLongSums],
    [
      [
        "short axes within are no part",
        "if (isShort(extents[axis + 1])) running.inPart(inner);",
        "if (axis < 0) inner();",
      ],
    ],
  ),
  ...changed(
    "compiler/kernel/mapping.ts",
    [onLowering, products, "test/gpu/mappings.test.ts"],
    [
      ["invocations beyond the last write", "k.leaveIf(k.lessEqual(count, first));", ""],
      [
        "a run goes past the last position",
        "k.min(k.add(first, k.u32(mapping.run)), count)",
        "k.add(first, k.u32(mapping.run))",
      ],
      [
        "runs start side by side",
        "k.mul(k.add(k.mul(k.group, k.u32(lanes)), k.lane), k.u32(run))",
        "k.add(k.mul(k.group, k.u32(lanes)), k.lane)",
      ],
      ["workgroups take too many positions", "lanes: lanes * run }", "lanes: lanes * run * 2 }"],
    ],
  ),
  ...changed(
    "compiler/plan/emit/tile.ts",
    [onLowering, products],
    [
      ["rows beyond the last are stored", "else writer.if(writer.less(row, rowCount), inside);", "else inside();"],
      ["columns of a tile lie side by side", "number(c * Number(stride))", "number(c)"],
      ["a lane loads the first rows for all", "writer.add(row0, number(i * sharingLanes))", "row0"],
    ],
  ),
  ...changed(
    "compiler/plan/emit/placed-builder.ts",
    [onDevice, onLowering, onLoops],
    [
      ["values of all buffers are one", "`load ${location.buffer} ${location.offset", "`load ${location.offset"],
      [
        "values of all places are one",
        '${location.buffer} ${location.offset.join("+")} ${index.expr.id}',
        "${location.buffer} ${index.expr.id}",
      ],
      [
        "all values lie at the start of their buffer",
        "return this.index.add(index, this.startAt(location.offset));",
        "return index;",
      ],
    ],
  ),
  ...changed(
    "compiler/kernel/builder.ts",
    [onDevice, onLowering, onLoops],
    [
      [
        "what is bound in a part is known in the next",
        "this.#blocks = [{ statements: [], memo: new Map() }];",
        "this.#blocks = [{ statements: [], memo: this.#blocks[0]?.memo ?? new Map() }];",
      ],
    ],
  ),
  ...changed(
    "compiler/plan/scan/scan-time.ts",
    [onLoops],
    [["time forward in a reversed scan", "if (!reverse) return count;", "return count;"]],
  ),
  ...changed(
    "compiler/plan/scan/persistent-stages.ts",
    [onLoops],
    [
      [
        "products are no stage",
        "w.stage(() => writeTiles(context, stage, emitter, width));",
        "writeTiles(context, stage, emitter, width);",
      ],
    ],
  ),
  ...changed(
    "compiler/plan/scan/persistent-kernel.ts",
    [onLoops],
    [
      ["a step writes what it reads", "w.add(this.#time.steps, w.u32(1))", "this.#time.steps"],
      [
        "carries are saved from where they started",
        "this.#values.load(id, index, this.#time.end, emitter)",
        "this.#values.load(id, index, this.#writer.u32(0), emitter)",
      ],
      ["carries are not loaded from the chunk before", "w.less(w.u32(0), first)", "w.less(w.u32(4000000), first)"],
    ],
  ),
  ...changed(
    "compiler/plan/scan/workgroup-values.ts",
    [onLoops],
    [
      ["a chunk starts at the beginning", "w.bitAnd(steps, w.u32(1))", "w.u32(0)"],
      [
        "rows of a workgroup overlap",
        "w.index.add(w.index.mul(local, w.index.dim(width)), inRow)",
        "w.index.add(local, inRow)",
      ],
    ],
  ),
  ...changed(
    "compiler/plan/scan/workgroup-rows.ts",
    ["test/cpu/graphs.test.ts"],
    [
      [
        "a CPU stores rows beyond the batch",
        "this.#rowsHere === undefined ? w.u32(count) :",
        "this.#rowsHere !== undefined ? w.u32(count) :",
      ],
    ],
  ),
  ...changed(
    "compiler/plan/scan/workgroup-rows.ts",
    [onLoops],
    [
      ["every workgroup owns the first rows", "w.mul(w.group, w.u32(this.#plan.rowsPerWorkgroup))", "w.u32(0)"],
      [
        "elements of all rows are of the first column",
        "w.index.of(w.rem(element, w.u32(width)), width)",
        "w.index.dim(0)",
      ],
      ["columns of a tile lie side by side", "w.u32(c * stride)", "w.u32(c)"],
    ],
  ),
  ...changed(
    "compiler/plan/scan/workgroup-rows.ts",
    ["test/kernels/kernels.test.ts"],
    [
      [
        "the only column has a name of its own",
        "w.index.below(column, sizeOf(rest))",
        "{ ...column, bound: sizeOf(rest) }",
      ],
    ],
  ),
  ...changed(
    "compiler/plan/scan/stepwise.ts",
    [onLoops],
    [
      ["steps read what they write", "clock.slot(emitter, 0), ...index]", "clock.slot(emitter, 1), ...index]"],
      [
        "the first step reads the slots",
        "writer.equal(clock.count(emitter).expr, writer.u32(0))",
        "writer.equal(clock.count(emitter).expr, writer.u32(99))",
      ],
      ["time forward in a reversed scan", "if (!this.#node.attrs.reverse) return count;", "return count;"],
      [
        "final carries are those of the first step",
        "emitter.writer.bound(this.#lastCount(emitter))",
        "emitter.writer.u32(0)",
      ],
      [
        "ys of all steps lie in one place",
        'leading === "time" ? this.time(emitter) : this.slot(emitter, 1)',
        'leading === "time" ? emitter.writer.index.dim(0) : this.slot(emitter, 1)',
      ],
      [
        "every step reads the first x",
        "[clock.time(emitter), ...index]);\n  const slot",
        "[emitter.writer.index.dim(0), ...index]);\n  const slot",
      ],
      ["a slot for both steps", "mulDims(2, sizeOf(aval.shape))", "sizeOf(aval.shape)"],
      ["inner loops count as the outer one does", "nesting: context.nesting + 1", "nesting: context.nesting"],
    ],
  ),
  ...changed(
    "compiler/plan/scan/stepwise.ts",
    [onNoSteps],
    [
      ["no steps leave what lay there", "if (values.length === 0 ||", "if (values.length < 99 ||"],
      [
        "no steps give every state the first one's place",
        "const to = results.get(i);",
        "const to = results.get(i * 0);",
      ],
      ["loops that are known to have no steps are written", "if (length === 0) return", "if (length === -1) return"],
    ],
  ),
  ...changed(
    "compiler/plan/emit/kernel.ts",
    [onNoSteps],
    [
      [
        "initial states are handed on from their start",
        ".valueAt(region, id, own)",
        ".valueAt(region, id, writer.index.dim(0))",
      ],
    ],
  ),
  ...changed(
    "compiler/plan/stages/tiles.ts",
    [products],
    [
      [
        "lanes share rows of tiles that do not lie side by side",
        "columnStride % sharingLanes === 0",
        "columnStride > 0",
      ],
      ["tiles leave out what is left of the columns", "columns % (tileColumns * 2) === 0 &&", "columns > 0 &&"],
    ],
  ),
];
