/**
 * @file Runs that are encoded among the commands of another owner, who submits them: once, in the order of the encoder, with
 * all that they need written before.
 */
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { ndarray } from "../../compiler/graph/ndarray.ts";
import {
  type Device,
  type DeviceArray,
  dot,
  type Executable,
  interpret,
  mul,
  openDevice,
  sum,
  type Tensor,
  tanh,
  traceGraph,
} from "../../index.ts";
import { doubleOwn, makeError, type OwnedDevice, ownBuffer, ownedDevice, readOwn } from "../support/owned-device.ts";
import { lineOf, lineOfPromise, whatever } from "../support/refused.ts";
import { numbers } from "../support/same-after.ts";
import { difference } from "../train/devices.ts";

type Float = Tensor<"f32">;
const tripled = traceGraph("tripled", [{ name: "x", dtype: "f32", shape: ["N"] }], ([x]) => [mul(x as Float, 3)]);
/** With values between its inputs and its results, of sizes that grow with N. */
const network = traceGraph(
  "network",
  [
    { name: "x", dtype: "f32", shape: ["N", 8] },
    { name: "w", dtype: "f32", shape: [8, 8] },
  ],
  ([x, w]) => {
    const hidden = tanh(dot(tanh(dot(x as Float, w as Float)), w as Float));
    return [sum(hidden, 1), dot(hidden, w as Float)];
  },
);

let owner: OwnedDevice;
let gpuDevice: GPUDevice;
let device: Device;
let executable: Executable;
beforeAll(async () => {
  owner = await ownedDevice();
  gpuDevice = owner.device;
  device = await openDevice({ gpuDevice });
  executable = await device.compile(tripled);
});
afterAll(() => {
  device.destroy();
  gpuDevice.destroy();
});

const numbersOf = async (array: DeviceArray | undefined) => [...((await array?.read())?.data ?? [])];

test("a run between two passes of its owner is part of one submit, which is the owner's", async () => {
  const theirs = ownBuffer(gpuDevice, Float32Array.of(1, 2, 3));
  const x = device.wrap(theirs, { shape: [3] });
  const submit = vi.spyOn(gpuDevice.queue, "submit");
  const encoder = gpuDevice.createCommandEncoder();
  doubleOwn(gpuDevice, encoder, theirs);
  const [result] = executable.encode(encoder, { x });
  doubleOwn(gpuDevice, encoder, result?.buffer as GPUBuffer);
  expect(submit).not.toHaveBeenCalled();
  submit.mockRestore();
  gpuDevice.queue.submit([encoder.finish()]);
  expect(await numbersOf(result)).toEqual([12, 24, 36]);
  expect(await numbersOf(x)).toEqual([2, 4, 6]);
  result?.destroy();
});

test("encodings of several inputs and sizes, and runs between them, do not disturb each other before the submit", async () => {
  device.trim();
  const before = new Set(owner.buffers.keys());
  const program = await device.compile(network);
  const w = device.upload(numbers([8, 8], 1));
  const xs = [3, 700, 90, 2000].map((rows, seed) => numbers([rows, 8], seed));
  const encoder = gpuDevice.createCommandEncoder();
  const results = xs.slice(0, 3).map((x) => program.encode(encoder, { x: device.upload(x), w }));
  // This one needs more memory than all that are encoded.
  results.push(program.run({ x: xs[3] as never, w }));
  gpuDevice.queue.submit([encoder.finish()]);
  for (const [i, arrays] of results.entries()) {
    const expected = interpret(network, [xs[i] as never, numbers([8, 8], 1)]);
    for (const [k, array] of arrays.entries())
      expect(difference((await array.read()).data, expected[k]?.data as never)).toBeLessThan(1e-5);
    for (const array of arrays) array.destroy();
  }
  expect(owner.heard).toEqual([]);
  // Destroyed, it leaves the uploads and the pool alone.
  program.destroy();
  device.trim();
  expect([...owner.buffers.keys()].filter((buffer) => !before.has(buffer))).toHaveLength(1 + 3);
});

