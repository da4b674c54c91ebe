/**
 * @file Long products on a CPU. A workgroup owns some rows of a panel of columns and goes through the depth in blocks:
 * it copies each block of the right operands to its own memory, one depth step after another, and then walks over its
 * rows with the block in the cache (Goto & van de Geijn 2008, "Anatomy of high-performance matrix multiplication").
 * Each block yields a partial sum, which is added to the previous ones, so a number is rounded at most once per block
 * and once per term of a block.
 */
import { mulDims, sameShape, sizeOf } from "../../graph/dim.ts";
import { at, InternalError } from "../../graph/errors.ts";
import { type NodeId, nodeAt } from "../../graph/graph.ts";
import type { Index } from "../../kernel/index-arithmetic.ts";
import type { Expr, LocalArray, Variable } from "../../kernel/ir.ts";
import type { Accumulator } from "../stages/accumulators.ts";
import { loopExtentsOf } from "../stages/loops.ts";
import { chooseTile, type Tile, vectorLanes } from "../stages/tiles.ts";
import type { Emission, Form, FormContext } from "./form.ts";
import { flatPosition, rememberLoop, startLoop } from "./loops.ts";
import { storeRoots } from "./stage.ts";
import { tileOrRows } from "./vectors.ts";

/** Depth steps copied at a time. */
const blockDepth = 256;
/**
 * Distance in steps from one group of four rows to the next: one more than the block, so that groups do not all map to
 * one cache line.
 */
const spacing = blockDepth + 1;
/** Rows of a workgroup: the copied block serves all of them. */
const mostRows = 128;
/** Vectors that a row of the left operands is multiplied by: a copied row serves all of them. */
const mostVectors = 16;
/** Numbers of rows and of depth steps from which copying pays off. */
const fewRows = 16;
const fewSteps = 32;

export const vectorPanels: Form = {
  matches: (context) => {
    const { region, stage } = context;
    if (stage.form !== "tile") return false;
    const nodes = stage.loops.map((id) => nodeAt(region.graph, id));
    const [first] = nodes;
    if (first === undefined || !nodes.every(({ op, aval }) => op === "dot" && sameShape(aval.shape, first.aval.shape)))
      return false;
    const depths = stage.loops.map((id) => at(loopExtentsOf(region, id), 0));
    const [depth] = depths;
    const { m } = panelsOf(context);
    const isStrided = nodes.some((node) => node.op === "dot" && node.attrs.transposeB);
    return (
      depths.every((each) => each === depth) &&
      (typeof m !== "number" || m >= fewRows) &&
      (isStrided || typeof depth !== "number" || depth >= fewSteps)
    );
  },
  grid: (context) => {
    const { batch, m, n, width } = panelsOf(context);
    const count = sizeOf(batch);
    const rows = { rows: [m], rowsPer: mostRows } as const;
    if (typeof n === "number") return { ...rows, columns: [mulDims(count, Math.ceil(n / width))], lanes: 1 };
    return { ...rows, columns: [mulDims(count, n), mulDims(count, vectorLanes - 1)], lanes: vectorLanes };
  },
  lanes: () => vectorLanes,
  emit: emitPanels,
};

/**
 * Where a tile is: its first row, counted from the workgroup's first, the group of four rows that contains it, and its
 * index in that group.
 */
interface TilePlace {
  readonly top: Expr;
  readonly four: Expr;
  readonly rest: Expr;
  /** Which of the workgroup's panels contains its columns. */
  readonly panel: Expr;
}

/** Sums that read the same left operands, and so are accumulated together in their own tiles. */
interface SumGroup {
  readonly accumulators: readonly Accumulator[];
  readonly tile: Tile;
}

