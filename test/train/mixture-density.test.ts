/** @file Mixture density against textbook densities, and where those would overflow or cancel. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type NdArray, ndarray } from "../../compiler/graph/ndarray.ts";
import { traceGraph } from "../../compiler/ops/trace.ts";
import type { Tensor } from "../../compiler/trace/tensor.ts";
import type { Device } from "../../devices/device.ts";
import { bivariateMixtureLoss, gaussianMixtureLoss } from "../../train/losses/mixture-density.ts";
import { devices, difference } from "./devices.ts";
import { expectLoss, lossValues } from "./loss-checks.ts";
import { numbers } from "./steps.ts";

type Float = Tensor<"f32">;
type Given = Readonly<Record<string, Tensor>>;

const [time, batch, gaussians] = [2, 3, 2] as const;
const exists = [1, 1, 0, 1, 0, 0];
const mask = ndarray([time, batch], exists, "bool");
const bySequence = { x: ["T", "B", 3 * gaussians], targets: ["T", "B"], mask: ["T", "B"] };

const softmax = (x: readonly number[]) => {
  const powers = x.map(Math.exp);
  return powers.map((power) => power / powers.reduce((a, b) => a + b, 0));
};
const rows = (x: ArrayLike<number>, width: number) =>
  Array.from({ length: x.length / width }, (_, i) => Array.from(x).slice(i * width, (i + 1) * width));
const take = (row: readonly number[], part: number) => row.slice(part * gaussians, (part + 1) * gaussians);
const mean = (values: readonly number[], weights: readonly number[]) =>
  values.reduce((sum, value, i) => sum + value * (weights[i] ?? 0), 0) / weights.reduce((a, b) => a + b, 0);
const everywhere = exists.map(() => 1);

/** Bishop 1994, eq. 22-29, for one number. */
function univariate(row: readonly number[], target: number): number {
  const [weights, means, deviations] = [softmax(take(row, 0)), take(row, 1), take(row, 2).map(Math.exp)];
  const density = weights.reduce((sum, weight, k) => {
    const [mu = 0, sigma = 1] = [means[k], deviations[k]];
    return sum + (weight * Math.exp(-((target - mu) ** 2) / (2 * sigma ** 2))) / (sigma * Math.sqrt(2 * Math.PI));
  }, 0);
  return -Math.log(density);
}

/** Graves 2013, eq. 18-26, with the sign of the pen's logit changed. */
function bivariate(row: readonly number[], [x = 0, y = 0, end = 0]: readonly number[]): number {
  const weights = softmax(take(row, 0));
  const density = weights.reduce((sum, weight, k) => {
    const [mu1 = 0, mu2 = 0, s1 = 0, s2 = 0, r = 0] = [1, 2, 3, 4, 5].map((part) => take(row, part)[k]);
    const [sigma1, sigma2, rho] = [Math.exp(s1), Math.exp(s2), Math.tanh(r)];
    const [u, v] = [(x - mu1) / sigma1, (y - mu2) / sigma2];
    const z = u ** 2 + v ** 2 - 2 * rho * u * v;
    const norm = 2 * Math.PI * sigma1 * sigma2 * Math.sqrt(1 - rho ** 2);
    return sum + (weight * Math.exp(-z / (2 * (1 - rho ** 2)))) / norm;
  }, 0);
  const lifted = 1 / (1 + Math.exp(-(row[6 * gaussians] ?? 0)));
  return -Math.log(density) - Math.log(end === 1 ? lifted : 1 - lifted);
}

