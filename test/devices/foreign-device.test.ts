/**
 * @file A device of another owner: trained on within its limits, and given back as it was. Errors, buffers and the end
 * of the owner stay the owner's.
 */
import { afterEach, describe, expect, test, vi } from "vitest";
import { gru } from "../../cells/gru.ts";
import { ndarray } from "../../compiler/graph/ndarray.ts";
import { DeviceLostError, mul, openDevice, type Tensor, traceGraph } from "../../index.ts";
import { contextOnDeviceOf } from "../../runtime/foreign-device.ts";
import { requestAdapter } from "../../runtime/host.ts";
import { findNeighbours } from "../../runtime/neighbours.ts";
import { languageModel } from "../../train/networks.ts";
import { createTrainer } from "../../train/trainer.ts";
import { bytesOf, makeError, type OwnedDevice, ownBuffer, ownedDevice, readOwn } from "../support/owned-device.ts";
import { whatever } from "../support/refused.ts";
import { slow } from "../support/some-of.ts";

const network = languageModel({ cell: gru, units: 6, layers: 1, vocabulary: 5, embed: 4 });
const batch = (fresh: boolean) => {
  const tokens = (shift: number) =>
    ndarray(
      [6, 2],
      [...Array(12).keys()].map((i) => ((i + shift) % 7) % 5),
      "i32",
    );
  return { x: tokens(0), targets: tokens(1), fresh };
};
const doubled = traceGraph("doubled", [{ name: "x", dtype: "f32", shape: ["N"] }], ([x]) => [
  mul(x as Tensor<"f32">, 2),
]);
const messageOf = (error: unknown) => (error instanceof Error ? error.message : String(error));
/** Time for what the device still has to tell. */
const settled = () => new Promise((resolve) => setTimeout(resolve, 30));

const opened: OwnedDevice[] = [];
async function owned(descriptor?: GPUDeviceDescriptor): Promise<OwnedDevice> {
  const made = await ownedDevice(descriptor);
  opened.push(made);
  return made;
}
afterEach(() => {
  for (const { device } of opened.splice(0)) device.destroy();
});

test(
  "it trains with WebGPU's default limits like the interpreter, and counts the bytes of its own buffers only",
  slow,
  async () => {
    const { device: gpuDevice, buffers, heard } = await owned();
    const theirs = ownBuffer(gpuDevice, Float32Array.of(1, 2, 3));
    const device = await openDevice({ gpuDevice, timeout: 600 });
    expect(device.limits?.bufferBytes).toBe(128 * 2 ** 20);
    expect([device.kind, device.name]).toEqual(["software", expect.stringMatching(/^SwiftShader/)]);
    const losses: number[][] = [];
    for (const each of [device, await openDevice({ device: "interpreter" })]) {
      const trainer = await createTrainer(each, network, { learningRate: 0.05, seed: 3 });
      const found: number[] = [];
      for (let i = 0; i < 8; i++) found.push((await trainer.step(batch(i === 0))).loss);
      losses.push(found);
      if (each === device) expect(device.memory().bytes).toBe(bytesOf(buffers) - theirs.size);
      trainer.destroy();
    }
    const [found = [], expected = []] = losses;
    for (const [i, loss] of found.entries()) expect(Math.abs(loss - (expected[i] ?? 0))).toBeLessThan(1e-5);
    device.destroy();
    expect(heard).toEqual([]);
  },
);

test(
  "destroy frees every buffer of its own, and leaves the device, its buffers and their owner's work alone",
  slow,
  async () => {
    const { device: gpuDevice, buffers, ends, heard } = await owned();
    const theirs = ownBuffer(gpuDevice, Float32Array.of(1, 2, 3));
    const device = await openDevice({ gpuDevice });
    const trainer = await createTrainer(device, network);
    await trainer.step(batch(true));
    const kept = device.upload(ndarray([2], [5, 6]));
    expect(buffers.size).toBeGreaterThan(5);
    device.destroy();
    expect([...buffers.keys()]).toEqual([theirs]);
    expect(device.memory()).toEqual({ bytes: 0, buffers: 0 });
    // What is freed after the device is not freed twice, nor kept for others.
    kept.destroy();
    trainer.destroy();
    device.destroy();
    expect(await readOwn(gpuDevice, theirs, 3)).toEqual([1, 2, 3]);
    expect([ends(), heard]).toEqual([0, []]);

    const again = await openDevice({ gpuDevice });
    const [result] = (await again.compile(doubled)).run({ x: ndarray([2], [1, 2]) });
    expect([...((await result?.read())?.data ?? [])]).toEqual([2, 4]);
    again.destroy();
  },
);

