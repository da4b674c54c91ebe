/**
 * @file The batch rows that a workgroup owns in the persistent schedule: how their elements are distributed over its
 * invocations, one by one or in tiles.
 */
import { sizeOf } from "../../graph/dim.ts";
import { at, InternalError } from "../../graph/errors.ts";
import type { Index } from "../../kernel/index-arithmetic.ts";
import type { Expr, Variable } from "../../kernel/ir.ts";
import { type Position, remembering } from "../emit/loops.ts";
import type { PlacedBuilder } from "../emit/placed-builder.ts";
import type { Owned } from "../emit/stage.ts";
import { Emitter, type Region } from "../emit/values.ts";
import { ownedVectors, tileOrRows } from "../emit/vectors.ts";
import { sharingLanes, type Tile, vectorLanes } from "../stages/tiles.ts";
import type { PersistentPlan } from "./persistent-plan.ts";

/** A row that an invocation works on: its number in the workgroup, and whether it exists. */
interface OwnedRow {
  readonly local: Index;
  /** Undefined if every row of a workgroup does. */
  readonly exists: Expr | undefined;
}

export class WorkgroupRows {
  readonly #plan: PersistentPlan;
  readonly #writer: PlacedBuilder;
  readonly #region: Region;
  /** Keyed by the row's index in the batch. */
  readonly #rows = new Map<Expr, OwnedRow>();
  #row0: Variable | undefined;
  #rowCount: Expr | undefined;
  /** How many of the workgroup's rows exist. */
  #rowsHere: Expr | undefined;
  #blockDepth = 0;

  constructor(plan: PersistentPlan, writer: PlacedBuilder, region: Region) {
    this.#plan = plan;
    this.#writer = writer;
    this.#region = region;
  }

