/**
 * @file The job of every host, with the same code: train, lose the device during a step and continue with another, and
 * compile shaders. Nothing here depends on the host.
 */
import { fnv1a } from "../../compiler/ops/hash.ts";
import {
  chrono,
  createTrainer,
  type Device,
  DeviceLostError,
  lstm,
  ndarray,
  normal,
  openDevice,
  orthogonal,
  ringModulus,
  ringPhase,
  sum,
  type Tensor,
  type Trainer,
  traceGraph,
  uniform,
} from "../../index.ts";
import { type AdapterChoice, requestAdapter, requestDevice, requestGpuDevice } from "../../runtime/host.ts";
import { textBatches, vocabularyOf } from "../../train/data/text.ts";
import { initialize } from "../../train/initialize.ts";
import { languageModel } from "../../train/networks.ts";
import { openWebgpu } from "../support/webgpu.ts";

export interface Shader {
  readonly name: string;
  readonly wgsl: string;
}

export interface HostReport {
  /** Name of the adapter. */
  readonly device: string;
  readonly subgroups: boolean;
  /** Of 20 training steps. */
  readonly losses: readonly number[];
  /** Held-out loss after them, and again on a new device, from the weights that were kept. */
  readonly heldOut: number;
  readonly heldOutOnNewDevice: number;
  /** Sums over no rows, of numbers of the host and of an array on the device. */
  readonly sumsOfNone: readonly number[];
  readonly afterLoss: AfterLoss;
  /** What came of a second device from one adapter: the error's message. */
  readonly secondDevice: string;
  /** Of a device that somebody else owns: what a run on its buffer gave, what its owner finds in it afterwards, and its errors. */
  readonly shared: { readonly run: readonly number[]; readonly left: readonly number[]; readonly heard: number };
  /** Why a shader was refused; those that were taken are not listed. */
  readonly refused: Readonly<Record<string, string>>;
  /** The bits of freshly drawn weights, as one number. */
  readonly weights: number;
}

/** Messages of a device that was destroyed while steps were in flight. */
export interface AfterLoss {
  /** Of the steps on their way: "finished", or the error. */
  readonly pending: readonly string[];
  readonly nextStep: string;
  readonly told: string;
}

const text = "she sells sea shells by the sea shore, the shells she sells are sea shells. ".repeat(6);
const vocabulary = vocabularyOf(text);
const { training, validation } = textBatches(vocabulary.encode(text), { batch: 4, time: 12 });
const batches = [...training];
const network = languageModel({
  cell: lstm,
  units: 16,
  layers: 1,
  vocabulary: vocabulary.characters.length,
  embed: 8,
});

export async function trainTwentySteps(device: Device): Promise<{ trainer: Trainer; losses: number[] }> {
  const trainer = await createTrainer(device, network, { learningRate: 0.02, clipNorm: 1, seed: 7 });
  const losses: number[] = [];
  while (losses.length < 20) {
    for (const batch of batches.slice(0, 20 - losses.length)) losses.push((await trainer.step(batch)).loss);
  }
  return { trainer, losses };
}

/** Of a wide LSTM, and of one parameter for each of the other initializers. */
function weightBits(): number {
  const wide = languageModel({ cell: lstm, units: 150, layers: 1, vocabulary: 9, embed: 30 });
  const others = [normal(0.3), uniform(-1, 2), orthogonal(0.7), chrono(50), ringModulus(0.4, 0.9), ringPhase(6)];
  const specs = others.map((initializer, i) => ({ path: `${i}`, shape: [37, 61], initializer }));
  const drawn = initialize([...wide.specs, ...specs], 7);
  const bits = Object.values(drawn).flatMap(({ data }) => [...new Uint32Array(new Float32Array(data).buffer)]);
  return fnv1a(bits.join());
}

