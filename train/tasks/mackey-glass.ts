/**
 * @file A chaotic series: the number of blood cells in the model of Mackey & Glass 1977, "Oscillation and chaos in
 * physiological control systems", eq. 4b, with the constants under which it became a test of prediction (Lapedes & Farber
 * 1987; Gers, Eck & Schmidhuber 2001, "Applying LSTM to time series predictable through time-window approaches"):
 *
 *   dy/dt = 0.2 y(t - tau) / (1 + y(t - tau)^10) - 0.1 y(t)
 *
 * Integrated by the classical Runge-Kutta method with steps of 0.1, with one value per `stride` time units. It uses only
 * operations that IEEE 754 rounds exactly, so the chaotic series is the same on every host.
 */
import { type Series, seriesBatches } from "../data/series.ts";
import { type RandomStream, randomStream } from "../random.ts";
import { parameterValues, type Task } from "./task.ts";

const stepsPerUnit = 10;
/** Time after which the series has reached its attractor. */
const settling = 500;

const parameters = [
  { name: "tau", about: "delay; chaotic from 17 on", initial: 17, least: 1, most: 300, whole: true },
  { name: "stride", about: "time units from one value to the next", initial: 6, least: 1, most: 100, whole: true },
  { name: "length", about: "values in all, a tenth held out", initial: 5000, least: 50, most: 200_000, whole: true },
] as const;

/** The next value of the Mackey-Glass series: Mackey & Glass 1977. */
export const mackeyGlass: Task = {
  name: "mackey-glass",
  about: "Predict the next value of a chaotic series.",
  source: "Mackey & Glass 1977; Gers, Eck & Schmidhuber 2001",
  kind: "series",
  parameters,
  batches: (seed, sizes) => {
    const { tau, stride, length } = parameterValues(mackeyGlass.name, parameters, sizes);
    const { batch, time } = sizes;
    const all = integrated(tau, settling + stride * length, randomStream(seed, mackeyGlass.name));
    const values = Float64Array.from({ length }, (_, i) => all[(settling + i * stride) * stepsPerUnit] ?? Number.NaN);
    const series: Series = { columns: ["y"], values, length };
    return { ...seriesBatches(series, { batch, time }), columns: series.columns, baseline: 1, best: 0 };
  },
};

/** y over `duration` time units with stepsPerUnit values each, from a constant past. */
function integrated(tau: number, duration: number, random: RandomStream): Float64Array {
  const past = 0.5 + random.uniform();
  const delay = tau * stepsPerUnit;
  const h = 1 / stepsPerUnit;
  const y = new Float64Array(duration * stepsPerUnit + 1);
  y[0] = past;
  const at = (n: number) => (n <= 0 ? past : (y[n] ?? Number.NaN));
  for (let n = 0; n + 1 < y.length; n++) {
    const [before, after] = [at(n - delay), at(n + 1 - delay)];
    const between = (before + after) / 2;
    const now = at(n);
    const k1 = slope(now, before);
    const k2 = slope(now + (h / 2) * k1, between);
    const k3 = slope(now + (h / 2) * k2, between);
    const k4 = slope(now + h * k3, after);
    y[n + 1] = now + (h / 6) * (k1 + 2 * k2 + 2 * k3 + k4);
  }
  return y;
}

function slope(now: number, delayed: number): number {
  const second = delayed * delayed;
  const fourth = second * second;
  return (0.2 * delayed) / (1 + fourth * fourth * second) - 0.1 * now;
}