for (const { name, open, tolerance } of devices) {
  describe(name, () => {
    let device: Device;
    beforeAll(async () => {
      device = await open();
    });
    afterAll(() => device.destroy());

    const output = numbers([time, batch, 3 * gaussians], "mixture", 0.5);
    const targets = numbers([time, batch], "targets");
    const plain = (weights: readonly number[]) => (x: readonly number[]) =>
      mean(
        rows(x, 3 * gaussians).map((row, i) => univariate(row, targets.data[i] ?? 0)),
        weights,
      );

    test("of one number: minus the log of the density", async () => {
      const loss = (x: Float, { targets }: Given) => gaussianMixtureLoss(x, targets as Float);
      await expectLoss(
        device,
        tolerance,
        { loss, inputs: { x: output, targets }, shapes: bySequence },
        plain(everywhere),
      );
    });

    test("of one number, masked", async () => {
      const loss = (x: Float, { targets, mask }: Given) =>
        gaussianMixtureLoss(x, targets as Float, { mask: mask as Tensor<"bool"> });
      const given = { loss, inputs: { x: output, targets, mask }, shapes: bySequence };
      const { gradient } = await expectLoss(device, tolerance, given, plain(exists));
      for (const [i, slope] of gradient.entries())
        expect(slope === 0).toBe(exists[Math.floor(i / (3 * gaussians))] === 0);
    });

    const width = 6 * gaussians + 1;
    const pen = numbers([time, batch, width], "pen", 0.5);
    const offsets = numbers([time, batch, 3], "offsets");
    const strokes = { ...offsets, data: offsets.data.map((x, i) => (i % 3 === 2 ? Number(x > 0) : x)) };
    const shapes = { x: ["T", "B", width], targets: ["T", "B", 3], mask: ["T", "B"] };
    const plainPen = (weights: readonly number[]) => (x: readonly number[]) =>
      mean(
        rows(x, width).map((row, i) => bivariate(row, rows(strokes.data, 3)[i] ?? [])),
        weights,
      );

    test("of a pen: minus the log of the density and of the probability that the stroke ends", async () => {
      const loss = (x: Float, { targets }: Given) => bivariateMixtureLoss(x, targets as Float);
      await expectLoss(device, tolerance, { loss, inputs: { x: pen, targets: strokes }, shapes }, plainPen(everywhere));
    });

    test("of a pen, masked, with NaN where nothing counts", async () => {
      const poisoned = (array: NdArray, size: number): NdArray => ({
        ...array,
        data: array.data.map((x, i) => (exists[Math.floor(i / size)] ? x : Number.NaN)),
      });
      const loss = (x: Float, { targets, mask }: Given) =>
        bivariateMixtureLoss(x, targets as Float, { mask: mask as Tensor<"bool"> });
      const clean = { loss, inputs: { x: pen, targets: strokes, mask }, shapes };
      const { gradient, ...values } = await expectLoss(device, tolerance, clean, plainPen(exists));
      for (const [i, slope] of gradient.entries()) expect(slope === 0).toBe(exists[Math.floor(i / width)] === 0);
      const dirty = { x: poisoned(pen, width), targets: poisoned(strokes, 3), mask };
      expect(await lossValues(device, { loss, inputs: dirty, shapes })).toEqual({ ...values, gradient });
    });

    test("of a pen, one Gaussian at its mean with deviation 1 and no correlation: ln 2 pi + ln 2", async () => {
      const loss = (x: Float, { targets }: Given) => bivariateMixtureLoss(x, targets as Float);
      const inputs = { x: ndarray([1, 7], [3, 1, -2, 0, 0, 0, 0]), targets: ndarray([1, 3], [1, -2, 1]) };
      const values = await lossValues(device, { loss, inputs });
      expect(difference([values.loss], [Math.log(2 * Math.PI) + Math.LN2])).toBeLessThan(tolerance);
    });

    test("targets far off and correlations near 1 neither overflow nor cancel", async () => {
      const far = await lossValues(device, {
        loss: (x, { targets }) => gaussianMixtureLoss(x, targets as Float),
        inputs: { x: ndarray([1, 3], [0, 0, 0]), targets: ndarray([1], [1000]) },
      });
      expect(difference([far.loss], [0.5e6 + Math.log(2 * Math.PI) / 2])).toBeLessThan(tolerance);
      expect(difference(far.gradient, [0, -1000, 1 - 1e6])).toBeLessThan(tolerance);

      // On the line v = tanh(r) u, so that only log deviations and ln cosh r remain.
      const [r, u] = [7, Math.fround(1.5)];
      const v = Math.fround(Math.tanh(r) * u);
      const near = await lossValues(device, {
        loss: (x, { targets }) => bivariateMixtureLoss(x, targets as Float),
        inputs: { x: ndarray([1, 7], [0, 0, 0, 0, 0, r, 0]), targets: ndarray([1, 3], [u, v, 0]) },
      });
      const off = (v - Math.tanh(r) * u) * Math.cosh(r);
      const expected = Math.log(2 * Math.PI) + (u ** 2 + off ** 2) / 2 - Math.log(Math.cosh(r)) + Math.LN2;
      expect(difference([near.loss], [expected])).toBeLessThan(Math.max(tolerance, 1e-10));
    });
  });
}

test.each<[(x: Float, t: Float) => Tensor, string]>([
  [
    (x, t) => gaussianMixtureLoss(x, t),
    "gaussianMixtureLoss: the output is [2, 7] and targets are [2, 3]; expected targets [2]",
  ],
  [
    (x) => bivariateMixtureLoss(x, x),
    "bivariateMixtureLoss: the output is [2, 7] and targets are [2, 7]; expected targets [2, 3]",
  ],
  [
    (_, t) => bivariateMixtureLoss(t, t),
    "bivariateMixture: the output is [2, 3]; expected 6 numbers for each Gaussian and 1",
  ],
])("widths that do not fit are refused (%#)", (make, message) => {
  const inputs = [
    { name: "x", dtype: "f32", shape: [2, 7] },
    { name: "t", dtype: "f32", shape: [2, 3] },
  ] as const;
  expect(() => traceGraph("loss", inputs, ([x, t]) => [make(x as Float, t as Float)])).toThrow(message);
});