function panelsOf({ region, stage, tiles }: FormContext) {
  const { shape } = nodeAt(region.graph, at(stage.loops, 0)).aval;
  const [m, n] = [at(shape, shape.length - 2), at(shape, shape.length - 1)];
  const byLeft = new Map<string, Accumulator[]>();
  for (const accumulator of stage.accumulators) {
    const left = accumulator.loops.map((id) => nodeAt(region.graph, id).operands[0]).join();
    byLeft.set(left, [...(byLeft.get(left) ?? []), accumulator]);
  }
  const groups = [...byLeft.values()].map((accumulators): SumGroup => {
    return { accumulators, tile: chooseTile(m, n, accumulators.length, tiles) };
  });
  const widest = Math.max(...groups.map(({ tile }) => tile.columns));
  let vectors = widest;
  const isSplit = () => typeof n === "number" && n % (2 * vectors * vectorLanes) === 0;
  while (2 * vectors * stage.accumulators.length <= mostVectors && isSplit()) vectors *= 2;
  return { shape, batch: shape.slice(0, -2), m, n, groups, vectors, width: vectors * vectorLanes };
}

function emitPanels({ emitter, region, stage, tiles, store }: Emission): void {
  const { writer } = emitter;
  const { index, group, lane } = writer;
  const { shape, batch, m, n, groups, vectors, width } = panelsOf({ region, stage, tiles });
  const number = (value: number) => writer.u32(value);
  const roundedUp = (size: Expr, by: number) => writer.div(writer.add(size, number(by - 1)), number(by));
  const rowCount = writer.size(m);
  const blocks = writer.let("blocks", roundedUp(rowCount, mostRows));
  const perMatrix = writer.let("perMatrix", writer.mul(blocks, roundedUp(writer.size(n), width)));
  writer.leaveIf(writer.lessEqual(writer.mul(perMatrix, writer.size(sizeOf(batch))), group));
  const matrix = index.of(writer.div(group, perMatrix), sizeOf(batch));
  const outer = batch.length === 0 ? [] : emitter.indexAt(matrix, batch);
  const inMatrix = writer.let("inMatrix", batch.length === 0 ? group : writer.rem(group, perMatrix));
  const row0 = writer.let("row0", writer.mul(writer.rem(inMatrix, blocks), number(mostRows)));
  const rowsHere = writer.let("rowsHere", writer.min(number(mostRows), writer.sub(rowCount, row0)));
  const column0 = writer.let("column0", writer.add(writer.mul(writer.div(inMatrix, blocks), number(width)), lane));
  const columnAt = (c: Expr) => writer.add(column0, writer.mul(c, number(vectorLanes)));
  const across = Array.from({ length: vectors }, (_, c) => number(c));

  const depth = at(loopExtentsOf(region, at(stage.loops, 0)), 0);
  const kept = stage.accumulators.map(() => writer.sharedArray("f32", mostRows * width));
  const operands = new Map<NodeId, LocalArray>(
    stage.loops.map((id) => [id, writer.sharedArray("f32", blockDepth * width)]),
  );
  // In a transposed left operand rows are neighbours and depth steps are far apart, so it is copied too.
  const transposed = new Map<NodeId, LocalArray>();
  for (const id of stage.loops) {
    const { operands: given, attrs } = dotAt(id);
    const left = at(given, 0);
    if (attrs.transposeA && !transposed.has(left)) transposed.set(left, writer.sharedArray("f32", mostRows * spacing));
  }
  /** Offset of a row at a depth step: four rows next to each other, their steps one after another. */
  const offsetOfRow = (four: Expr, within: Expr, row: Expr) =>
    writer.add(writer.mul(writer.add(writer.mul(four, number(spacing)), within), number(vectorLanes)), row);
  const arrayOf = (id: NodeId): LocalArray => operands.get(id) ?? writer.sharedArray("f32", blockDepth * width);
  /** Offset of a vector at a depth step: the steps of a panel one after another. */
  const offsetOfStep = ({ columns }: Tile, panel: Expr, within: Expr, c: number) => {
    const step = writer.add(writer.mul(panel, number(blockDepth)), within);
    return writer.add(writer.mul(step, number(columns * vectorLanes)), writer.add(number(c * vectorLanes), lane));
  };
  /** Offset of a vector of a row in an array as wide as the workgroup. */
  const offsetAt = (row: Expr, c: Expr) =>
    writer.add(writer.add(writer.mul(row, number(width)), writer.mul(c, number(vectorLanes))), lane);

  const rowsAxis = { extent: mostRows, role: "rows" } as const;
  const everyRow = { axis: rowsAxis, first: number(0), end: rowsHere, step: number(1) } as const;
  writer.for({ ...everyRow, name: writer.fresh("row") }, (row) => {
    for (const array of kept) for (const c of across) writer.storeElement(array, offsetAt(row, c), writer.f32(0));
  });
  const every = { first: number(0), end: writer.size(depth), step: number(blockDepth) };
  writer.for({ axis: { extent: depth, role: "block" }, name: writer.fresh("block"), ...every }, (first) => {
    const left = writer.sub(writer.size(depth), first);
    const end = writer.let(writer.fresh("end"), writer.min(number(blockDepth), left));
    const steps = { axis: { extent: depth, role: "depth" }, first: number(0), end, step: number(1) } as const;
    const overSteps = (write: (k: Expr, within: Variable) => void) =>
      writer.for({ ...steps, name: writer.fresh("within") }, (within) =>
        write(writer.let(writer.fresh("k"), writer.add(first, within)), within),
      );
    overSteps(copyStep);
    const tilesOfRows = { axis: rowsAxis, name: writer.fresh("tile"), first: number(0), end: rowsHere };
    const overTiles = ({ tile: { rows, columns } }: SumGroup, write: (panel: Expr, start: Expr) => void) => {
      const panels = vectors / columns;
      const every = { axis: { extent: panels, role: "columns" }, first: number(0), end: number(panels) } as const;
      writer.for({ ...every, name: writer.fresh("panel"), step: number(1) }, (panel) =>
        writer.for({ ...tilesOfRows, step: number(rows) }, (start) => write(panel, start)),
      );
    };
    for (const sumGroup of groups) {
      const { accumulators, tile } = sumGroup;
      overTiles(sumGroup, (panel, start) =>
        tileOrRows(writer, start, rowsHere, tile.rows, (top, rows) => {
          const sums = accumulators.map(({ loops }) =>
            Array.from({ length: rows * tile.columns }, () => startLoop(writer, region, at(loops, 0))),
          );
          const four = writer.let(writer.fresh("four"), writer.div(top, number(vectorLanes)));
          const rest = writer.let(writer.fresh("rest"), writer.rem(top, number(vectorLanes)));
          overSteps((k, within) => addStep(sumGroup, sums, { top, four, rest, panel }, k, within));
          for (const [i, registers] of sums.entries())
            for (const [p, register] of registers.entries()) {
              const row = writer.add(top, number(Math.floor(p / tile.columns)));
              const column = writer.add(writer.mul(panel, number(tile.columns)), number(p % tile.columns));
              const place = offsetAt(row, column);
              const array = at(kept, stage.accumulators.indexOf(at(accumulators, i)));
              writer.storeElement(array, place, writer.add(writer.load(array, place), register));
            }
        }),
      );
    }
  });

  const everyVector = { extent: vectors, role: "columns" } as const;
  writer.for({ ...everyRow, name: writer.fresh("row") }, (row) =>
    writer.for({ axis: everyVector, name: "c", first: number(0), end: number(vectors), step: number(1) }, (c) => {
      const column = writer.let(writer.fresh("column"), columnAt(c));
      const write = () => {
        const place = [...outer, index.of(writer.add(row0, row), m), index.of(column, n)];
        const position = flatPosition(emitter, emitter.positionOf(place, shape));
        for (const [i, { result }] of stage.accumulators.entries())
          rememberLoop(
            emitter,
            region,
            result,
            position,
            writer.let("sum", writer.load(at(kept, i), offsetAt(row, c))),
          );
        storeRoots(emitter, region, stage, position, store);
      };
      if (typeof n === "number" && n % width === 0) write();
      else writer.if(writer.less(column, writer.size(n)), write);
    }),
  );

  function dotAt(id: NodeId) {
    const node = nodeAt(region.graph, id);
    if (node.op !== "dot") throw new InternalError(`${node.op} %${id} among products`);
    return node;
  }

  function groupOf(id: NodeId): SumGroup {
    const found = groups.find(({ accumulators }) => accumulators.some(({ loops }) => loops.includes(id)));
    if (found === undefined) throw new InternalError(`%${id} is not a product of the stage`);
    return found;
  }

  /** Copies one depth step of the right operands, and of transposed left ones. */
  function copyStep(k: Expr, within: Expr): void {
    const step = index.of(k, depth);
    for (const [left, array] of transposed) {
      const fours = {
        axis: rowsAxis,
        name: writer.fresh("four"),
        first: number(0),
        end: roundedUp(rowsHere, vectorLanes),
      };
      writer.for({ ...fours, step: number(1) }, (four) => {
        const row = writer.add(writer.add(row0, writer.mul(four, number(vectorLanes))), lane);
        const value = emitter.value(region, left, [...outer, step, index.of(row, m)]);
        writer.storeElement(array, offsetOfRow(four, within, lane), value);
      });
    }
    for (const id of stage.loops) {
      const { operands: given, attrs } = dotAt(id);
      const { tile } = groupOf(id);
      for (const c of across.keys()) {
        const column = index.of(columnAt(number(c)), n);
        const value = emitter.value(region, at(given, 1), [
          ...outer,
          ...(attrs.transposeB ? [column, step] : [step, column]),
        ]);
        const [panel, own] = [Math.floor(c / tile.columns), c % tile.columns];
        writer.storeElement(arrayOf(id), offsetOfStep(tile, number(panel), within, own), value);
      }
    }
  }

  /** Adds the products of one step of the depth to the sums of rows of the workgroup, from `top` on. */
  function addStep(
    { accumulators, tile }: SumGroup,
    sums: readonly (readonly Variable[])[],
    rows: TilePlace,
    k: Expr,
    within: Expr,
  ): void {
    const step = index.of(k, depth);
    const { top, four, rest, panel } = rows;
    // Each value is loaded once: WebAssembly compilers do not merge equal loads.
    const loads = new Map<string, Expr>();
    const once = (array: LocalArray, place: Expr): Expr => {
      const key = `${array.name} ${place.id}`;
      const known = loads.get(key) ?? writer.let(writer.fresh("loaded"), writer.load(array, place));
      loads.set(key, known);
      return known;
    };
    const left = (id: NodeId, r: number): Expr => {
      const { operands: given, attrs } = dotAt(id);
      const array = transposed.get(at(given, 0));
      if (array !== undefined && attrs.transposeA) {
        // Tiles of more than four rows start at a group of four.
        const fourOfRow = writer.add(four, number(Math.floor(r / vectorLanes)));
        return once(array, offsetOfRow(fourOfRow, within, writer.add(rest, number(r % vectorLanes))));
      }
      const row: Index = index.of(writer.add(writer.add(row0, top), number(r)), m);
      return emitter.value(region, at(given, 0), [...outer, ...(attrs.transposeA ? [step, row] : [row, step])]);
    };
    // One sum after another: loaded values that wait would take up the registers of sums.
    for (const [i, { loops }] of accumulators.entries())
      for (const [p, register] of at(sums, i).entries()) {
        const r = Math.floor(p / tile.columns);
        const c = p % tile.columns;
        const total = loops.reduce<Expr>(
          (sum, id) =>
            writer.add(sum, writer.mul(left(id, r), once(arrayOf(id), offsetOfStep(tile, panel, within, c)))),
          register,
        );
        writer.assign(register, total);
      }
  }
}
