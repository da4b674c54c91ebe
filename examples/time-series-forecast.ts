/**
 * @file Forecasts a time series: a GRU reads synthetic daily temperatures, with a yearly and a weekly cycle and noise, and
 * learns to predict the next day. Values are normalised by the training part, and predictions are converted back to
 * degrees. To forecast several days, each prediction becomes the next input. The result is compared with the naive forecast
 * that tomorrow equals today.
 *
 *   npm run build && npx jiti examples/time-series-forecast.ts
 *
 * The command line does the same for any table: `cellgrad train table.csv`, `cellgrad forecast`.
 */
import { fileURLToPath } from "node:url";
import { createTrainer, type Device, gru, openDevice } from "cellgrad";
import { seriesBatches } from "cellgrad/data";
import { seriesModel } from "cellgrad/networks";
import { createStream, forecast } from "cellgrad/stream";

/** Daily temperatures in degrees; `random` returns numbers in [0, 1). */
export function temperatures(days: number, random: () => number): number[] {
  return Array.from({ length: days }, (_, day) => {
    const season = -9 * Math.cos((2 * Math.PI * day) / 60);
    const week = 3 * Math.sin((2 * Math.PI * day) / 7);
    return 11 + season + week + 2 * (random() - 0.5);
  });
}

/** Trains on all but the last days, forecasts those, and returns the mean errors of the model and of the naive forecast. */
export async function forecastLastDays(device: Device, series: readonly number[], horizon: number, epochs: number) {
  const known = series.slice(0, -horizon);
  const batches = seriesBatches(
    { columns: ["temperature"], values: Float64Array.from(known), length: known.length },
    { batch: 4, time: 30 },
  );
  const network = seriesModel({ cell: gru, units: 24, layers: 1, features: 1 });
  const trainer = await createTrainer(device, network, { learningRate: 0.01, clipNorm: 1 });
  for (let epoch = 0; epoch < epochs; epoch++) for (const batch of batches.training) await trainer.step(batch);
  const stream = await createStream(device, network, await trainer.parameters());
  const { normalisation } = batches;
  const rows = await forecast({ stream, values: known.map((value) => [value]), horizon, normalisation });
  stream.destroy();
  trainer.destroy();
  const predicted = rows.map(([value = Number.NaN]) => value);
  const truth = series.slice(-horizon);
  const today = known.at(-1) ?? Number.NaN;
  const errorOf = (said: (day: number) => number) =>
    truth.reduce((total, value, day) => total + Math.abs(said(day) - value), 0) / horizon;
  return { truth, predicted, error: errorOf((day) => predicted[day] ?? Number.NaN), naive: errorOf(() => today) };
}

async function main(): Promise<void> {
  const device = await openDevice();
  const series = temperatures(1200, Math.random);
  const { truth, predicted, error, naive } = await forecastLastDays(device, series, 14, 25);
  for (const [day, value] of truth.entries())
    console.log(`day ${day + 1}: ${value.toFixed(1)} degrees, forecast ${predicted[day]?.toFixed(1)}`);
  console.log(`mean error ${error.toFixed(2)} degrees; naive forecast ${naive.toFixed(2)}`);
  device.destroy();
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();
