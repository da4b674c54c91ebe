/**
 * @file Batches that are on the device already: uploaded, or the buffers of another owner. Training on them is training on
 * their numbers, bit for bit; they stay the caller's, and what is wrong with one costs the trainer nothing.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { gru } from "../../cells/gru.ts";
import { ndarray } from "../../compiler/graph/ndarray.ts";
import { classifierModel } from "../../entries/networks.ts";
import { createTrainer, type Device, type NdArray, openDevice, type Trainer } from "../../index.ts";
import type { BatchArray } from "../../train/batch-inputs.ts";
import { type OwnedDevice, ownBuffer, ownedDevice, readOwn } from "../support/owned-device.ts";
import { lineOf, lineOfPromise } from "../support/refused.ts";
import { numbers } from "../support/same-after.ts";
import { slow } from "../support/some-of.ts";

const [time, rows, features] = [5, 3, 4];
const network = classifierModel({ cell: gru, units: 6, layers: 1, classes: 3, reads: { features } });
// Numbers of f32, which every device keeps as they are.
const xs = [1, 2, 3].map((seed) => {
  const { shape, data } = numbers([time, rows, features], seed);
  return ndarray(shape, Float32Array.from(data));
});
const classes = (shift: number) =>
  ndarray(
    [time, rows],
    [...Array(time * rows).keys()].map((i) => (i < (time - 1) * rows ? -1 : (i + shift) % 3)),
    "i32",
  );
const batches = xs.map((x, i) => ({ x, targets: classes(i), fresh: true }));

let owner: OwnedDevice;
let devices: readonly Device[];
beforeAll(async () => {
  owner = await ownedDevice();
  devices = await Promise.all([
    openDevice({ gpuDevice: owner.device }),
    openDevice({ device: "cpu", threads: 1 }),
    openDevice({ device: "interpreter" }),
  ]);
});
afterAll(() => {
  for (const device of devices) device.destroy();
  expect(owner.heard).toEqual([]);
  owner.device.destroy();
});

const trainerOn = (device: Device) => createTrainer(device, network, { learningRate: 0.05, seed: 2 });

/** All that a trainer does with batches. */
async function allOf(trainer: Trainer, given: (array: NdArray) => BatchArray) {
  const all = batches.map(({ x, targets, fresh }) => ({ x: given(x), targets: given(targets), fresh }));
  const losses: number[] = [];
  for (const batch of all) losses.push((await trainer.step(batch)).loss);
  const [first] = all;
  if (first === undefined) throw new Error("no batch");
  return {
    losses,
    heldOut: await trainer.evaluate(all),
    gradients: await trainer.gradients(first),
    predicted: (await trainer.predict({ x: first.x })).output,
    parameters: await trainer.parameters(),
  };
}

test(
  "a trainer does the same with arrays of its device as with their numbers, bit for bit, on every device",
  slow,
  async () => {
    for (const device of devices) {
      const [plain, onDevice] = [await trainerOn(device), await trainerOn(device)];
      const expected = await allOf(plain, (array) => array);
      const uploaded: { array: NdArray; on: BatchArray }[] = [];
      const found = await allOf(onDevice, (array) => {
        const on = device.upload(array);
        uploaded.push({ array, on });
        return on;
      });
      expect(found).toEqual(expected);
      // They are the caller's still.
      for (const { array, on } of uploaded)
        expect("read" in on && [...(await on.read()).data]).toEqual([...Float32Array.from(array.data)]);
      plain.destroy();
      onDevice.destroy();
    }
  },
);

test("a trainer trains on a buffer that its owner fills anew for each step", slow, async () => {
  const [device] = devices as [Device];
  const [plain, onDevice] = [await trainerOn(device), await trainerOn(device)];
  const theirs = ownBuffer(owner.device, Float32Array.from(xs[0]?.data ?? []));
  const x = device.wrap(theirs, { shape: [time, rows, features] });
  for (const batch of batches) {
    owner.device.queue.writeBuffer(theirs, 0, Float32Array.from(batch.x.data));
    // The second is enqueued before the buffer changes again.
    const [expected, found] = await Promise.all([plain.step(batch), onDevice.step({ ...batch, x })]);
    expect(found).toEqual(expected);
  }
  plain.destroy();
  onDevice.destroy();
  expect(await readOwn(owner.device, theirs, 3)).toEqual([...Float32Array.from(xs[2]?.data ?? []).slice(0, 3)]);
});

test("a step that stopped is given with the numbers of its arrays", async () => {
  const [device] = devices as [Device];
  const trainer = await trainerOn(device);
  const data = numbers([time, rows, features], 4);
  data.data[7] = Number.NaN;
  const result = await trainer.step({ x: device.upload(data), targets: classes(0), fresh: true });
  expect(result.finite).toBe(false);
  const stopped = await trainer.stoppedStep();
  expect([...(stopped?.inputs.x?.data ?? [])]).toEqual([...Float32Array.from(data.data)]);
  trainer.destroy();
});

describe("what is wrong with a batch is one line, and the trainer goes on as if it had not been", () => {
  test("classes on the host are checked beside an array on the device", async () => {
    const [device] = devices as [Device];
    const trainer = await trainerOn(device);
    const targets = classes(0);
    targets.data[time * rows - 1] = 3;
    const x = device.upload(xs[0] as NdArray);
    expect(lineOf(() => void trainer.step({ x, targets, fresh: true }))).toBe(
      "targets holds 3 at step 4, row 2 (counted from 0); expected classes, whole numbers from 0 to 2",
    );
    trainer.destroy();
  });

  test("arrays that cannot be used", async () => {
    const [device, cpu] = devices as [Device, Device];
    const [plain, trainer] = [await trainerOn(device), await trainerOn(device)];
    const [first, second] = batches as [(typeof batches)[0], (typeof batches)[0]];
    const losses = [(await plain.step(first)).loss, (await plain.step(second)).loss];
    const found = [(await trainer.step(first)).loss];

    expect(lineOf(() => void trainer.step({ ...first, x: cpu.upload(first.x) }))).toMatch(
      /: input x is an array of another device/,
    );
    const gone = device.upload(first.x);
    gone.destroy();
    expect(lineOf(() => void trainer.step({ ...first, x: gone }))).toMatch(/: input x was destroyed, or donated/);
    expect(lineOf(() => void trainer.step({ ...first, x: device.upload(numbers([5, 3, 2], 1)) }))).toMatch(
      /: input x: axis 2/,
    );
    const theirs = ownBuffer(owner.device, Float32Array.from(first.x.data));
    const x = device.wrap(theirs, { shape: first.x.shape });
    theirs.destroy();
    expect(await lineOfPromise(() => trainer.step({ ...first, x }))).toMatch(
      /^trainingStep: the GPUBuffer of input x cannot be used \(/,
    );
    found.push((await trainer.step(second)).loss);
    expect(found).toEqual(losses);
    expect(await trainer.parameters()).toEqual(await plain.parameters());
    plain.destroy();
    trainer.destroy();
  });
});