test(
  "steps in flight when it is destroyed, and all later calls, reject with a DeviceLostError; its owner's device is not lost",
  slow,
  async () => {
    const { device: gpuDevice, ends } = await owned();
    const device = await openDevice({ gpuDevice });
    const trainer = await createTrainer(device, network);
    const pending = trainer.step(batch(true));
    device.destroy();
    expect(await device.lost).toBeInstanceOf(DeviceLostError);
    await expect(pending).rejects.toBeInstanceOf(DeviceLostError);
    await expect(trainer.parameters()).rejects.toBeInstanceOf(DeviceLostError);
    expect(() => device.upload(ndarray([1], [1]))).toThrow(DeviceLostError);
    expect(ends()).toBe(0);
    expect(await readOwn(gpuDevice, ownBuffer(gpuDevice, Float32Array.of(7)), 1)).toEqual([7]);
  },
);

test("the owner's end of the device rejects steps with a DeviceLostError", slow, async () => {
  const { device: gpuDevice } = await owned();
  const device = await openDevice({ gpuDevice });
  const trainer = await createTrainer(device, network);
  const pending = trainer.step(batch(true));
  gpuDevice.destroy();
  await expect(pending).rejects.toBeInstanceOf(DeviceLostError);
  expect(messageOf(await device.lost)).toMatch(/^the device .* was lost: it was destroyed; open a new one/);
  expect(() => device.upload(ndarray([1], [1]))).toThrow(DeviceLostError);
  device.destroy();
});

describe("errors of the owner", () => {
  test("made while steps are in flight reach the owner's handler, and no error of ours does", slow, async () => {
    const { device: gpuDevice, heard } = await owned();
    const device = await openDevice({ gpuDevice });
    const trainer = await createTrainer(device, network);
    const steps = [trainer.step(batch(true)), trainer.step(batch(false))];
    makeError(gpuDevice);
    for (const { finite } of await Promise.all(steps)) expect(finite).toBe(true);
    makeError(gpuDevice);
    await settled();
    expect(heard).toEqual([
      expect.stringContaining("error of the owner"),
      expect.stringContaining("error of the owner"),
    ]);
    expect(gpuDevice.onuncapturederror).toBeNull();
    device.destroy();
  });

  test("reach the owner's scope, open around a run of ours, and errors within the run do not", slow, async () => {
    const { device: gpuDevice, heard } = await owned();
    const device = await openDevice({ gpuDevice });
    const executable = await device.compile(doubled);
    const x = device.upload(ndarray([2], [1, 2]));
    gpuDevice.pushErrorScope("validation");
    const [result] = executable.run({ x });
    makeError(gpuDevice);
    const theirs = gpuDevice.popErrorScope();
    gpuDevice.pushErrorScope("validation");
    executable.run({ x });
    const none = gpuDevice.popErrorScope();
    expect((await theirs)?.message).toContain("error of the owner");
    expect(await none).toBeNull();
    expect([...((await result?.read())?.data ?? [])]).toEqual([2, 4]);
    expect(heard).toEqual([]);
    device.destroy();
  });

  test("no scope is open across an await while devices are opened, programs compiled, profiled and read", async () => {
    const { device: gpuDevice, heard } = await owned({ requiredFeatures: ["timestamp-query", "subgroups"] });
    let scopes = 0;
    const most: number[] = [];
    const [push, pop] = [gpuDevice.pushErrorScope.bind(gpuDevice), gpuDevice.popErrorScope.bind(gpuDevice)];
    gpuDevice.pushErrorScope = (filter) => {
      scopes += 1;
      push(filter);
      return undefined;
    };
    gpuDevice.popErrorScope = () => {
      scopes -= 1;
      return pop();
    };
    // Looked at between the turns of everything that follows.
    const look = setInterval(() => most.push(scopes), 0);
    const between = async <T>(work: Promise<T>): Promise<T> => {
      for (let i = 0; i < 20; i++) {
        most.push(scopes);
        await Promise.resolve();
      }
      return work;
    };
    const device = await between(openDevice({ gpuDevice }));
    expect(await between(findNeighbours(gpuDevice, 4))).toBe(4);
    const executable = await between(device.compile(doubled));
    const x = device.upload(ndarray([2], [1, 2]));
    expect(await between(executable.profile({ x }))).toHaveLength(1);
    const [result] = executable.run({ x });
    await between(result?.read() as Promise<unknown>);
    clearInterval(look);
    expect(most.length).toBeGreaterThan(100);
    expect(Math.max(...most)).toBe(0);
    expect(heard).toEqual([]);
    device.destroy();
  });
});

