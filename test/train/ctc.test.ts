/** @file CTC against the sum over all paths; against results of TensorFlow; and rows of different lengths. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { gru } from "../../cells/gru.ts";
import { scan } from "../../compiler/dsl/cell.ts";
import { dense } from "../../compiler/dsl/dense.ts";
import { type NdArray, ndarray } from "../../compiler/graph/ndarray.ts";
import { traceGraph } from "../../compiler/ops/trace.ts";
import type { Tensor } from "../../compiler/trace/tensor.ts";
import type { Device } from "../../devices/device.ts";
import { ctc } from "../../train/losses/ctc.ts";
import { objective } from "../../train/objective.ts";
import { createTrainer } from "../../train/trainer.ts";
import { slowUnless } from "../support/some-of.ts";
import { devices, difference } from "./devices.ts";
import { expectLoss, lossValues } from "./loss-checks.ts";
import { numbers } from "./steps.ts";

type Float = Tensor<"f32">;
type Given = Readonly<Record<string, Tensor>>;

/** What a path spells: repeats merged, then blanks dropped. */
function spelled(path: readonly number[], blank: number): number[] {
  return path.filter((k, t) => k !== blank && k !== path[t - 1]);
}

/** All paths of so many frames over so many classes. */
function* paths(frames: number, classes: number): Generator<number[]> {
  if (frames === 0) yield [];
  else for (const path of paths(frames - 1, classes)) for (let k = 0; k < classes; k++) yield [...path, k];
}

/** -log of the probability of all paths that spell the labels; a frame is a row of logits. */
function bruteForce(frames: readonly (readonly number[])[], labels: readonly number[], blank: number): number {
  const classes = frames[0]?.length ?? 0;
  const probabilities = frames.map((row) => {
    const powers = row.map(Math.exp);
    return powers.map((power) => power / powers.reduce((a, b) => a + b, 0));
  });
  let sum = 0;
  for (const path of paths(frames.length, classes)) {
    if (spelled(path, blank).join() !== labels.join()) continue;
    sum += path.reduce((product, k, t) => product * (probabilities[t]?.[k] ?? 0), 1);
  }
  return -Math.log(sum);
}

interface Row {
  readonly frames: number;
  readonly labels: readonly number[];
}

const [time, classes, most] = [4, 3, 3] as const;
/** Full, repeated labels, short, no labels at all. */
const rows: readonly Row[] = [
  { frames: 4, labels: [1, 2, 1] },
  { frames: 4, labels: [2, 2] },
  { frames: 3, labels: [1] },
  { frames: 2, labels: [] },
  { frames: 4, labels: [1, 1, 2] },
];
const batch = rows.length;
const logits = numbers([time, batch, classes], "frames");
const masks = {
  mask: ndarray(
    [time, batch],
    Array.from({ length: time * batch }, (_, i) => Number(Math.floor(i / batch) < (rows[i % batch]?.frames ?? 0))),
    "bool",
  ),
  labelMask: ndarray(
    [batch, most],
    rows.flatMap(({ labels }) => [0, 1, 2].map((i) => Number(i < labels.length))),
    "bool",
  ),
};
/** What stands in the padding is no label at all. */
const labels = ndarray(
  [batch, most],
  rows.flatMap(({ labels }) => [0, 1, 2].map((i) => labels[i] ?? -7)),
  "i32",
);
const shapes = { x: ["T", "B", classes], labels: ["B", most], mask: ["T", "B"], labelMask: ["B", most] };
const loss = (x: Float, { labels, mask, labelMask }: Given) =>
  ctc(x, labels as Tensor<"i32">, { mask: mask as Tensor<"bool">, labelMask: labelMask as Tensor<"bool"> });
const framesOf = (x: ArrayLike<number>, row: number) =>
  Array.from({ length: rows[row]?.frames ?? 0 }, (_, t) =>
    Array.from({ length: classes }, (_, k) => x[(t * batch + row) * classes + k] ?? Number.NaN),
  );

