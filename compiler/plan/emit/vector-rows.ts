/**
 * @file Elementwise values and reductions on a CPU, for rows that are not a whole number of vectors. Each row is cut
 * into vectors separately, so that the lanes of a workgroup hold neighbours in one row; otherwise each lane would
 * divide by the row length.
 */
import { type Dim, divideDims } from "../../graph/dim.ts";
import { at } from "../../graph/errors.ts";
import { nodeAt } from "../../graph/graph.ts";
import { vectorLanes } from "../stages/tiles.ts";
import type { Form, FormContext } from "./form.ts";
import { flatPosition } from "./loops.ts";
import { emitPositions } from "./stage.ts";

/** Row length from which the idle lanes of a row's last vector are worth it. */
const fewColumns = 8;

export const vectorRows: Form = {
  matches: (context) => context.stage.form === "element" && rowsOf(context) !== undefined,
  grid: (context) => {
    const { rows, columns } = rowsOf(context) ?? { rows: context.stage.size, columns: 1 };
    return { rows: [rows], rowsPer: 1, columns: [Math.ceil(columns / vectorLanes)], lanes: 1 };
  },
  lanes: () => vectorLanes,
  emit: ({ emitter, region, stage, tiles, store }) => {
    const { writer } = emitter;
    const { index, group } = writer;
    const { rows, columns } = rowsOf({ region, stage, tiles }) ?? { rows: stage.size, columns: 1 };
    const panels = writer.u32(Math.ceil(columns / vectorLanes));
    const row = writer.let("row", writer.div(group, panels));
    writer.leaveIf(writer.lessEqual(writer.size(rows), row));
    const first = writer.mul(writer.rem(group, panels), writer.u32(vectorLanes));
    const column = writer.let("column", writer.add(first, writer.lane));
    writer.leaveIf(writer.lessEqual(writer.u32(columns), column));
    const place = index.add(index.mul(index.of(row, rows), index.dim(columns)), index.of(column, columns));
    emitPositions(emitter, region, stage, { positions: [flatPosition(emitter, place)] }, store);
  },
};

/** The rows that all values of a stage share, if cutting each row separately pays off. */
function rowsOf({ region, stage }: FormContext): { readonly rows: Dim; readonly columns: number } | undefined {
  const shapes = [...stage.loops, ...stage.roots].map((id) => nodeAt(region.graph, id).aval.shape);
  const columns = at(shapes, 0).at(-1);
  if (typeof columns !== "number" || columns < fewColumns || columns % vectorLanes === 0) return undefined;
  if (!shapes.every((shape) => shape.length > 1 && shape.at(-1) === columns)) return undefined;
  const rows = divideDims(stage.size, columns);
  return rows === undefined ? undefined : { rows, columns };
}
