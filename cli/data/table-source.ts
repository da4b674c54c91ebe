/**
 * @file A table of numbers, read piece by piece. One pass over the file checks every field and counts the rows, two more
 * find mean and deviation of the training part; training reads what it needs when it needs it.
 */
import { parse } from "csv-parse/sync";
import { at, messageOf, UserError } from "../../compiler/graph/errors.ts";
import { checkedOptions } from "../../compiler/graph/options.ts";
import { trainingLength } from "../../train/data/batches.ts";
import { lengthOf, type PiecedRecording } from "../../train/data/pieces.ts";
import {
  Moments,
  type Normalisation,
  normalise,
  ofSeriesBatches,
  type SeriesBatchSizes,
  seriesEntries,
} from "../../train/data/series.ts";
import { ofTable, type TableOptions, TableReader } from "../../train/data/table.ts";
import { oneLine } from "../one-line.ts";
import { type ByteSource, betweenRows, PIECE_BYTES, piecesOf } from "./file-pieces.ts";
import { decodeText } from "./utf8.ts";

/** A table that is ready to be trained on. */
export interface TableSource {
  /** Names of the columns that are read. */
  readonly columns: readonly string[];
  /** Names of those that are not. */
  readonly skipped: readonly string[];
  /** Rows in all. */
  readonly length: number;
  /** Of the training part. */
  readonly normalisation: Normalisation;
  /** Normalised rows. */
  readonly recording: PiecedRecording;
}

/** Fields are separated by tabs where the name says so, by commas otherwise. */
export function delimiterOf(name: string): string {
  return /\.tsv$/i.test(name) ? "\t" : ",";
}

/** Reads a table for batches of these sizes. */
export async function tableSource(
  source: ByteSource,
  sizes: SeriesBatchSizes & TableOptions,
  pieceBytes = PIECE_BYTES,
): Promise<TableSource> {
  checkedOptions("tableSource", sizes, { ...ofSeriesBatches, ...ofTable });
  const { table, pieces } = await checked(source, { columns: sizes.columns }, pieceBytes);
  const { columns, skipped } = table;
  const counts = pieces.map(({ rows }) => rows);
  const length = lengthOf({ pieces: counts });
  const read = async (piece: number): Promise<Float64Array> => {
    const { offset, bytes, rows } = at(pieces, piece);
    const fields = rowsOf(source, await source.read(offset, bytes), offset, 0);
    return Float64Array.from(
      fields
        .slice(piece === 0 ? table.headerRows : 0)
        .slice(0, rows)
        .flatMap(table.numbersOf),
    );
  };
  const moments = new Moments(columns.length, trainingLength(length, sizes));
  for (const add of [moments.addToMean, moments.addToDeviation])
    for (const piece of pieces.keys()) add(await read(piece));
  const normalisation = moments.normalisation();
  table.checkReach(normalisation);
  return {
    ...{ columns, skipped, length, normalisation },
    recording: {
      ...seriesEntries(columns.length, sizes),
      pieces: counts,
      read: async (piece) => normalise(await read(piece), normalisation),
    },
  };
}

/** Where a piece lies, and how many rows of numbers it has. */
interface IndexedPiece {
  readonly offset: number;
  readonly bytes: number;
  readonly rows: number;
}

async function checked(source: ByteSource, options: TableOptions, pieceBytes: number) {
  const table = new TableReader(source.name, options);
  const pieces: IndexedPiece[] = [];
  let lines = 0;
  for await (const { offset, bytes } of piecesOf(source, betweenRows, pieceBytes)) {
    const rows = rowsOf(source, bytes, offset, lines);
    lines += rows.length;
    const numbers = rows.filter((fields) => table.next(fields) !== undefined);
    pieces.push({ offset, bytes: bytes.length, rows: numbers.length });
  }
  table.end();
  return { table, pieces };
}

/** The fields of each row; before them come `lines` rows of the file. */
function rowsOf(source: ByteSource, bytes: Uint8Array, offset: number, lines: number): string[][] {
  const { name } = source;
  const text = decodeText(name, bytes, offset);
  try {
    return parse(text, { delimiter: delimiterOf(name), relax_column_count: true, trim: true });
  } catch (cause) {
    const message = oneLine(messageOf(cause)).replace(/\bline (\d+)/, (_, line) => `line ${lines + Number(line)}`);
    throw new UserError(`${name}: ${message}`, { cause });
  }
}
