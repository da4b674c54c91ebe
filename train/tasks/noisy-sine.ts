/**
 * @file A sine with observation noise, the simplest periodic series:
 *
 *   y_t = sin(2 pi t / period) + noise * e_t          e_t standard normal
 *
 * To predict the next value better than from only the last ones, a cell has to average over earlier values in its state.
 * Yule 1927 starts from such a series, a harmonic with "superposed fluctuations".
 */
import { type Series, seriesBatches } from "../data/series.ts";
import { randomStream } from "../random.ts";
import { parameterValues, type Task } from "./task.ts";

const parameters = [
  { name: "period", about: "steps of one wave", initial: 25, least: 2, most: 10_000, whole: false },
  { name: "noise", about: "deviation of the noise", initial: 0.1, least: 0, most: 10, whole: false },
  { name: "length", about: "steps in all, a tenth held out", initial: 10_000, least: 50, most: 1_000_000, whole: true },
] as const;

/** The next value of a sine that is seen through noise. */
export const noisySine: Task = {
  name: "noisy-sine",
  about: "Predict the next value of a sine that is seen through noise.",
  source: "after Yule 1927",
  kind: "series",
  parameters,
  batches: (seed, sizes) => {
    const { period, noise, length } = parameterValues(noisySine.name, parameters, sizes);
    const { batch, time } = sizes;
    const random = randomStream(seed, noisySine.name);
    const values = Float64Array.from(
      { length },
      (_, t) => Math.sin((2 * Math.PI * t) / period) + noise * random.normal(),
    );
    const series: Series = { columns: ["y"], values, length };
    const batches = seriesBatches(series, { batch, time });
    const [deviation = 1] = batches.normalisation.deviation;
    // In units of the series' variance; only the noise of the next value cannot be predicted.
    return { ...batches, columns: series.columns, baseline: 1, best: (noise / deviation) ** 2 };
  },
};
