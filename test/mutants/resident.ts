/** @file Mutants of the schedule that keeps weights in registers, and of what it needs of a device. */
import { changed, type Mutant } from "./mutant.ts";

const onResident = "test/gpu/resident.test.ts";
const onSchedules = "test/plan/schedules.test.ts";
const onNeighbours = "test/gpu/neighbours.test.ts";

const onHeads = "test/plan/heads.test.ts";
const onStacks = "test/passes/stacks.test.ts";

export const residentMutants: readonly Mutant[] = [
  ...changed(
    "compiler/passes/stacks.ts",
    [onStacks],
    [
      [
        "a transposed operand is read without its flag",
        "transposeA: operands[0] === undefined ? transposeA : !transposeA",
        "transposeA",
      ],
      ["a matrix that every product has is repeated", "if (repeats.length === 0 || ", "if (repeats.length < 2 || "],
      ["vectors of a repeated matrix are read by rows", "side === 1 ? !transposeA : transposeB", "true"],
      ["products that are read are summed", "readersOf(at(node.operands, 0)).length > 1", "false"],
      ["sums over rows are a longer product", "summed.some((axis) => axis >= rank - 2)", "false"],
    ],
  ),
  ...changed(
    "compiler/passes/batch-in-front.ts",
    [onStacks],
    [
      ["what a loop returns stays transposed", "inBack(result, at(ys, i), 1)", "result"],
      ["what a loop reads stays transposed", "inFront(operand, at(xs, i), 1)", "operand"],
    ],
  ),
  ...changed(
    "compiler/plan/scan/rows-first.ts",
    [onHeads],
    [
      [
        "a transposition does not see where axes are now",
        "permutation.filter((axis) => axis !== rows)].map(place)",
        "permutation.filter((axis) => axis !== rows)]",
      ],
      [
        "matrices for columns are read as those for rows",
        "transposeB: rowsOfA ? transposeB : !transposeA",
        "transposeB",
      ],
    ],
  ),
  ...changed(
    "compiler/plan/scan/persistent-plan.ts",
    [onHeads],
    [
      ["heads are always rows", "  if (choice.plan !== undefined) return choice;\n", ""],
      ["weights of all heads stay or none", "apart.heads === undefined && apart.joined === undefined", "true"],
    ],
  ),
  ...changed(
    "compiler/plan/scan/heads.ts",
    [onHeads],
    [
      ["sums over heads do not cross them", "isSplit && node.attrs.axes.includes(1) ? no : copy(kind)", "copy(kind)"],
      ["products of whole states do not cross heads", "if (shape.length < 4 || !isSplit) return no;\n", ""],
      ["all heads read the first", "index.mul(index.mod(row, count), index.dim(at(shape, 1)))", "index.dim(0)"],
      [
        "what heads share is cut into heads",
        'if (value.kind === "whole") return crosses("a value that all heads of a row share", heads);',
        "",
      ],
      ["each head has a mask of its own", "if (isWhole || first === undefined)", "if (first === undefined)"],
    ],
  ),
  ...changed(
    "compiler/plan/scan/residency.ts",
    [onResident, onSchedules],
    [
      ["a depth may be cut in the middle of a weight", "depth % slices === 0", "true"],
      ["rows never wait for each other", "Math.max(latency / together, issue)", "Math.max(latency, issue)"],
      ["lanes cost nothing", "Math.max(latency, issue, 2 * (weights + 80 + 30 * functions))", "latency"],
      ["weights cost nothing", "5.5 * weights", "0 * weights"],
      ["registers hold any number of weights", " && registersOf(slices) <= heldBy(columns * slices)", ""],
      ["a tuning's registers are the table's", "tuning.weightRegisters ?? ", ""],
      ["a tuning chooses no lanes", "tuned ?? ", ""],
      ["each lane has all registers", "registers.total / lanes", "registers.total"],
      ["a workgroup has any number of lanes", "columns * slices <= limit", "true"],
      ["slices overlap", "? 4 : 0", "? -4 : 0"],
      ["subgroups are as large as wanted", "slices <= neighbours", "slices > 0"],
    ],
  ),
  ...changed(
    "compiler/plan/scan/resident-products.ts",
    [onResident],
    [
      ["neighbours add first lanes of other columns", "w.fromLaneXor(sum, apart)", "w.fromLaneXor(sum, 1)"],
      [
        "all lanes of a column multiply the same slice",
        "index.mul(index.of(this.#slice), index.dim(depth / slices))",
        "index.dim(0)",
      ],
      ["a lane alone does not know its numbers", "slices === 1 ? writer.u32(0) : ", ""],
      ["an index along any depth is in the lane's own slice", "known?.depth === width", "known !== undefined"],
      ["all lanes of a column store", "count === 1 ? this.#isSlice(0)", "count === 1 ? w.bool(true)"],
      ["lanes without a column store", "w.and(isAmong, exists)", "isAmong"],
      [
        "sums in memory are added from the left",
        'w.let(w.fresh("sum"), pairwise(w, all))',
        'w.let(w.fresh("sum"), all.reduce((a, b) => w.add(a, b)))',
      ],
      [
        "sums in memory are all the first",
        "w.load(array, w.bind(`lane ${s} of the column`, w.add(first, w.u32(s)), 0), slot(i))",
        "w.load(array, w.bind(`lane ${s} of the column`, w.add(first, w.u32(s)), 0), slot(0))",
      ],
      [
        "weights are 0 if there are steps",
        "writer.select(product.hasSteps, weight, writer.f32(0))",
        "writer.select(product.hasSteps, writer.f32(0), weight)",
      ],
    ],
  ),
  ...changed(
    "compiler/plan/scan/ahead.ts",
    [onResident],
    [
      [
        "the next step reads what this one read",
        "this.#later(this.#time.steps, 1)",
        "this.#later(this.#time.steps, 0)",
      ],
      ["a token is found a step late", "this.#later(this.#time.steps, 2)", "this.#later(this.#time.steps, 1)"],
      ["the second token is the first again", "this.#later(this.#time.first, 1)", "this.#later(this.#time.first, 0)"],
      [
        "a step after the last is read",
        "return w.min(w.add(steps, w.u32(more)), last);",
        "return w.add(steps, w.u32(more));",
      ],
      [
        "a chunk begins with values of the first step",
        "this.#time.index(this.#time.first), ...index",
        "this.#time.index(w.u32(0)), ...index",
      ],
    ],
  ),
  ...changed(
    "compiler/plan/scan/kept-carries.ts",
    [onResident],
    [
      ["a lane keeps the first state", "isSame(known.index, index)) this.#writer.assign", "false) this.#writer.assign"],
      ["no other lane reads a state", "known === undefined || this.#readInMemory.has(id)", "known === undefined"],
      ["states that only registers have are lost", "isInMemory ? [] :", "true ? [] :"],
    ],
  ),
  ...changed(
    "compiler/plan/scan/shared-functions.ts",
    [onResident],
    [
      ["functions that need each other are shared", "isCostly ? below + 1 : below", "below"],
      [
        "functions of all kinds are shared",
        "`${level} ${node.op} ${JSON.stringify(node.attrs)} ${node.aval.dtype}`",
        "`${level}`",
      ],
    ],
  ),
  ...changed(
    "compiler/plan/scan/resident-stages.ts",
    [onResident],
    [
      [
        "values are stored as soon as they are known",
        "inWorkgroup.push(() => stores.inWorkgroup(emitter, id, index, bound));",
        "stores.inWorkgroup(emitter, id, index, bound);",
      ],
      ["results of all lanes begin at one place", "lanes.choose(offsets)", "at(offsets, 0)"],
      ["every lane stores what it computed", "store.shared?.lane === lane % quad ?", "store.shared !== undefined ?"],
      ["lanes share functions by their slices", "lanes.chooseInQuad(arguments_)", "lanes.choose(arguments_)"],
    ],
  ),
  ...changed(
    "compiler/plan/scan/persistent-plan.ts",
    [onSchedules],
    [["a tuning of a persistent workgroup is left", "tuning.persistentRows !== undefined || ", ""]],
  ),
  ...changed(
    "compiler/plan/scan/persistent-plan.ts",
    [onResident],
    [
      [
        "stages without products run at other lanes than those with",
        "const isElement = stage",
        "const isElement = !stage && stage",
      ],
      [
        "what only its own column reads is in memory, too",
        "of residency === undefined ? [] : ofColumns)",
        "of ofColumns.slice(0, 0))",
      ],
    ],
  ),
  ...changed(
    "compiler/plan/scan/workgroup-rows.ts",
    [onResident],
    [
      [
        "lanes beyond the last element take part",
        "w.if(w.less(w.lane, w.u32(width)), () => {",
        "w.if(w.bool(true), () => {",
      ],
    ],
  ),
  ...changed(
    "compiler/kernel/evaluate/expressions.ts",
    ["test/kernel/evaluate.test.ts"],
    [
      ["a lane next to another is the one after it", "own ^ number", "own + number"],
      ["any slot exists", "which >= slots", "which < 0"],
    ],
  ),
  ...changed(
    "compiler/kernel/builder.ts",
    [onResident],
    [
      [
        "a register that a loop keeps is known outside of it",
        "value.type, this.depth);\n    at(this.#blocks, 0)",
        "value.type, 0);\n    at(this.#blocks, 0)",
      ],
    ],
  ),
  ...changed(
    "compiler/kernel/builder.ts",
    ["test/kernel/verify.test.ts"],
    [
      [
        "what is written at an earlier place knows what comes after",
        "const known = new Map(memo);",
        "const known = memo;",
      ],
    ],
  ),
  ...changed(
    "compiler/kernel/evaluate/expressions.ts",
    [onResident],
    [["four neighbours are the first four lanes", "own - (own % 4) + number", "number"]],
  ),
  ...changed(
    "runtime/neighbours.ts",
    [onNeighbours],
    [
      ["one invocation speaks for all", "both & bits", "both | bits"],
      [
        "a distance holds though a smaller one does not",
        "if ((all & (1 << bit)) === 0) break;",
        "if ((all & (1 << bit)) === 0) continue;",
      ],
    ],
  ),
];
