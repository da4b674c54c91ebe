/** @file A checkpoint in a model file: training resumes from it bit for bit, and a damaged one is an error. */
import { expect, test } from "vitest";
import { ndarray } from "../../../compiler/graph/ndarray.ts";
import { decodeModel, encodeModel, savedModel } from "../../../train/files/model-file.ts";
import { decodeTensors, encodeTensors } from "../../../train/files/safetensors.ts";
import { rmsProp } from "../../../train/optimizers/adaptive.ts";
import { averagedParameters, withAverage } from "../../../train/optimizers/weight-average.ts";
import { createTrainer, type TrainerOptions } from "../../../train/trainer.ts";
import { devices } from "../devices.ts";
import { numbers, series } from "../steps.ts";

const options: TrainerOptions = {
  optimizer: withAverage(rmsProp({ momentum: 0.5 })),
  accumulate: 2,
  learningRate: 0.01,
};
const batchOf = (i: number) => ({ x: numbers([3, 2, 2], `x${i}`), targets: numbers([3, 2, 2], `t${i}`), fresh: true });

for (const { name, open } of devices) {
  test(`${name}: weights, slots, average and half an update are restored from a file`, async () => {
    const device = await open();
    const first = await createTrainer(device, series, options);
    for (const i of [0, 1, 2]) await first.step(batchOf(i));
    const averaged = await averagedParameters(first);
    const details = { columns: ["a", "b"], checkpoint: await first.checkpoint() };
    const bytes = encodeModel(savedModel(series, averaged, details));
    const model = decodeModel(bytes, "m");
    expect(encodeModel(model)).toEqual(bytes);
    // What is used is the average; what training goes on from are the last weights.
    const asF32 = (data: Float64Array) => data.map(Math.fround);
    for (const [path, { data }] of Object.entries(model.parameters))
      expect(data).toEqual(asF32(averaged[path]?.data ?? data));

    const again = await createTrainer(device, series, { ...options, seed: 5 });
    again.restore(model.checkpoint ?? {});
    // The interpreter computes in float64 and a file keeps f32: both go on from the same numbers.
    first.restore(model.checkpoint ?? {});
    for (const trainer of [first, again]) for (const i of [3, 4]) await trainer.step(batchOf(i));
    expect(await again.checkpoint()).toEqual(await first.checkpoint());
    expect(await averagedParameters(again)).not.toEqual(averaged);

    const other = await createTrainer(device, series);
    expect(() => other.restore(model.checkpoint ?? {})).toThrow(
      "the checkpoint belongs to another network or optimizer: slots/mean is missing or has another shape",
    );
    for (const trainer of [first, again, other]) trainer.destroy();
    device.destroy();
  });
}

const checkpoint = { parameters: ndarray([1], [0]), step: ndarray([], [3]) };

test("a checkpoint that does not fit its model is a one-line error", async () => {
  const size = series.specs.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
  const flat = ndarray([size], new Float64Array(size));
  const weights = Object.fromEntries(
    series.specs.map(({ path, shape }) => [path, ndarray(shape, new Float64Array(shape.reduce((a, b) => a * b, 1)))]),
  );
  const plain = decodeTensors(encodeModel(savedModel(series, weights, { columns: ["a", "b"] })), "m");
  const faultOf = (kept: Readonly<Record<string, ReturnType<typeof ndarray>>>, drop = "") => {
    const added = Object.entries(kept).map(([name, value]) => [`checkpoint/${name}`, value] as const);
    const tensors = { ...plain.tensors, ...Object.fromEntries(added.filter(([name]) => name !== drop)) };
    const metadata = { ...plain.metadata, checkpoint: JSON.stringify(Object.keys(kept)) };
    try {
      decodeModel(encodeTensors({ tensors, metadata }), "m");
    } catch (error) {
      return String(error);
    }
    return undefined;
  };
  expect(faultOf({ ...checkpoint, parameters: flat })).toBeUndefined();
  const fault = `"parameters" of its checkpoint is missing or damaged; expected f32[${size}]`;
  expect(faultOf(checkpoint)).toContain(`m is not a usable model: ${fault}`);
  expect(() => encodeModel(savedModel(series, weights, { columns: ["a", "b"], checkpoint }))).toThrow(
    `the model is not written, since it could not be read again: ${fault}`,
  );
  expect(faultOf({ parameters: flat })).toContain("its checkpoint lacks step");
  expect(faultOf({ ...checkpoint, parameters: flat, "slots/a": flat }, "checkpoint/slots/a")).toContain(
    '"slots/a" of its checkpoint is missing or damaged',
  );
});
