/**
 * @file The rows of the batch that a workgroup owns in the persistent schedule: where their elements lie among its
 * invocations, one by one or in tiles.
 */
import { sizeOf } from "../graph/dim.ts";
import { at, InternalError } from "../graph/errors.ts";
import { type Position, remembering } from "./emit-loops.ts";
import type { Owned } from "./emit-stage.ts";
import { Emitter, type Region } from "./emit-values.ts";
import type { Index } from "./index-expression.ts";
import type { KernelWriter } from "./kernel-writer.ts";
import type { PersistentPlan } from "./persistent-plan.ts";
import { sharingLanes } from "./tiles.ts";

/** A row that an invocation works on: its number in the workgroup, and whether it exists. */
interface OwnedRow {
  readonly local: Index;
  readonly exists: string;
}

export class WorkgroupRows {
  readonly #plan: PersistentPlan;
  readonly #writer: KernelWriter;
  readonly #region: Region;
  /** By the text of the row's index in the batch. */
  readonly #rows = new Map<string, OwnedRow>();
  #blockDepth = 0;

  constructor(plan: PersistentPlan, writer: KernelWriter, region: Region) {
    this.#plan = plan;
    this.#writer = writer;
    this.#region = region;
  }

  /** Depth of the block being written: what is loaded from workgroup memory is bound no further out. */
  get blockDepth(): number {
    return this.#blockDepth;
  }

  /** What is written from here on belongs to the block that the writer is in. */
  enterBlock(): void {
    this.#blockDepth = this.#writer.depth;
  }

  /** Writes which rows these are; what follows reads it. */
  declare(): void {
    const w = this.#writer;
    w.line(`let row0 = group * ${this.#plan.rowsPerWorkgroup}u;`);
    w.line(`let rowCount = ${w.index.dim(this.#plan.rows).text};`);
  }

  /** Every element of the workgroup's rows, `width` to a row, spread over the lanes. */
  overElements(width: number, body: (position: Position) => void): void {
    if (width === 0) return;
    const { rowsPerWorkgroup, rows, workgroupSize } = this.#plan;
    const w = this.#writer;
    const count = rowsPerWorkgroup * width;
    w.block(`for (var element: u32 = lane; element < ${count}u; element += ${workgroupSize}u)`, () => {
      this.enterBlock();
      const local = w.fresh("local");
      const row = w.fresh("row");
      w.line(`let ${local} = ${width === 1 ? "element" : `element / ${width}u`};`);
      w.line(`let ${row} = min(row0 + ${local}, rowCount - 1u);`);
      const rowIndex = w.index.variable(row, w.depth, rows);
      this.#rows.set(row, {
        local: w.index.variable(local, w.depth, rowsPerWorkgroup),
        exists: `row0 + ${local} < rowCount`,
      });
      const column = width === 1 ? w.index.dim(0) : w.index.variable(`(element % ${width}u)`, w.depth, width);
      body(this.#position(rowIndex, column));
    });
  }

  /** All rows of the workgroup at some columns. */
  tile(columns: number, stride: number, sharing: boolean, guard: string): Owned {
    const { rowsPerWorkgroup, rows } = this.#plan;
    const w = this.#writer;
    const depth = w.depth;
    const counted = (n: number) => Array.from({ length: n }, (_, i) => i);
    const rowOf = (local: string, name: string): Index => {
      w.line(`let ${name} = min(row0 + ${local}, rowCount - 1u);`);
      const isNumber = /^\d+u$/.test(local);
      const index = isNumber
        ? w.index.dim(Number.parseInt(local, 10))
        : w.index.variable(local, w.depth, rowsPerWorkgroup);
      this.#rows.set(name, { local: index, exists: `row0 + ${local} < rowCount` });
      return w.index.variable(name, w.depth, rows);
    };
    const rowIndices = counted(rowsPerWorkgroup).map((r) => rowOf(`${r}u`, w.fresh("row")));
    const columnIndices = counted(columns).map((c) =>
      w.index.variable(c === 0 ? "column0" : `(column0 + ${c * stride}u)`, depth),
    );
    const loaders = counted(sharing ? rowsPerWorkgroup / sharingLanes : 0).map((i) => {
      return rowOf(`(${i * sharingLanes}u + (lane & ${sharingLanes - 1}u))`, w.fresh("rowLoaded"));
    });
    const positions = rowIndices.flatMap((row, r) =>
      columnIndices.map((column): Position => {
        const loader = loaders[Math.floor(r / sharingLanes)];
        const shared = loader && { loads: this.#position(loader, column), lane: r % sharingLanes };
        return { ...this.#position(row, column), shared };
      }),
    );
    if (positions.length === 1 && guard === "") return { positions };
    return {
      positions,
      walk: (body) => {
        w.block(`for (var p: u32 = 0u; ${guard}p < ${positions.length}u; p++)`, () => {
          this.enterBlock();
          const local = w.fresh("local");
          w.line(`let ${local} = p / ${columns}u;`);
          const row = rowOf(local, w.fresh("row"));
          w.line(`let column = column0 + (p % ${columns}u) * ${stride}u;`);
          body(this.#position(row, w.index.variable("column", w.depth)), "p");
        });
      },
    };
  }

  rowAt(index: readonly Index[]): OwnedRow {
    // With one row there is only index 0, under whatever name.
    if (this.#plan.rows === 1) return { local: this.#writer.index.dim(0), exists: "true" };
    const row = this.#rows.get(at(index, 0).text);
    if (row === undefined) throw new InternalError(`${at(index, 0).text} is no row of this workgroup`);
    return row;
  }

  #position(row: Index, column: Index): Position {
    const w = this.#writer;
    return remembering((shape) => {
      const rest = shape.slice(1);
      const bounded: Index = { ...column, bound: sizeOf(rest) };
      return [row, ...new Emitter(w, { region: this.#region, ids: [] }).indexAt(bounded, rest)];
    });
  }
}
