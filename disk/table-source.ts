/**
 * @file A table of numbers, read piece by piece. One pass over the file checks every field and counts the rows, two more
 * compute mean and standard deviation of the training part; training then reads pieces on demand.
 */
import { parse } from "csv-parse/sync";
import { at, messageOf, oneLine, UserError } from "../compiler/graph/errors.ts";
import { checkedOptions } from "../compiler/graph/options.ts";
import { trainingLength } from "../train/data/batches.ts";
import { Moments, type Normalisation, normalise } from "../train/data/normalisation.ts";
import { lengthOf, type PiecedRecording } from "../train/data/pieces.ts";
import { Extremes } from "../train/data/reach.ts";
import { ofSeriesBatches, type SeriesBatchSizes, seriesEntries } from "../train/data/series.ts";
import { ofTable, type TableOptions, TableReader, type TableRow } from "../train/data/table.ts";
import {
  faultOf,
  firstBytes,
  type LayoutOptions,
  layoutOf,
  ofLayout,
  parsedRows,
  type TableLayout,
  withoutLines,
} from "../train/data/table-layout.ts";
import { decodeText } from "../train/data/utf8.ts";
import { type ByteSource, betweenRows, PIECE_BYTES, piecesOf } from "./file-pieces.ts";

/** A table that is ready for training. */
export interface TableSource {
  /** Names of the columns that are used. */
  readonly columns: readonly string[];
  /** Names of the columns that are not used. */
  readonly skipped: readonly string[];
  /** Number of rows. */
  readonly length: number;
  /** Mean and deviation of the training part. */
  readonly normalisation: Normalisation;
  /** Normalised rows. */
  readonly recording: PiecedRecording;
}

/** Reads a table for batches of these sizes. */
export async function tableSource(
  source: ByteSource,
  sizes: SeriesBatchSizes & TableOptions & LayoutOptions,
  pieceBytes = PIECE_BYTES,
): Promise<TableSource> {
  checkedOptions("tableSource", sizes, { ...ofSeriesBatches, ...ofTable, ...ofLayout });
  const { separator, columns: asked, decimal, missing } = sizes;
  const layout = await layoutOfSource(source, { separator, decimal });
  const { table, pieces } = await checked(source, layout, { columns: asked, decimal, missing }, pieceBytes);
  const { columns, skipped } = table;
  const counts = pieces.map(({ count }) => count);
  const length = lengthOf({ pieces: counts });
  const rowsIn = async (piece: number): Promise<readonly TableRow[]> => {
    const { offset, bytes, line, isNumber } = at(pieces, piece);
    const rows = rowsOfPiece(source, layout, await source.read(offset, bytes), offset, line);
    return rows.filter((_, i) => isNumber(i));
  };
  const numbersOf = (rows: readonly TableRow[], piece: number) => table.numbersOf(rows, at(pieces, piece).last);
  const read = async (piece: number) => Float64Array.from(numbersOf(await rowsIn(piece), piece).flat());
  const moments = new Moments(columns.length, trainingLength(length, sizes));
  const extremes = new Extremes();
  for (const piece of pieces.keys()) {
    const rows = await rowsIn(piece);
    const numbers = numbersOf(rows, piece);
    for (const [i, row] of numbers.entries()) extremes.add(row, `line ${at(rows, i).line}`);
    moments.addToMean(numbers.flat());
  }
  for (const piece of pieces.keys()) moments.addToDeviation(await read(piece));
  const normalisation = moments.normalisation();
  extremes.check(source.name, columns, normalisation);
  return {
    ...{ columns, skipped, length, normalisation },
    recording: {
      ...seriesEntries(columns.length, sizes),
      pieces: counts,
      read: async (piece) => normalise(await read(piece), normalisation),
    },
  };
}

/** The location of a piece, and the state needed to read it on its own. */
interface IndexedPiece {
  readonly offset: number;
  readonly bytes: number;
  /** Lines of the file before it. */
  readonly line: number;
  /** Number of numeric rows, and whether the i-th row is one: the first can be a header, the last ones blank. */
  readonly count: number;
  readonly isNumber: (row: number) => boolean;
  /** Fields of the row before it, which missing values repeat. */
  readonly last: readonly string[];
}

async function checked(source: ByteSource, layout: TableLayout, options: TableOptions, pieceBytes: number) {
  const table = new TableReader(source.name, options);
  const pieces: IndexedPiece[] = [];
  let line = 0;
  for await (const { offset, bytes } of piecesOf(source, betweenRows(layout.separator), pieceBytes)) {
    const { last } = table;
    const rows = rowsOfPiece(source, layout, bytes, offset, line);
    const kinds = rows.map((row) => table.look(row));
    // Only rows at both ends are not numeric.
    const [first, count] = [Math.max(0, kinds.indexOf(true)), kinds.filter((isNumber) => isNumber).length];
    const isNumber = (row: number) => row >= first && row < first + count;
    pieces.push({ offset, bytes: bytes.length, line, count, isNumber, last });
    line += linesIn(bytes);
  }
  table.end();
  return { table, pieces };
}

async function layoutOfSource(source: ByteSource, options: LayoutOptions): Promise<TableLayout> {
  const length = Math.min(source.size, firstBytes);
  // Ignores a character that is cut off at the end; encoding errors are reported when the text is read.
  const start = new TextDecoder().decode(await source.read(0, length), { stream: true });
  return layoutOf(start, length === source.size, source.name, options);
}

/** Counts line ends of any kind. */
function linesIn(bytes: Uint8Array): number {
  let count = 0;
  for (const [i, byte] of bytes.entries()) if (byte === 0x0a || (byte === 0x0d && bytes[i + 1] !== 0x0a)) count += 1;
  return count;
}

/** The rows of a piece that starts after `line` lines of the file. */
function rowsOfPiece(
  source: ByteSource,
  layout: TableLayout,
  bytes: Uint8Array,
  offset: number,
  line: number,
): TableRow[] {
  const { name } = source;
  const skipped = Math.max(0, Math.min(layout.linesBefore - line, linesIn(bytes)));
  const text = withoutLines(decodeText(name, bytes, offset), skipped);
  try {
    return parsedRows(parse, text, layout, line + skipped);
  } catch (cause) {
    throw new UserError(`${name}: ${faultOf(oneLine(messageOf(cause)), line + skipped)}`, { cause });
  }
}
