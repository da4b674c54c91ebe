/**
 * @file Device faults during training: lost, out of memory, not answering, with WebGPU's minimum limits, or with a kernel
 * that does not compile. Each gives a one-line error that says what to do, preserves the training state, and leaks no buffer.
 */
import { describe, expect, test } from "vitest";
import { lstm } from "../../cells/lstm.ts";
import { rnn } from "../../cells/rnn.ts";
import { compileProgram } from "../../compiler/compile.ts";
import { ndarray } from "../../compiler/graph/ndarray.ts";
import { scanTensors } from "../../compiler/ops/scan.ts";
import { traceGraph } from "../../compiler/ops/trace.ts";
import { exp, log } from "../../compiler/ops/transcendental.ts";
import { broadcast, sum } from "../../compiler/ops/views.ts";
import type { Tensor } from "../../compiler/trace/tensor.ts";
import type { Device } from "../../devices/device.ts";
import { openInterpreter } from "../../devices/interpreter.ts";
import { openDevice } from "../../devices/open-device.ts";
import { DeviceLostError, DeviceMemoryError, DeviceTimeoutError } from "../../runtime/device-errors.ts";
import { LoadedProgram } from "../../runtime/loaded-program.ts";
import type { TrainingBatch } from "../../train/batch-inputs.ts";
import { decodeModel, encodeModel, savedModel } from "../../train/files/model-file.ts";
import { languageModel } from "../../train/networks.ts";
import { createTrainer } from "../../train/trainer.ts";
import { slow, someOf } from "../support/some-of.ts";
import { openWebgpu } from "../support/webgpu.ts";
import { lineOf } from "./fault-table.ts";
import { shortOfMemory, silent, withDefaultLimits } from "./faulty-device.ts";

const network = languageModel({ cell: rnn, units: 6, layers: 1, vocabulary: 5, embed: 4 });
const options = { learningRate: 0.05, clipNorm: 1, seed: 3 };

/** Tokens that repeat with a period of 7, `rows` sequences of `steps`. */
function batch(i: number, fresh = i === 0, rows = 2, steps = 6): TrainingBatch {
  const tokens = (shift: number) =>
    Int32Array.from({ length: rows * steps }, (_, at) => ((at + shift + i * steps) % 7) % 5);
  const array = (shift: number) => ndarray([steps, rows], [...tokens(shift)], "i32");
  return { x: array(0), targets: array(1), fresh };
}

const messageOf = (error: unknown) => (error instanceof Error ? error.message : String(error));
const failureOf = (task: Promise<unknown>) => task.then(() => "no failure", messageOf);

/** Errors outside of error scopes, which hosts would print. */
function unheardOn(device: GPUDevice): readonly string[] {
  const unheard: string[] = [];
  device.addEventListener("uncapturederror", ({ error }) => unheard.push(error.message));
  return unheard;
}

/** Some memory is given back in later turns. */
const settled = () => new Promise((resolve) => setTimeout(resolve, 20));

test(
  "a device lost during training: resumed from the last checkpoint in a file, the run is bit-equal to an uninterrupted one",
  slow,
  async () => {
    const device = await openWebgpu();
    const whole = await createTrainer(device, network, options);
    const losses: number[] = [];
    for (let i = 0; i < 12; i++) losses.push((await whole.step(batch(i))).loss);
    const end = await whole.checkpoint();

    const interrupted = await createTrainer(device, network, options);
    const seen: number[] = [];
    for (let i = 0; i < 6; i++) seen.push((await interrupted.step(batch(i))).loss);
    const vocabulary = [..."abcde"];
    const file = encodeModel(
      savedModel(network, await interrupted.parameters(), { vocabulary, checkpoint: await interrupted.checkpoint() }),
    );
    const onTheirWay = [6, 7, 8].map((i) => interrupted.step(batch(i)));
    device.destroy();
    for (const outcome of await Promise.allSettled(onTheirWay)) {
      if (outcome.status === "rejected")
        expect(messageOf(outcome.reason)).toMatch(lineOf("a device that is lost in mid-training"));
    }
    await expect(interrupted.checkpoint()).rejects.toBeInstanceOf(DeviceLostError);
    expect(await failureOf(interrupted.checkpoint())).toMatch(lineOf("a device that is lost in mid-training"));

    const second = await openWebgpu();
    const resumed = await createTrainer(second, network, { ...options, seed: 99 });
    resumed.restore(decodeModel(file, "kept").checkpoint ?? {});
    for (let i = 6; i < 12; i++) seen.push((await resumed.step(batch(i))).loss);
    expect(seen).toEqual(losses);
    expect(await resumed.checkpoint()).toEqual(end);
    second.destroy();
  },
);

