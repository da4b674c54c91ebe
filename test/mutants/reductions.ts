/** @file Mutants of reductions that many lanes share, and long ones that many workgroups share. */
import { changed, type Mutant } from "./mutant.ts";

const onShared = "test/gpu/shared-reductions.test.ts";
const onReductions = "test/gpu/reductions.test.ts";
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
        "const first = w.mul(w.div(this.member, w.u32((this.#layout.size / left) * read)), w.u32(read));",
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
        "rememberLoop(emitter, region, result, position, value);",
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
];
