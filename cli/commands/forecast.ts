/** @file `cellgrad forecast`: the rows that follow a series, as CSV. */
import { UserError } from "../../compiler/graph/errors.ts";
import { checkReach, parseSeries, type Series } from "../../train/data/series.ts";
import type { SavedModel } from "../../train/model-file.ts";
import { createStream, forecast } from "../../train/stream.ts";
import { readRows } from "../data-files.ts";
import { type DeviceOptions, withDevice } from "../device.ts";
import { ExitCode } from "../errors.ts";
import { readModel } from "../model-input.ts";
import { jsonLine, line, type Streams } from "../streams.ts";
import { warnOfAdapter } from "../tuning.ts";

export interface ForecastCommandOptions extends DeviceOptions {
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
  const series = parseSeries(await readRows(file), file);
  checkColumns(model, series, file);
  const { normalisation } = model;
  if (normalisation !== undefined) checkReach(series, normalisation, file);
  const { columns } = series;
  const values = Array.from({ length: series.length }, (_, row) => [
    ...series.values.subarray(row * columns.length, (row + 1) * columns.length),
  ]);
  return withDevice(options, async (device) => {
    warnOfAdapter(model.tuned, device, streams);
    const stream = await createStream(device, model, model.parameters);
    const rows = await forecast({ stream, values, horizon, ...(normalisation && { normalisation }) });
    stream.destroy();
    if (json) jsonLine(stdout, { columns, values: rows, device: device.name });
    else
      for (const fields of [columns.map(quoted), ...rows.map((row) => row.map(shortest))])
        line(stdout, fields.join(","));
    return ExitCode.ok;
  });
}

/** Columns in another order would be read without an error, and the forecast would be nonsense. */
function checkColumns(model: SavedModel, { columns }: Series, file: string): void {
  const expected = model.columns ?? [];
  const isUnnamed = (names: readonly string[]) => names.every((name) => /^column \d+$/.test(name));
  const agree = isUnnamed(columns) || isUnnamed(expected) || columns.every((name, i) => name === expected[i]);
  if (columns.length === expected.length && agree) return;
  throw new UserError(`${file} has the columns ${columns.join(", ")}; the model was trained on ${expected.join(", ")}`);
}

/** Seven digits: what the model's 32-bit numbers hold. */
function shortest(value: number): string {
  return String(Number(value.toPrecision(7)));
}

function quoted(name: string): string {
  return /[",\n]/.test(name) ? `"${name.replaceAll('"', '""')}"` : name;
}