describe("out of memory", () => {
  const line = lineOf("a batch for which the device has no memory");

  test("keeps weights, slots and step count; training continues with a smaller batch, bit-equal to a run without the failure", async () => {
    const { device, context } = await shortOfMemory(100_000);
    const plain = await createTrainer(device, network, options);
    const undisturbed = [0, 1, 2, 3].map(async (i) => (await plain.step(batch(i, true))).loss);
    const losses = await Promise.all(undisturbed);
    plain.destroy();
    await settled();
    device.trim();
    const empty = context.pool.allocated.buffers;

    const trainer = await createTrainer(device, network, options);
    expect([(await trainer.step(batch(0, true))).loss, (await trainer.step(batch(1, true))).loss]).toEqual(
      losses.slice(0, 2),
    );
    const kept = await trainer.checkpoint();
    // The steps on their way fail with the first, whose slabs they share.
    const failures = [0, 1, 2].map((i) => failureOf(trainer.step(batch(i, i === 0, 64, 40))));
    for (const failure of await Promise.all(failures)) expect(failure).toMatch(line);
    expect([(await trainer.step(batch(2, true))).loss, (await trainer.step(batch(3, true))).loss]).toEqual(
      losses.slice(2),
    );
    expect((await trainer.checkpoint()).step?.data[0]).toBe((kept.step?.data[0] ?? 0) + 2);
    const evaluation = trainer.evaluate([batch(0, true, 64, 40), batch(1, true, 64, 40)]);
    expect(await failureOf(evaluation)).toMatch(/evaluationStep at .* needs \d+\.\d MiB; lower the batch/);
    trainer.destroy();
    await settled();
    device.trim();
    expect(context.pool.allocated.buffers).toBe(empty);
    device.destroy();
  });

  test("runs the same batch once there is memory again", async () => {
    const { device, restore } = await shortOfMemory(100_000);
    const trainer = await createTrainer(device, network, options);
    const large = batch(0, true, 64, 40);
    await expect(trainer.step(large)).rejects.toBeInstanceOf(DeviceMemoryError);
    expect(await failureOf(trainer.step(large))).toMatch(line);
    restore();
    expect((await trainer.step(large)).finite).toBe(true);
    device.destroy();
  });

  test("of an upload is reported by runs and reads that use it", async () => {
    const { device, context } = await shortOfMemory(1000);
    const unheard = unheardOn(context.device);
    const array = device.upload(ndarray([500], new Float64Array(500)));
    const graph = traceGraph("total", [{ name: "x", dtype: "f32", shape: ["N"] }], ([x]) => [sum(x as Tensor<"f32">)]);
    const executable = await device.compile(graph);
    const said = lineOf("an array for which the device has no memory");
    const [result] = executable.run({ x: array });
    expect(await failureOf(Promise.resolve(result?.read()))).toMatch(said);
    expect(await failureOf(array.read())).toMatch(said);
    expect(unheard).toEqual([]);
    device.destroy();
  });

  test("a value above the adapter's limit is rejected before anything is enqueued, with the planned bytes", async () => {
    const device = await openDevice({ device: "software" });
    const rows = 16384;
    const graph = traceGraph("outer", [{ name: "x", dtype: "f32", shape: ["N"] }], ([x]) => {
      const table = broadcast(exp(x as Tensor<"f32">), [2 * rows, "N"]);
      return [
        scanTensors(([total]) => ({ carries: [log(total as Tensor<"f32">)], ys: [] }), [table], [], { length: 2 })
          .carries[0] as Tensor,
      ];
    });
    const executable = await device.compile(graph);
    const before = device.memory();
    expect(() => executable.run({ x: ndarray([rows], new Float64Array(rows)) })).toThrow(
      lineOf("a value larger than a buffer may be"),
    );
    expect(device.memory()).toEqual(before);
    device.destroy();
  });
});