test("without a word about the adapter, it counts on a card of few registers", async () => {
  const { device: gpuDevice } = await owned();
  Object.defineProperty(gpuDevice, "adapterInfo", { value: undefined });
  const context = await contextOnDeviceOf(gpuDevice);
  expect([context.host.kind, context.host.name]).toEqual(["gpu", "unnamed adapter"]);
  expect(context.compileLimits).toMatchObject({ registers: undefined, subgroupSize: undefined, neighbours: 1 });
  context.destroy();
});

test("no global of WebGPU is needed", async () => {
  const { device: gpuDevice } = await owned();
  for (const name of ["GPUBufferUsage", "GPUMapMode", "GPUShaderStage", "GPUDevice"]) vi.stubGlobal(name, undefined);
  const device = await openDevice({ gpuDevice });
  const [result] = (await device.compile(doubled)).run({ x: ndarray([2], [1, 2]) });
  expect([...((await result?.read())?.data ?? [])]).toEqual([2, 4]);
  device.destroy();
  vi.unstubAllGlobals();
});

describe("one line says what is wrong with", () => {
  const line = (options: object) =>
    openDevice(whatever(options)).then(
      () => "no error",
      (error) => `${error.name}: ${error.message}`,
    );
  const expected = "expected a GPUDevice, such as await adapter.requestDevice()";

  test.each<[string, unknown, string]>([
    ["null", null, `UserError: openDevice: gpuDevice is null; ${expected}`],
    ["a text", "gpu", `UserError: openDevice: gpuDevice is "gpu"; ${expected}`],
    ["a promise", Promise.resolve(), `UserError: openDevice: gpuDevice is a promise; ${expected}`],
    ["another object", {}, `UserError: openDevice: gpuDevice is an object without createBuffer; ${expected}`],
  ])("%s", async (_, gpuDevice, said) => expect(await line({ gpuDevice })).toBe(said));

  test("an adapter, and a device of cellgrad", async () => {
    const { adapter, release } = await requestAdapter("software");
    expect(await line({ gpuDevice: adapter })).toBe(`UserError: openDevice: gpuDevice is a GPUAdapter; ${expected}`);
    release();
    const gpuDevice = await openDevice({ device: "interpreter" });
    expect(await line({ gpuDevice })).toBe(
      `UserError: openDevice: gpuDevice is a device of cellgrad already; ${expected}`,
    );
  });

  test("a device that was destroyed, or lost, before", async () => {
    const { device: gpuDevice } = await owned();
    gpuDevice.destroy();
    const said =
      "DeviceUnavailableError: openDevice: gpuDevice is lost already: it was destroyed. Give one that is open.";
    expect(await line({ gpuDevice })).toBe(said);
    await gpuDevice.lost;
    expect(await line({ gpuDevice })).toBe(said);
  });

  test("a device with fewer than the default limits", async () => {
    const { device } = await owned();
    const limits = { ...whatever<object>({}), maxStorageBuffersPerShaderStage: 4 };
    const gpuDevice = new Proxy(device, {
      get: (target, key) => (key === "limits" ? limits : Reflect.get(target, key, target)),
    });
    expect(await line({ gpuDevice })).toBe(
      "UserError: openDevice: gpuDevice allows maxStorageBuffersPerShaderStage 4; expected at least 8, WebGPU's default: request it without a lower feature level",
    );
  });

  test("an object that looks like a device and is none", async () => {
    const { device } = await owned();
    // Methods of hosts refuse an object that only inherits them.
    const said = await line({ gpuDevice: Object.create(device) });
    expect(said).toMatch(/^UserError: openDevice: gpuDevice [^\n]+$/);
  });

  test("a device where a name belongs, and beside another choice", async () => {
    const { device: gpuDevice } = await owned();
    expect(await line({ device: gpuDevice })).toBe(
      'UserError: openDevice: device is an object; expected "auto" or "gpu" or "cpu" or "software" or "interpreter", and a GPUDevice of your own as gpuDevice',
    );
    for (const [name, value] of Object.entries({ device: "gpu", threads: 2 }))
      expect(await line({ gpuDevice, [name]: value })).toBe(
        `UserError: openDevice: gpuDevice is a device already, so ${name} has no effect; leave one of them out`,
      );
    expect(await line({ gpuDevice, timeout: 0 })).toBe(
      "UserError: openDevice: timeout is 0; expected seconds, a number above 0",
    );
  });
});