for (const { name, open, tolerance } of devices) {
  describe(name, () => {
    let device: Device;
    beforeAll(async () => {
      device = await open();
    });
    afterAll(() => device.destroy());

    test("is minus the log of the sum over all paths, and its gradient agrees with differences", async () => {
      const given = { loss, inputs: { x: logits, labels, ...masks }, shapes };
      const { gradient } = await expectLoss(device, tolerance, given, (x) => {
        const costs = rows.map(({ labels }, row) => bruteForce(framesOf(x, row), labels, 0));
        return costs.reduce((a, b) => a + b, 0) / batch;
      });
      for (const [i, slope] of gradient.entries()) {
        const [t, row] = [Math.floor(i / (batch * classes)), Math.floor(i / classes) % batch];
        expect(slope === 0, `frame ${t} of row ${row}`).toBe(t >= (rows[row]?.frames ?? 0));
      }
    });

    test("padded frames have no effect, even with NaN", async () => {
      const dirty: NdArray = {
        ...logits,
        data: logits.data.map((x, i) => (masks.mask.data[Math.floor(i / classes)] ? x : Number.NaN)),
      };
      const clean = await lossValues(device, { loss, inputs: { x: logits, labels, ...masks }, shapes });
      expect(await lossValues(device, { loss, inputs: { x: dirty, labels, ...masks }, shapes })).toEqual(clean);
    });

    test("without masks all frames and labels count, and any class can be the blank", async () => {
      const plain = { x: numbers([4, 1, 4], "plain"), labels: ndarray([1, 2], [3, 0], "i32") };
      await expectLoss(
        device,
        tolerance,
        { loss: (x, { labels }) => ctc(x, labels as Tensor<"i32">, { blank: 2 }), inputs: plain },
        (x) =>
          bruteForce(
            [0, 1, 2, 3].map((t) => x.slice(4 * t, 4 * t + 4)),
            [3, 0],
            2,
          ),
      );
    });

    test("a row whose labels do not fit its frames does not count", async () => {
      const x = numbers([2, 2, 3], "two rows");
      const both = { x, labels: ndarray([2, 2], [1, 1, 1, 2], "i32") };
      const values = await lossValues(device, {
        loss: (x, { labels }) => ctc(x, labels as Tensor<"i32">),
        inputs: both,
      });
      const second = [0, 1].map((t) => [...x.data.slice(6 * t + 3, 6 * t + 6)]);
      expect(difference([values.loss], [bruteForce(second, [1, 2], 0)])).toBeLessThan(tolerance);
      expect([...values.gradient.slice(0, 3), ...values.gradient.slice(6, 9)].map(Math.abs)).toEqual([
        0, 0, 0, 0, 0, 0,
      ]);
      expect(values.gradient.slice(3, 6)).not.toContain(0);
    });

    // The figures of TensorFlow's ctc_loss_op_test.py, testBasic: five frames of six classes, the last of them the blank.
    test.each([
      [
        [0, 1, 2, 1, 0],
        3.34211,
        [
          [0.633766, 0.221185, 0.0917319, 0.0129757, 0.0142857, 0.0260553],
          [0.111121, 0.588392, 0.278779, 0.0055756, 0.00569609, 0.010436],
          [0.0357786, 0.633813, 0.321418, 0.00249248, 0.00272882, 0.0037688],
          [0.0663296, 0.643849, 0.280111, 0.00283995, 0.0035545, 0.00331533],
          [0.458235, 0.396634, 0.123377, 0.00648837, 0.00903441, 0.00623107],
        ],
      ],
      [
        [0, 1, 1, 0],
        5.42262,
        [
          [0.30176, 0.28562, 0.0831517, 0.0862751, 0.0816851, 0.161508],
          [0.24082, 0.397533, 0.0557226, 0.0546814, 0.0557528, 0.19549],
          [0.230246, 0.450868, 0.0389607, 0.038309, 0.0391602, 0.202456],
          [0.280884, 0.429522, 0.0326593, 0.0339046, 0.0326856, 0.190345],
          [0.423286, 0.315517, 0.0338439, 0.0393744, 0.0339315, 0.154046],
        ],
      ],
    ])("gives the known loss of labels %j", async (wanted, expected, probabilities) => {
      const x = ndarray([5, 1, 6], probabilities.flat().map(Math.log));
      const inputs = { x, labels: ndarray([1, wanted.length], wanted, "i32") };
      const values = await lossValues(device, {
        loss: (x, { labels }) => ctc(x, labels as Tensor<"i32">, { blank: 5 }),
        inputs,
      });
      expect(values.loss).toBeCloseTo(expected, 4);
    });

    test(
      "150 frames neither underflow nor drift: the loss equals the sum over both halves",
      slowUnless(name === "interpreter"),
      async () => {
        // Where the blank is all but sure in the middle, no path of note has a label there: the halves are independent.
        const [frames, middle] = [151, 75];
        const random = numbers([frames, 1, 3], "long");
        const sure = ndarray(
          random.shape,
          random.data.map((x, i) => (Math.floor(i / 3) === middle ? (i % 3 === 0 ? 60 : -60) : x)),
        );
        const of = async (from: number, to: number, labels: readonly number[]) => {
          const inputs = {
            x: ndarray([to - from, 1, 3], sure.data.slice(3 * from, 3 * to)),
            labels: ndarray([1, labels.length], labels, "i32"),
          };
          return (await lossValues(device, { loss: (x, { labels }) => ctc(x, labels as Tensor<"i32">), inputs })).loss;
        };
        const [left, right] = [
          [1, 2, 1],
          [2, 2],
        ];
        const whole = await of(0, frames, [...left, ...right]);
        // Labels may move from one half to the other, each way with its own probability.
        const all = [...left, ...right];
        const parts: number[] = [];
        for (let cut = 1; cut < all.length; cut++)
          parts.push((await of(0, middle, all.slice(0, cut))) + (await of(middle + 1, frames, all.slice(cut))));
        const blankOnly = (from: number, to: number) => {
          let sum = 0;
          for (let t = from; t < to; t++) {
            const row = [...sure.data.slice(3 * t, 3 * t + 3)];
            sum += Math.log(row.reduce((a, z) => a + Math.exp(z), 0)) - (row[0] ?? 0);
          }
          return sum;
        };
        parts.push(
          blankOnly(0, middle) + (await of(middle + 1, frames, all)),
          (await of(0, middle, all)) + blankOnly(middle + 1, frames),
        );
        const least = Math.min(...parts);
        const expected = least - Math.log(parts.reduce((sum, part) => sum + Math.exp(least - part), 0));
        expect(whole).toBeGreaterThan(100);
        expect(difference([whole], [expected])).toBeLessThan(Math.max(tolerance, 1e-10));
      },
    );
  });
}

