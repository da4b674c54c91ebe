/** @file Mutants of products in blocks: their loop, their tiles, a depth that workgroups share, and who shares a kernel. */
import { changed, type Mutant } from "./mutant.ts";

const products = "test/gpu/products.test.ts";
const scatters = "test/gpu/scatter-chunks.test.ts";
const inBlocks = "test/gpu/product-blocks.test.ts";

export const productMutants: readonly Mutant[] = [
  ...changed(
    "compiler/plan/emit/blocks.ts",
    [products],
    [
      ["products of any left operand share its block", "phase.left === left && ", ""],
      ["a left operand is read one way", "phase.transposed === attrs.transposeA && ", ""],
      [
        "every matrix of a stack is the first",
        "index.of(writer.div(block, perMatrix), sizeOf(batch))",
        "index.of(writer.u32(0), sizeOf(batch))",
      ],
    ],
  ),
  ...changed(
    "compiler/plan/emit/blocks.ts",
    [inBlocks],
    [["workgroups share the first chunk", "writer.rem(group, number(chunks))", "number(0)"]],
  ),
  ...changed(
    "compiler/plan/emit/block-fetching.ts",
    [inBlocks],
    [
      [
        "past the depth the last element counts again",
        "w.select(isBelow(at(steps, 0)), w.vector(values),",
        "w.select(w.bool(true), w.vector(values),",
      ],
      [
        "past the depth the last element of a vector counts again",
        "w.select(isBelow(at(steps, e)), value, zero)",
        "w.select(isBelow(at(steps, 0)), value, zero)",
      ],
      ["operands are read along the rows, however they lie", "panel.depthFirst ? [own, k] : [k, own]", "[k, own]"],
      ["vectors are read element by element", "w.inVectors(() => panels.map(read))", "panels.map(read)"],
    ],
  ),
  ...changed(
    "compiler/plan/emit/block-products.ts",
    [inBlocks],
    [
      [
        "the left operand as if it were transposed",
        "panel(0, left, !transposed, ofRows)",
        "panel(0, left, transposed, ofRows)",
      ],
      [
        "the right operand as if it were transposed",
        "panel(i + 1, right, depthFirst, ofColumns)",
        "panel(i + 1, right, !depthFirst, ofColumns)",
      ],
      ["an odd block is left out", "w.if(w.equal(w.rem(turns, two), w.u32(1)), () => multiply(0));", "{}"],
      ["an odd block of a known depth is left out", "else if (known % 2 === 1) {", "else if (known < 0) {"],
      ["the rest of the depth is left out", "if (!isWhole) rest();", ""],
      [
        "the next block replaces the one that is multiplied",
        "this.#fetching.store(panels, 1, one)",
        "this.#fetching.store(panels, 0, one)",
      ],
      [
        "the first step of a block is that of the block before",
        "this.#operands(panels, buffer === 0 ? 1 : 0, 0)",
        "this.#operands(panels, buffer, 0)",
      ],
      [
        "the first block of a phase is that of the phase before",
        "const panels = this.#panelsOf(phase);\n    const zeros",
        "const panels = this.#panelsOf({ ...phase, left: phase.left - 1 });\n    const zeros",
      ],
      [
        "a loop of three blocks multiplies the second twice",
        "if (isOnce) this.#fetching.store(panels, 0, fetch(startOf(last)));",
        "",
      ],
      ["any number of right operands fits in memory", "panelBytes(shape, rights) <= workgroupBytes", "rights > 3"],
    ],
  ),
  ...changed(
    "compiler/plan/emit/block-panels.ts",
    [inBlocks],
    [
      ["lanes of a tile read the same part of the depth", "w.mul(this.#slice, w.u32(sliceStride))", "w.u32(0)"],
      [
        "vectors along the depth have the numbers of its first step",
        "at(vectors, i), Number(step))",
        "at(vectors, i), 0)",
      ],
      ["rows of a group are one row", "this.#within(side, first, pass * perPass)", "this.#within(side, first, 0)"],
    ],
  ),
  ...changed(
    "compiler/plan/memory/slabs.ts",
    [inBlocks],
    [
      [
        "values begin anywhere",
        'typeof size === "number" || this.#layout === "vectors" ? aligned(size) : size',
        'typeof size === "number" ? aligned(size) : size',
      ],
    ],
  ),
  ...changed(
    "compiler/plan/emit/block-tile.ts",
    [inBlocks],
    [
      ["rows past the end are stored", "...(fits(m, rowsOf(shape)) ? [] :", "...(rowsOf(shape) > 0 ? [] :"],
      ["columns past the end are stored", "fits(n, columnsOf(shape)) || !isWhole", "columnsOf(shape) > 0 || !isWhole"],
      [
        "vectors are stored past the last column",
        'const isWhole = typeof n === "number" && n % 4 === 0;',
        "const isWhole = true;",
      ],
      [
        "the last lane of a tile has its sum",
        "reduce<Expr>((total, part) => writer.add(total, part),",
        "reduce<Expr>((_, part) => part,",
      ],
      [
        "exchanged rows lie in one slot",
        "writer.storeInSlot(memory, number(slot),",
        "writer.storeInSlot(memory, number(0),",
      ],
    ],
  ),
  ...changed(
    "compiler/plan/emit/split-depth.ts",
    [inBlocks],
    [
      [
        "chunks go on past the end",
        "writer.min(writer.add(start, length), writer.size(depth))",
        "writer.add(start, length)",
      ],
      ["chunks without a sum count", "writer.less(writer.bound(chunk), used)", "writer.bool(true)"],
      [
        "parts of a chunk replace each other",
        "writer.select(isFirst, writer.f32(0),",
        "writer.select(writer.bool(true), writer.f32(0),",
      ],
      ["chunks of any depth are one sum", "mostOfLane > mostTerms", "mostOfLane < 0"],
    ],
  ),
  ...changed(
    "compiler/plan/emit/scatter-chunks.ts",
    [scatters],
    [
      [
        "updates of the last row alone count",
        "index.mul(index.of(row), index.dim(columns))",
        "index.mul(index.of(row0), index.dim(columns))",
      ],
      [
        "updates past the end count",
        "writer.and(exists, writer.less(row, number(mostRows)))",
        "writer.less(row, number(mostRows))",
      ],
      [
        "parts of a chunk replace each other",
        "writer.select(isFirst, writer.f32(0),",
        "writer.select(writer.bool(true), writer.f32(0),",
      ],
      [
        "the sums of a part count in the next",
        "writer.storeInSlot(sums, row, lane, writer.f32(0))",
        "writer.storeInSlot(sums, row, lane, writer.load(sums, lane, row))",
      ],
      ["chunks without a sum count", "writer.less(writer.bound(chunk), used)", "writer.bool(true)"],
    ],
  ),
  ...changed(
    "compiler/plan/outside-loops.ts",
    ["test/plan/dispatch-counts.test.ts"],
    [
      [
        "scatters share a kernel with blocks",
        "(needMuch ? undefined : [...kernels.keys()].find((key) => needNone || isRoomy(key)))",
        "[...kernels.keys()].find((key) => needNone || isRoomy(key))",
      ],
    ],
  ),
  ...changed(
    "compiler/plan/stages/components.ts",
    [inBlocks],
    [
      [
        "a value is overwritten while others read it",
        "if ((isOwn && !apart.has(next)) || shared.has(next)) join",
        "if (isOwn && !apart.has(next)) join",
      ],
      [
        "what is computed from one product runs apart",
        "if ((isOwn && !apart.has(next)) || shared.has(next)) join",
        "if (shared.has(next)) join",
      ],
      [
        "products stay with whatever has their size",
        "if (apart.length === 0 || parts.length === 1)",
        "if (parts.length > 0)",
      ],
    ],
  ),
  ...changed(
    "compiler/plan/outside-loops.ts",
    [inBlocks],
    [["one kernel serves all sizes", "keys[i + 1] !== keys[i]", "keys[i + 1] === undefined"]],
  ),
  ...changed(
    "compiler/plan/emit/block-shape.ts",
    [inBlocks],
    [
      [
        "blocks of any shape share a kernel",
        "return `${rows} ${columns} ${rowLanes} ${columnLanes} ${slices} ${steps}`;",
        'return [rows, columns, rowLanes, columnLanes, slices, steps].length > 0 ? "one" : "";',
      ],
      ["tiles are small on any GPU", "laneRegisters >= largeTile", "laneRegisters > 512"],
      ["tiles are large on any GPU", "laneRegisters >= largeTile", "laneRegisters > 0"],
    ],
  ),
];
