/**
 * @file Register tiles: an invocation computes several rows and columns of products together, so that each loaded value
 * is used several times.
 */
import { type Dim, mulDims, sizeOf } from "../../graph/dim.ts";
import { at } from "../../graph/errors.ts";
import { nodeAt } from "../../graph/graph.ts";
import type { Expr } from "../../kernel/ir.ts";
import { firstPosition, gridOf, overPositions } from "../../kernel/mapping.ts";
import { chooseTile, sharesRows, sharingLanes, spreadOver, type Tile } from "../stages/tiles.ts";
import { type Emission, type Form, type FormContext, mappingOf } from "./form.ts";
import { flatPosition, type Position } from "./loops.ts";
import { emitPositions, type Owned } from "./stage.ts";
import type { Emitter } from "./values.ts";

export const tile: Form = {
  matches: ({ stage }) => stage.form === "tile",
  grid: (context) => {
    const { batch, m, n, tile } = tileOf(context);
    const columns = mulDims(sizeOf(batch), strideOf(n, tile));
    return gridOf(mappingOf(context.tiles), m, { rowsPer: tile.rows, columns });
  },
  lanes: ({ tiles }) => mappingOf(tiles).lanes,
  emit: emitTiles,
};

/** The product whose shape a tile stage follows, and the tile. */
function tileOf({ region, stage, tiles }: FormContext) {
  const products = stage.loops.filter((id) => nodeAt(region.graph, id).op === "dot");
  const { shape } = nodeAt(region.graph, at(products, 0)).aval;
  const [m, n] = [at(shape, shape.length - 2), at(shape, shape.length - 1)];
  return {
    shape,
    batch: shape.slice(0, -2),
    m,
    n,
    tile: chooseTile(m, n, stage.accumulators.length, tiles, spreadOver(stage.size, tiles)),
  };
}

/** Distance between the columns of a tile. It is not 1, because neighbouring invocations own neighbouring columns. */
function strideOf(columns: Dim, tile: Tile): Dim {
  return typeof columns === "number" ? columns / tile.columns : columns;
}

/** Writes the code for each tile that the invocation owns. */
function emitTiles({ emitter, region, stage, tiles: options, store }: Emission): void {
  const { writer } = emitter;
  const { batch, m, n, tile } = tileOf({ region, stage, tiles: options });
  const stride = strideOf(n, tile);
  const blockCount = writer.div(writer.add(writer.size(m), writer.u32(tile.rows - 1)), writer.u32(tile.rows));
  const blocks = writer.let("blocks", tile.rows === 1 ? writer.size(m) : blockCount);
  const columns = mulDims(sizeOf(batch), stride);
  const count = writer.mul(blocks, writer.size(columns));
  const mapping = mappingOf(options);
  const emit = (number: Expr, isOwned: Expr | undefined) =>
    emitPositions(
      emitter,
      region,
      stage,
      ownedTile(emitter, { region, stage, tiles: options }, number, blocks, isOwned),
      store,
    );
  if (sharesRows(tile, stride, options) && mapping.run === 1) {
    // Lanes that share loads must all take part: those beyond the last tile repeat it and store nothing.
    const own = firstPosition(writer, mapping);
    const isOwned = writer.let("isOwned", writer.less(own, count));
    emit(writer.let("tile", writer.min(own, writer.sub(count, writer.u32(1)))), isOwned);
    return;
  }
  overPositions(writer, mapping, { name: "tile", role: "tiles", count, extent: mulDims(m, columns) }, (number) =>
    emit(number, undefined),
  );
}

/**
 * The positions of one register tile: neighbouring rows, and columns at a stride. `isOwned`, given if lanes share rows,
 * says whether this lane's tile exists.
 */
function ownedTile(
  emitter: Emitter,
  context: FormContext,
  number0: Expr,
  blocks: Expr,
  isOwned: Expr | undefined,
): Owned {
  const { writer } = emitter;
  const { index } = writer;
  const number = (value: number) => writer.u32(value);
  const { shape, batch, m, n, tile } = tileOf(context);
  const stride = strideOf(n, tile);
  const rowCount = writer.size(m);
  const lastRow = writer.sub(rowCount, number(1));
  const sharing = isOwned !== undefined;
  const perRow = writer.size(stride);
  const column0 = writer.let("column0", writer.rem(number0, perRow));
  const tileRow = writer.let("tileRow", writer.div(number0, perRow));
  const blockRow = batch.length === 0 ? tileRow : writer.rem(tileRow, blocks);
  const row0 = writer.let("row0", writer.mul(blockRow, number(tile.rows)));
  const outer = batch.length === 0 ? [] : emitter.indexAt(index.of(writer.div(tileRow, blocks), sizeOf(batch)), batch);
  const isWhole = typeof m === "number" && m % tile.rows === 0;
  const counted = (count: number) => Array.from({ length: count }, (_, i) => i);
  const rows = counted(tile.rows).map((r) => {
    if (r === 0) return row0;
    const row = writer.add(row0, number(r));
    // Rows beyond the last read the last one again, and are not stored.
    return writer.let(`row${r}`, isWhole ? row : writer.min(row, lastRow));
  });
  const columns = counted(tile.columns).map((c) =>
    c === 0 ? column0 : writer.let(`column${c}`, writer.add(column0, number(c * Number(stride)))),
  );
  const positionOf = (row: Expr, column: Expr) =>
    flatPosition(emitter, emitter.positionOf([...outer, index.of(row, m), index.of(column, n)], shape));
  const loaders = counted(sharing ? tile.rows / sharingLanes : 0).map((i) => {
    const shared = writer.bitAnd(writer.lane, number(sharingLanes - 1));
    const row = writer.add(writer.add(row0, number(i * sharingLanes)), shared);
    return writer.let(`rowLoaded${i}`, writer.min(row, lastRow));
  });
  const positions = rows.flatMap((row, r) =>
    columns.map((column): Position => {
      const loader = loaders[Math.floor(r / sharingLanes)];
      const shared = loader && { loads: positionOf(loader, column), lane: r % sharingLanes, columns };
      return { ...positionOf(row, column), shared };
    }),
  );
  if (positions.length === 1) return { positions };
  const axis = { extent: positions.length, role: "tile" } as const;
  const loop = { axis, name: "p", first: number(0), end: number(positions.length), step: number(1) };
  const walk: Owned["walk"] = (body) => {
    const each = () =>
      writer.for(loop, (p) => {
        const [high, low] = [writer.div(p, number(tile.columns)), writer.rem(p, number(tile.columns))];
        const row = writer.let("row", writer.add(row0, high));
        const column = writer.let("column", writer.add(column0, writer.mul(low, perRow)));
        const inside = () => body(positionOf(row, column), p);
        if (isWhole) inside();
        else writer.if(writer.less(row, rowCount), inside);
      });
    if (isOwned === undefined) each();
    else writer.if(isOwned, each);
  };
  return { positions, walk };
}