for (const { name, open } of devices) {
  test(`${name}: a network learns the labels without an alignment`, slowUnless(name !== "interpreter"), async () => {
    const device = await open();
    const [frames, rows] = [6, 4];
    const spelling = objective(
      "spelling",
      { x: { dtype: "f32", shape: ["T", "B", 2] }, labels: { dtype: "i32", shape: ["B", 2] } },
      ({ x, labels }) => ctc(dense("head", scan(gru(6), x).outputs, 3), labels),
    );
    // A row shows its two labels at frames of its own, as a 1 in a place of their own, and nothing elsewhere.
    const places = [
      [0, 3],
      [1, 5],
      [2, 4],
      [0, 5],
    ];
    const words = [
      [1, 2],
      [2, 1],
      [1, 1],
      [2, 2],
    ];
    const x = ndarray(
      [frames, rows, 2],
      Array.from({ length: frames * rows * 2 }, (_, i) => {
        const [t, row, k] = [Math.floor(i / (2 * rows)), Math.floor(i / 2) % rows, i % 2];
        return Number([0, 1].some((n) => places[row]?.[n] === t && words[row]?.[n] === k + 1));
      }),
    );
    const inputs = { x, labels: ndarray([rows, 2], words.flat(), "i32") };
    const trainer = await createTrainer(device, spelling, { learningRate: 0.05, seed: 1 });
    const results = await Promise.all(Array.from({ length: 40 }, () => trainer.step({ inputs, fresh: true })));
    expect(results[0]?.loss).toBeGreaterThan(1);
    expect(results[39]?.loss).toBeLessThan(0.3);
    trainer.destroy();
    device.destroy();
  });
}

test.each<[(x: Float, i: Tensor<"i32">) => Tensor, string]>([
  [(x, i) => ctc(x, i, { blank: 3 }), "ctc: the blank is 3; expected a class, from 0 to 2"],
  [
    (x) => ctc(x, x as Tensor as Tensor<"i32">),
    "ctc: logits are [4, 2, 3] and labels [4, 2, 3]; expected [time, batch, classes]",
  ],
  [(x, i) => ctc(x, i, { mask: i as Tensor as Tensor<"bool"> }), "ctc: mask is [2, 2]; expected [4, 2]"],
])("what cannot be is refused (%#)", (make, message) => {
  const inputs = [
    { name: "x", dtype: "f32", shape: [4, 2, 3] },
    { name: "i", dtype: "i32", shape: [2, 2] },
  ] as const;
  expect(() => traceGraph("loss", inputs, ([x, i]) => [make(x as Float, i as Tensor<"i32">)])).toThrow(message);
});
