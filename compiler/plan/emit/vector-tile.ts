/**
 * @file Register tiles on a CPU: a workgroup is a tile, whose lanes own neighbouring columns, one or more vectors of
 * them, in several rows. Workgroups go over the rows first, so that the columns of the right operand that they share
 * stay in the cache; rows that do not fill a tile are computed one by one, by the same sums.
 */
import { type Dim, mulDims, sizeOf } from "../../graph/dim.ts";
import { at } from "../../graph/errors.ts";
import { nodeAt } from "../../graph/graph.ts";
import type { Expr } from "../../kernel/ir.ts";
import { chooseTile, type Tile, vectorLanes } from "../stages/tiles.ts";
import type { Emission, Form, FormContext } from "./form.ts";
import { flatPosition } from "./loops.ts";
import { emitPositions } from "./stage.ts";
import { ownedVectors, tileOrRows } from "./vectors.ts";

export const vectorTile: Form = {
  matches: ({ stage }) => stage.form === "tile",
  grid: (context) => {
    const { batch, m, n, tile } = tileOf(context);
    const count = sizeOf(batch);
    const rows = { rows: [m], rowsPer: tile.rows } as const;
    if (typeof n === "number") return { ...rows, columns: [mulDims(count, Math.ceil(n / widthOf(tile)))], lanes: 1 };
    // The size is not known yet: an upper bound, so some workgroups find nothing to do.
    return { ...rows, columns: [mulDims(count, n), mulDims(count, vectorLanes - 1)], lanes: vectorLanes };
  },
  lanes: () => vectorLanes,
  emit: emitTiles,
};

/** The product whose shape a stage follows, and the tile, whose columns are vectors. */
function tileOf({ region, stage, tiles }: FormContext) {
  const products = stage.loops.filter((id) => nodeAt(region.graph, id).op === "dot");
  const { shape } = nodeAt(region.graph, at(products, 0)).aval;
  const [m, n] = [at(shape, shape.length - 2), at(shape, shape.length - 1)];
  const tile = chooseTile(m, n, stage.accumulators.length, tiles);
  return { shape, batch: shape.slice(0, -2), m, n, tile };
}

function widthOf({ columns }: Tile): number {
  return columns * vectorLanes;
}

function emitTiles({ emitter, region, stage, tiles, store }: Emission): void {
  const { writer } = emitter;
  const { index, group } = writer;
  const { shape, batch, m, n, tile } = tileOf({ region, stage, tiles });
  const [rowCount, width] = [writer.size(m), writer.u32(widthOf(tile))];
  const blocks = writer.let("blocks", roundedUp(rowCount, writer.u32(tile.rows)));
  const panels = writer.let("panels", roundedUp(writer.size(n), width));
  const perMatrix = writer.let("perMatrix", writer.mul(blocks, panels));
  writer.leaveIf(writer.lessEqual(writer.mul(perMatrix, writer.size(sizeOf(batch))), group));
  const matrix = index.of(writer.div(group, perMatrix), sizeOf(batch));
  const outer = batch.length === 0 ? [] : emitter.indexAt(matrix, batch);
  const inMatrix = writer.let("inMatrix", batch.length === 0 ? group : writer.rem(group, perMatrix));
  const row0 = writer.let("row0", writer.mul(writer.rem(inMatrix, blocks), writer.u32(tile.rows)));
  const column0 = writer.let("column0", writer.add(writer.mul(writer.div(inMatrix, blocks), width), writer.lane));
  const exists = () => writer.less(column0, writer.size(n));
  tileOrRows(writer, row0, rowCount, tile.rows, (first, rows) => {
    const owned = ownedVectors(writer, {
      tile: { rows, columns: tile.columns },
      at: (r, c) => {
        const row = index.of(writer.add(first, r), m);
        const column = index.of(writer.add(column0, writer.mul(c, writer.u32(vectorLanes))), n);
        return flatPosition(emitter, emitter.positionOf([...outer, row, column], shape));
      },
      ...(isWhole(n, tile) ? {} : { exists }),
    });
    emitPositions(emitter, region, stage, owned, store);
  });

  function roundedUp(size: Expr, by: Expr & { readonly kind: "literal" }): Expr {
    return writer.div(writer.add(size, writer.u32(by.value - 1)), by);
  }
}

/** Whether tiles cover the columns exactly. */
function isWhole(n: Dim, tile: Tile): boolean {
  return typeof n === "number" && n % widthOf(tile) === 0;
}