  /** Whether each workgroup has one row, and lanes for its elements. */
  get #isOneRow(): boolean {
    const { residency, rowsPerWorkgroup, tiles } = this.#plan;
    return residency !== undefined || (tiles.target === "gpu" && rowsPerWorkgroup === 1);
  }

  /** Depth of the block being written: loads from workgroup memory are bound no further out. */
  get blockDepth(): number {
    return this.#blockDepth;
  }

  /** Marks the writer's current block as the one being written. */
  enterBlock(): void {
    this.#blockDepth = this.#writer.depth;
  }

  /** Declares the variables that say which rows these are. */
  declare(): void {
    const w = this.#writer;
    // A large dispatch has workgroups beyond the last.
    if (this.#isOneRow) w.leaveIf(w.lessEqual(w.size(this.#plan.rows), w.group));
    this.#row0 = w.let("row0", w.mul(w.group, w.u32(this.#plan.rowsPerWorkgroup)));
    this.#rowCount = w.let("rowCount", w.size(this.#plan.rows));
    if (this.#plan.tiles.target !== "cpu") return;
    const left = w.sub(this.#rowCount, this.#row0);
    this.#rowsHere = w.let("rowsHere", w.min(w.u32(this.#plan.rowsPerWorkgroup), left));
  }

  /** Declares a row by its number in the workgroup; beyond the batch it is the last row again. */
  #rowOf(local: Index, name: string): Expr {
    const w = this.#writer;
    if (this.#row0 === undefined || this.#rowCount === undefined)
      throw new InternalError("rows are used before they are declared");
    if (this.#isOneRow) {
      this.#rows.set(this.#row0, { local, exists: undefined });
      return this.#row0;
    }
    const number = w.add(this.#row0, local.expr);
    if (this.#rowsHere !== undefined) {
      // The loops over rows of a CPU end with the batch.
      const row = w.let(name, number);
      this.#rows.set(row, { local, exists: undefined });
      return row;
    }
    const last = w.min(number, w.sub(this.#rowCount, w.u32(1)));
    const isOfLane = this.#plan.panels !== undefined && number.depth === 0;
    const row = isOfLane ? w.bind(`row ${number.id}`, last, 0) : w.let(name, last);
    this.#rows.set(row, { local, exists: w.less(number, this.#rowCount) });
    return row;
  }

  /** Every element of the workgroup's rows, `width` to a row, spread over the lanes. */
  overElements(width: number, body: (position: Position) => void): void {
    if (width === 0) return;
    const { rowsPerWorkgroup, rows, workgroupSize } = this.#plan;
    const w = this.#writer;
    if (this.hasElement(width)) {
      // No loop: a compiler of WGSL cannot tell that one which starts at the lane ends.
      w.if(w.less(w.lane, w.u32(width)), () => {
        this.enterBlock();
        body(this.single(this.element(width)));
      });
      return;
    }
    const count = rowsPerWorkgroup * width;
    const axis = { extent: count, role: "positions" } as const;
    const loop = { axis, mapping: "lanes", name: "element", first: w.lane } as const;
    // A CPU has few lanes that do one row after another: it skips rows that do not exist.
    const end = this.#rowsHere === undefined ? w.u32(count) : w.mul(this.#rowsHere, w.u32(width));
    w.for({ ...loop, end, step: w.u32(workgroupSize) }, (element) => {
      this.enterBlock();
      const bound = (name: string, value: Expr) =>
        value.depth === 0 ? w.bind(`${name} of ${width}`, value, 0) : w.let(w.fresh(name), value);
      const local = bound("local", width === 1 ? element : w.div(element, w.u32(width)));
      const row = this.#rowOf(w.index.of(local, rowsPerWorkgroup), w.fresh("row"));
      const column = width === 1 ? w.index.dim(0) : w.index.of(w.rem(element, w.u32(width)), width);
      body(this.#position(w.index.of(row, rows), column));
    });
  }

  /** The lane's element of `width`; lanes beyond the last have that one, too. */
  element(width: number): Index {
    const w = this.#writer;
    return w.index.of(w.bind(`element of ${width}`, w.min(w.lane, w.u32(width - 1)), 0), width);
  }

  /** Whether the lane has one element of each stage of `width`, which it can keep in a register. */
  hasElement(width: number): boolean {
    return this.#isOneRow && width > 0 && width <= this.#plan.workgroupSize;
  }

  /** The first row of the workgroup at a column. */
  single(column: Index): Position {
    return this.at(this.#writer.index.dim(0), column);
  }

  /** A row of the workgroup at a column. */
  at(local: Index, column: Index): Position {
    const row = this.#rowOf(local, this.#writer.fresh("row"));
    return this.#position(this.#writer.index.of(row, this.#plan.rows), column);
  }

  /** All rows of the workgroup at some columns from `column0`; if `exists` is false, nothing is stored. */
  tile(column0: Expr, columns: number, stride: number, sharing: boolean, exists: Expr | undefined): Owned {
    const { rowsPerWorkgroup, rows } = this.#plan;
    const w = this.#writer;
    const counted = (n: number) => Array.from({ length: n }, (_, i) => i);
    const rowIndices = counted(rowsPerWorkgroup).map((r) =>
      w.index.of(this.#rowOf(w.index.dim(r), w.fresh("row")), rows),
    );
    const columnIndices = counted(columns).map((c) =>
      w.index.of(c === 0 ? column0 : w.add(column0, w.u32(c * stride))),
    );
    const loaders = counted(sharing ? rowsPerWorkgroup / sharingLanes : 0).map((i) => {
      const local = w.add(w.u32(i * sharingLanes), w.bitAnd(w.lane, w.u32(sharingLanes - 1)));
      return w.index.of(this.#rowOf(w.index.of(local, rowsPerWorkgroup), w.fresh("rowLoaded")), rows);
    });
    const positions = rowIndices.flatMap((row, r) =>
      columnIndices.map((column): Position => {
        const loader = loaders[Math.floor(r / sharingLanes)];
        const loads = loader && this.#position(loader, column);
        const shared = loads && { loads, lane: r % sharingLanes, columns: [column0] };
        return { ...this.#position(row, column), shared };
      }),
    );
    if (positions.length === 1 && exists === undefined) return { positions };
    const axis = { extent: positions.length, role: "tile" } as const;
    const loop = { axis, name: "p", first: w.u32(0), end: w.u32(positions.length), step: w.u32(1) };
    return {
      positions,
      walk: (body) => {
        const each = () =>
          w.for(loop, (p) => {
            this.enterBlock();
            const local = w.let(w.fresh("local"), w.div(p, w.u32(columns)));
            const row = this.#rowOf(w.index.of(local, rowsPerWorkgroup), w.fresh("row"));
            const across = w.mul(w.rem(p, w.u32(columns)), w.u32(stride));
            const column = w.let("column", w.add(column0, across));
            body(this.#position(w.index.of(row, rows), w.index.of(column)), p);
          });
        if (exists === undefined) each();
        else w.if(exists, each);
      },
    };
  }

  /** On a CPU: the workgroup's rows at all `width` columns, in tiles of vectors. */
  overVectors(width: number, tile: Tile, write: (owned: Owned) => void): void {
    const { rows, rowsPerWorkgroup } = this.#plan;
    const w = this.#writer;
    const rowsHere = this.#rowsHere;
    if (rowsHere === undefined) throw new InternalError("rows are used before they are declared");
    const own = tile.columns * vectorLanes;
    const columns = { extent: Math.ceil(width / own), role: "columns" } as const;
    const zero = w.u32(0);
    w.for({ axis: columns, name: "panel", first: zero, end: w.u32(columns.extent), step: w.u32(1) }, (panel) => {
      const before = w.index.mul(w.index.of(panel, columns.extent), w.index.dim(own));
      const columnAt = (c: Expr) => w.index.add(before, w.index.of(w.add(w.lane, w.mul(c, w.u32(vectorLanes))), own));
      const down = { extent: rowsPerWorkgroup, role: "rows" } as const;
      w.for({ axis: down, name: "first", first: zero, end: rowsHere, step: w.u32(tile.rows) }, (first) =>
        tileOrRows(w, first, rowsHere, tile.rows, (start, count) => {
          this.enterBlock();
          const owned = ownedVectors(w, {
            tile: { rows: count, columns: tile.columns },
            at: (r, c) => {
              this.enterBlock();
              const row = this.#rowOf(w.index.of(w.add(start, r), rowsPerWorkgroup), w.fresh("row"));
              return this.#position(w.index.of(row, rows), w.index.below(columnAt(c), width));
            },
            ...(width % own === 0 ? {} : { exists: (c) => w.less(columnAt(c).expr, w.u32(width)) }),
          });
          write(owned);
        }),
      );
    });
  }

  rowAt(index: readonly Index[]): OwnedRow {
    // With one row the index can only be 0, whatever its expression.
    if (this.#plan.rows === 1) return { local: this.#writer.index.dim(0), exists: undefined };
    const row = this.#rows.get(at(index, 0).expr);
    if (row === undefined) throw new InternalError("an index is not a row of this workgroup");
    return row;
  }

  #position(row: Index, column: Index): Position {
    const w = this.#writer;
    return remembering((shape) => {
      const rest = shape.slice(1);
      const bounded = w.index.below(column, sizeOf(rest));
      return [row, ...new Emitter(w, { region: this.#region, ids: [] }).indexAt(bounded, rest)];
    });
  }
}