export async function work(shaders: readonly Shader[]): Promise<HostReport> {
  const device = await openWebgpu();
  const { trainer, losses } = await trainTwentySteps(device);
  const heldOut = await trainer.evaluate(validation);
  const kept = await trainer.parameters();
  const sumsOfNone = await sumNoRows(device);
  const afterLoss = await loseInMidStep(device, trainer);

  const another = await openWebgpu();
  const resumed = await createTrainer(another, network);
  resumed.setParameters(kept);
  const heldOutOnNewDevice = await resumed.evaluate(validation);
  another.destroy();

  const shared = await shareDevice();
  const judge = await requestDevice();
  const secondDevice = await requestGpuDevice(judge.host).then(() => "a device", messageOf);
  const refused = await refusalsOf(judge.device, shaders);
  const subgroups = judge.device.features.has("subgroups");
  judge.host.release();
  const weights = weightBits();
  return {
    device: device.name,
    subgroups,
    losses,
    heldOut,
    heldOutOnNewDevice,
    sumsOfNone,
    afterLoss,
    secondDevice,
    shared,
    refused,
    weights,
  };
}

async function sumNoRows(device: Device): Promise<number[]> {
  const graph = traceGraph("rows", [{ name: "x", dtype: "f32", shape: ["N", 2] }], ([x]) => [sum(x as Tensor<"f32">)]);
  const executable = await device.compile(graph);
  const none = ndarray([0, 2], []);
  const results = [none, device.upload(none)].flatMap((x) => executable.run({ x }));
  return (await Promise.all(results.map((result) => result.read()))).map(({ data }) => data[0] ?? Number.NaN);
}

/** A run on the device and the buffer of another owner, who goes on after cellgrad's end. */
async function shareDevice(): Promise<HostReport["shared"]> {
  const host = await requestAdapter();
  const gpuDevice = await host.adapter.requestDevice();
  let heard = 0;
  gpuDevice.addEventListener("uncapturederror", () => {
    heard += 1;
  });
  // Usage STORAGE, COPY_SRC and COPY_DST.
  const buffer = gpuDevice.createBuffer({ size: 16, usage: 0x80 | 0x4 | 0x8 });
  gpuDevice.queue.writeBuffer(buffer, 0, Float32Array.of(1, 2, 3, 4));
  const graph = traceGraph("sum", [{ name: "x", dtype: "f32", shape: [4] }], ([x]) => [sum(x as Tensor<"f32">)]);
  const read = async (): Promise<readonly number[]> => {
    const device = await openDevice({ gpuDevice });
    const x = device.wrap(buffer, { shape: [4] });
    const [result] = (await device.compile(graph)).run({ x });
    const run = [...((await result?.read())?.data ?? []), ...(await x.read()).data];
    device.destroy();
    return run;
  };
  const run = await read();
  gpuDevice.queue.writeBuffer(buffer, 0, Float32Array.of(5));
  const left = await read();
  gpuDevice.destroy();
  host.release();
  return { run, left, heard };
}

async function loseInMidStep(device: Device, trainer: Trainer): Promise<AfterLoss> {
  const pending = batches.slice(0, 3).map((batch) => trainer.step(batch));
  device.destroy();
  const outcomes = pending.map((step) => step.then(() => "finished", messageOf));
  const nextStep = await Promise.all(batches.slice(0, 1).map(async (batch) => trainer.step(batch))).then(
    () => "a step",
    messageOf,
  );
  const { message } = await device.lost;
  return { pending: await Promise.all(outcomes), nextStep, told: message };
}

function messageOf(error: unknown): string {
  if (error instanceof DeviceLostError) return error.message;
  return `${error instanceof Error ? error.name : typeof error}: ${error instanceof Error ? error.message : error}`;
}

/** One after the other, because error scopes belong to the device, not the shader. */
async function refusalsOf(device: GPUDevice, shaders: readonly Shader[]): Promise<Record<string, string>> {
  const refused: Record<string, string> = {};
  for (const { name, wgsl } of shaders) {
    device.pushErrorScope("validation");
    device.createShaderModule({ code: wgsl });
    const error = await device.popErrorScope();
    if (error !== null) refused[name] = error.message;
  }
  return refused;
}

/** Name of the adapter, or the error message. */
export async function findAdapter(choice: AdapterChoice): Promise<string> {
  return requestAdapter(choice).then(({ name }) => name, messageOf);
}
