/** @file Mutants of reductions that many lanes share, and long ones that many workgroups share. */
import { changed, type Mutant } from "./mutant.ts";

const onShared = "test/gpu/shared-reductions.test.ts";
const onReductions = "test/gpu/reductions.test.ts";
const onTeams = "test/gpu/team-stages.test.ts";
const onLongSums = "test/gpu/long-sums.test.ts";

export const reductionMutants: readonly Mutant[] = [
  ...changed(
    "compiler/plan/emit/lane-teams.ts",
    [onShared, onReductions],
    [
      [
        "lanes exchange with the next one only",
        "join(own, w.fromLaneXor(own, apart))",
        "join(own, w.fromLaneXor(own, 1))",
      ],
      ["subgroups are as large as a team", "inARow ? Math.min(neighbours, size) : 1", "inARow ? size : 1"],
      [
        "teams side by side exchange with their neighbours",
        "inARow ? Math.min(neighbours, size) : 1",
        "Math.min(neighbours, size)",
      ],
      ["parts in memory are combined from the left", "inPairs(all, join)", "all.reduce(join)"],
      [
        "every lane reads the first parts",
        "const first = w.mul(w.div(this.member, w.u32((this.layout.size / left) * read)), w.u32(read));",
        "const first = w.u32(0);",
      ],
      ["an exchange may fill any memory", "parts.length > together", "parts.length > 1e6"],
      ["an odd part is lost", "b === undefined ? a : join(a, b)", "b === undefined ? at(terms, 0) : join(a, b)"],
    ],
  ),
  ...changed(
    "compiler/plan/emit/shared-reduction.ts",
    [onShared, onLongSums],
    [
      ["a term beyond the last counts", "writer.select(exists, value, none)", "value"],
      ["a term beyond the last is 0 in every reduction", " ${none.id}`, writer.select", "`, writer.select"],
      [
        "all chunks are the first",
        'writer.let("chunk", writer.rem(group, writer.u32(chunks)))',
        'writer.let("chunk", writer.u32(0))',
      ],
      ["all chunks begin at the first term", "writer.mul(writer.mul(chunk, turns), number(step))", "number(0)"],
      ["a position beyond the last is read", 'writer.let("position", writer.min(own, last))', "own"],
      ["the second kernel adds up the first chunks only", "length: chunks / work.down }", "length: 1 }"],
      ["a block begins at the first turn", "writer.add(start, turn)", "turn"],
      ["a block has no sum of its own", "running.inPart(() => {", "[0].forEach(() => {"],
      [
        "a later loop does not wait for this one's result",
        "rememberLoop(emitter, region, at(group, i).result, position, value);",
        "",
      ],
      [
        "the last block is as long as the others",
        "writer.min(number(turnsOfBlock), writer.sub(turns, start))",
        "number(turnsOfBlock)",
      ],
    ],
  ),
  ...changed(
    "compiler/plan/emit/shared-work.ts",
    [onShared],
    [
      ["loops that wait for others are cut into chunks", "isOneLoop && terms", "terms"],
      ["no reduction is cut into chunks", "terms / down >= manyTerms", "false"],
      ["columns are shared like rows", "node.attrs.axes.includes(shape.length - 1)", "node.attrs.axes.length > 0"],
    ],
  ),
  ...changed(
    "compiler/plan/scan/teams.ts",
    [onTeams],
    [
      ["lanes without an element stay in their own subgroup", "Math.min(most, 2 * near)", "fewLanes"],
      ["software adapters share reductions too", 'target !== "gpu"', 'target === "cpu"'],
      ["a team has the lanes of all rows", "workgroupSize / Math.max(1, arrangedRows * width)", "workgroupSize"],
      [
        "one lane has the only number of a row, and the others nothing",
        "shape.rows === 1 && shape.widthOf(stage) === 1",
        "shape.rows === 0",
      ],
      [
        "a later stage exchanges as much as an earlier one",
        "Math.max(elements.get(key) ?? 0, exchangedElements(layout, loops.length))",
        "exchangedElements(layout, loops.length)",
      ],
      ["sums of integers exchange in memory of floats", "${layout.count} ${dtype}`", "${layout.count} f32`"],
    ],
  ),
  ...changed(
    "compiler/plan/scan/fit-rows.ts",
    [onTeams],
    [["memory for exchanges is taken for granted", "return ofValues + ofTeams + ", "return ofValues + "]],
  ),
  ...changed(
    "compiler/plan/scan/fit-rows.ts",
    ["test/gpu/order-of-sums.test.ts"],
    [
      [
        "lanes are arranged by the memory that subgroups leave",
        "Math.max(...allNeighbours.map((near) => bytesOf(1, near)))",
        "bytesOf(1, neighbours)",
      ],
      ["all partial sums are exchanged at once", "while (sumsTogether > 1 && ", "while (sumsTogether < 1 && "],
    ],
  ),
  ...changed(
    "compiler/plan/scan/teams.ts",
    ["test/gpu/order-of-sums.test.ts"],
    [
      [
        "teams are as large as the rows that fit let them be",
        "Math.max(1, arrangedRows * width)",
        "Math.max(1, rows * width)",
      ],
    ],
  ),
  ...changed(
    "compiler/plan/scan/persistent.ts",
    ["test/gpu/order-of-sums.test.ts"],
    [["as many rows are the same sums", " && orderOfSums(before) === orderOfSums(own)", ""]],
  ),
  ...changed(
    "compiler/plan/scan/team-stages.ts",
    [onTeams],
    [
      [
        "lanes beyond the last element count",
        "w.if(w.less(w.lane, w.u32(terms)), () => {",
        "w.if(w.bool(true), () => {",
      ],
      ["every row is the first", "w.index.div(own, w.index.dim(width))", "w.index.dim(0)"],
      ["every lane stores", "w.if(teams.isFirst, () => {", "w.if(w.bool(true), () => {"],
      [
        "teams of many positions have one element to a lane",
        "plan.arrangedRows * count > 1 || terms > size",
        "terms > size",
      ],
      ["a number of all lanes changes with a state", 'w.let(w.fresh("uniform"), value)', "value"],
    ],
  ),
  ...changed(
    "compiler/plan/scan/persistent-plan.ts",
    [onTeams],
    [
      [
        "a state that is passed on is in registers only",
        'if (nodeAt(body, id).op !== "input") slots.delete(id);',
        "slots.delete(id);",
      ],
    ],
  ),
  ...changed(
    "compiler/plan/scan/persistent-kernel.ts",
    [onTeams],
    [["what all lanes have is computed again", "return this.#inAllLanes.get(id);", "return undefined;"]],
  ),
  ...changed(
    "compiler/plan/scan/persistent-stages.ts",
    [onTeams],
    [["a register is not written", "if (register !== undefined) w.assign(register, value);", ""]],
  ),
  ...changed(
    "compiler/plan/emit/lane-teams.ts",
    [onTeams],
    [["lanes in no team store", "[isFirst, this.#counts].filter", "[isFirst].filter"]],
  ),
];