test("a hanging device is awaited until the timeout, and its trainer continues if it answers again", slow, async () => {
  const { device, context, hang } = await silent();
  const trainer = await createTrainer(device, network, options);
  await trainer.step(batch(0));
  const before = context.pool.allocated.buffers;
  context.waiting.timeout = 0.3;
  hang(true);
  expect(await failureOf(trainer.step(batch(1)))).toMatch(lineOf("a device that does not answer"));
  await expect(trainer.checkpoint()).rejects.toBeInstanceOf(DeviceTimeoutError);
  expect(await failureOf(createTrainer(device, network, options))).toMatch(
    /when asked to compile the kernels of trainingStep:/,
  );
  hang(false);
  context.waiting.timeout = 60;
  expect((await trainer.step(batch(2))).finite).toBe(true);
  expect(context.pool.allocated.buffers).toBeLessThanOrEqual(before);
  device.destroy();
});

test("a timeout is a number of seconds", async () => {
  expect(await failureOf(openDevice({ timeout: 0 }))).toMatch(lineOf("a timeout that is no time"));
});

test("a kernel that does not compile is named, with the user's op and line", async () => {
  const { device, context } = await withDefaultLimits();
  const graph = traceGraph("mine", [{ name: "x", dtype: "f32", shape: ["N"] }], ([x]) => [log(x as Tensor<"f32">)]);
  const program = compileProgram(graph, { target: "software" });
  const broken = {
    ...program,
    kernels: program.kernels.map((kernel) => ({
      ...kernel,
      wgsl: kernel.wgsl.replace("fn main(", "fn main(nonsense "),
    })),
  };
  const before = context.pool.allocated;
  const unheard = unheardOn(context.device);
  const said = await failureOf(LoadedProgram.load(context, broken));
  expect(said).toMatch(lineOf("a kernel that does not compile"));
  expect(unheard).toEqual([]);
  expect(said).not.toContain("\n");
  expect(context.pool.allocated).toEqual(before);
  device.destroy();
});

describe("an adapter with only WebGPU's default limits", () => {
  // Two layers want more buffers than may be bound, and so many units more workgroup memory than there is.
  const networks = [
    { units: 8, layers: 2 },
    { units: 128, layers: 1 },
  ];
  someOf(
    networks,
    ({ layers }) => layers === 2,
    () => false,
  )("trains $layers layers of $units units", async (sizes) => {
    const { device, context } = await withDefaultLimits();
    const { maxStorageBuffersPerShaderStage, maxComputeWorkgroupStorageSize } = context.device.limits;
    expect([maxStorageBuffersPerShaderStage, maxComputeWorkgroupStorageSize]).toEqual([8, 16384]);
    const trained = languageModel({ cell: lstm, ...sizes, vocabulary: 5, embed: 4 });
    const lossesOn = async (on: Device) => {
      const trainer = await createTrainer(on, trained, options);
      const losses: number[] = [];
      for (let i = 0; i < 2; i++) losses.push((await trainer.step(batch(i))).loss);
      return losses;
    };
    const [found, expected] = [await lossesOn(device), await lossesOn(openInterpreter())];
    for (const [i, loss] of expected.entries())
      expect(Math.abs((found[i] ?? Number.NaN) / loss - 1)).toBeLessThan(1e-4);
    device.destroy();
  });
});