test("a state that is donated goes through several runs of one submit in place", async () => {
  const inPlace = await device.compile(tripled, { donate: { x: 0 } });
  const theirs = ownBuffer(gpuDevice, Float32Array.of(1, 2));
  const encoder = gpuDevice.createCommandEncoder();
  let state: DeviceArray = device.wrap(theirs, { shape: [2] });
  for (let i = 0; i < 3; i++) [state = state] = inPlace.encode(encoder, { x: state });
  gpuDevice.queue.submit([encoder.finish()]);
  expect(await readOwn(gpuDevice, theirs, 2)).toEqual([27, 54]);
  inPlace.destroy();
});

test("results that the host would read after every run stay on the device", async () => {
  const staged = await device.compile(tripled, { readback: [0] });
  const encoder = gpuDevice.createCommandEncoder();
  const [result] = staged.encode(encoder, { x: device.upload(ndarray([2], [1, 2])) });
  gpuDevice.queue.submit([encoder.finish()]);
  expect(await numbersOf(result)).toEqual([3, 6]);
  expect(await readOwn(gpuDevice, result?.buffer as GPUBuffer, 2)).toEqual([3, 6]);
  staged.destroy();
});

test("errors of the owner within an encoding are the owner's", async () => {
  gpuDevice.pushErrorScope("validation");
  const encoder = gpuDevice.createCommandEncoder();
  makeError(gpuDevice);
  executable.encode(encoder, { x: device.upload(ndarray([2], [1, 2])) });
  expect((await gpuDevice.popErrorScope())?.message).toContain("error of the owner");
  expect(owner.heard).toEqual([]);
});

describe("one line says what is wrong with", () => {
  const x = () => device.upload(ndarray([2], [1, 2]));
  const encoder = () => gpuDevice.createCommandEncoder();

  test.each<[string, unknown, string]>([
    ["nothing", undefined, "undefined"],
    ["numbers", Float32Array.of(1), "a Float32Array"],
    ["another object", {}, "an object"],
  ])("%s in the place of an encoder", (_, given, words) =>
    expect(lineOf(() => executable.encode(whatever(given), { x: x() }))).toBe(
      `tripled: the encoder is ${words}; expected a GPUCommandEncoder`,
    ),
  );

  test("inputs", () => {
    expect(lineOf(() => executable.encode(encoder(), { x: whatever(ndarray([2], [1, 2])) }))).toBe(
      "tripled: input x is not on the device, and commands that are submitted later read it then; upload it first",
    );
    expect(lineOf(() => executable.encode(encoder(), {}))).toBe("tripled: input x is missing");
    const gone = x();
    gone.destroy();
    expect(lineOf(() => executable.encode(encoder(), { x: gone }))).toMatch(/^tripled: input x was destroyed/);
  });

  test("an encoder that is finished: the results reject, and nobody else hears of it", async () => {
    const finished = encoder();
    finished.finish();
    const [result] = executable.encode(finished, { x: x() });
    const said = await Promise.resolve(result?.read()).catch((error) => error.message);
    expect(said).toMatch(/^tripled: the device reports: [^\n]*finished/);
    expect(owner.heard).toEqual([]);
  });

  test("a buffer of another GPUDevice: the results reject, and the owner's commands are refused where they are finished", async () => {
    const stranger = await ownedDevice();
    const theirs = device.wrap(ownBuffer(stranger.device, Float32Array.of(1, 2)), { shape: [2] });
    const open = encoder();
    const [result] = executable.encode(open, { x: theirs });
    gpuDevice.pushErrorScope("validation");
    open.finish();
    expect((await gpuDevice.popErrorScope())?.message).toMatch(/./);
    expect(await lineOfPromise(() => result?.read() as Promise<unknown>)).toMatch(/^wrap: .* cannot use the buffer/);
    expect(owner.heard).toEqual([]);
    stranger.device.destroy();
  });

  test.each(["cpu", "interpreter"] as const)("device %s", async (kind) => {
    const without = await openDevice({ device: kind });
    const compiled = await without.compile(tripled);
    const given = { x: without.upload(ndarray([2], [1, 2])) };
    expect(lineOf(() => compiled.encode(encoder(), given))).toBe(
      `tripled: device "${kind}" has no commands to encode; use run`,
    );
    without.destroy();
  });
});
