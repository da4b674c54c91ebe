/** @file `cellgrad forecast`: prints the next rows of a series as CSV. */
import { UserError } from "../../compiler/graph/errors.ts";
import { readRows } from "../../disk/data-files.ts";
import { checkReach, type Series, seriesOf } from "../../train/data/series.ts";
import { type TableOptions, TableReader } from "../../train/data/table.ts";
import type { LayoutOptions } from "../../train/data/table-layout.ts";
import type { SavedModel } from "../../train/files/model-file.ts";
import { createStream, forecast } from "../../train/stream.ts";
import { type DeviceOptions, withDevice } from "../device.ts";
import { ExitCode } from "../errors.ts";
import { readModel } from "../model-input.ts";
import { jsonLine, line, type Streams } from "../streams.ts";
import { warnIfOtherAdapter } from "../tuning.ts";

export interface ForecastCommandOptions extends DeviceOptions, LayoutOptions, Pick<TableOptions, "missing"> {
  readonly horizon: number;
  readonly json?: boolean;
}

export async function forecastCommand(
  path: string,
  file: string,
  options: ForecastCommandOptions,
  streams: Streams,
): Promise<number> {
  const { stdout } = streams;
  const { horizon, json } = options;
  const model = await readModel(path, "series");
  const series = await readSeriesFor(model, file, options);
  const { normalisation } = model;
  if (normalisation !== undefined) checkReach(series, normalisation, file);
  const { columns } = series;
  const values = Array.from({ length: series.length }, (_, row) => [
    ...series.values.subarray(row * columns.length, (row + 1) * columns.length),
  ]);
  return withDevice(options, streams, async (device) => {
    warnIfOtherAdapter(model.tuned, device, streams);
    const stream = await createStream(device, model, model.parameters);
    const forecasts = await forecast({ stream, values, horizon, ...(normalisation && { normalisation }) });
    const rows = forecasts.map((row) => row.map((value, i) => roundToPrecision(value, normalisation?.deviation[i])));
    stream.destroy();
    if (json) jsonLine(stdout, { columns, values: rows, device: device.name });
    else
      for (const fields of [columns.map(quoted), ...rows.map((row) => row.map(String))]) line(stdout, fields.join(","));
    return ExitCode.ok;
  });
}

/** The columns that the model was trained on, if the table has them by name; otherwise all numeric columns. */
async function readSeriesFor(model: SavedModel, file: string, options: ForecastCommandOptions): Promise<Series> {
  const { columns: expected = [] } = model;
  const { separator, decimal, missing } = options;
  const rows = await readRows(file, { separator, decimal });
  const first = rows.find(({ fields }) => fields.some((field) => field.trim() !== ""));
  const names = first === undefined ? [] : TableReader.namesIn(first, file);
  const columns = expected.every((name) => names.includes(name)) ? expected : undefined;
  const series = seriesOf(rows, file, { columns, decimal, missing });
  checkColumns(model, series, file);
  return series;
}

/** Without this check, columns in another order would silently give a meaningless forecast. */
function checkColumns(model: SavedModel, { columns }: Series, file: string): void {
  const expected = model.columns ?? [];
  const isUnnamed = (names: readonly string[]) => names.every((name) => /^column \d+$/.test(name));
  const agree = isUnnamed(columns) || isUnnamed(expected) || columns.every((name, i) => name === expected[i]);
  if (columns.length === expected.length && agree) return;
  throw new UserError(`${file} has the columns ${columns.join(", ")}; the model was trained on ${expected.join(", ")}`);
}

/** Rounds to the resolution of an f32 forecast: seven digits relative to the column's standard deviation. */
function roundToPrecision(value: number, deviation: number | undefined): number {
  const digits = deviation === undefined ? 7 : 7 + exponentOf(value) - exponentOf(deviation);
  return digits < 1 ? 0 : Number(value.toPrecision(Math.min(17, digits)));
}

const exponentOf = (value: number) => Math.floor(Math.log10(Math.abs(value) || Number.MIN_VALUE));

function quoted(name: string): string {
  return /[",\n]/.test(name) ? `"${name.replaceAll('"', '""')}"` : name;
}
