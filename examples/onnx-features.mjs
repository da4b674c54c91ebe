/**
 * @file Two libraries on one GPU: ONNX Runtime Web computes features there, and cellgrad learns from them there. The features
 * never go through the host: the buffer that ONNX Runtime has written is the batch that cellgrad trains on.
 *
 * The recordings are tones that rise, fall or stay. The ONNX model, which could be any pretrained one, gives the spectrum of
 * each window of samples; a GRU learns from the spectra which way the tone goes. `onnx-features.html` is the page:
 *
 *   npm run build && npx serve
 *
 * and then /examples/onnx-features.html.
 */
import { add, createTrainer, dot, gru, log, mul, ndarray, openDevice, traceGraph } from "cellgrad";
import { classifierModel } from "cellgrad/networks";
import { encodeOnnx } from "cellgrad/onnx";
import * as ort from "onnxruntime-web/webgpu";

export const sizes = { time: 12, rows: 16, samples: 64, bins: 16 };

/** The power of each of the lowest frequencies in a window of samples, on a logarithmic scale: f32 [N, samples] -> [N, bins]. */
export function spectrumModel() {
  const { samples, bins } = sizes;
  const wave = (f) =>
    ndarray(
      [samples, bins],
      Array.from({ length: samples * bins }, (_, i) => f(Math.floor(i / bins), (i % bins) + 1)),
    );
  const turn = (n, k) => (2 * Math.PI * n * k) / samples;
  const basis = (name) => ({ name, dtype: "f32", shape: [samples, bins] });
  const graph = traceGraph(
    "spectrum",
    [{ name: "wave", dtype: "f32", shape: ["N", samples] }, basis("cosines"), basis("sines")],
    ([x, cosines, sines]) => {
      const [real, imaginary] = [dot(x, cosines), dot(x, sines)];
      return [log(add(add(mul(real, real), mul(imaginary, imaginary)), 1))];
    },
  );
  const constants = { cosines: wave((n, k) => Math.cos(turn(n, k))), sines: wave((n, k) => Math.sin(turn(n, k))) };
  return encodeOnnx(graph, { outputs: ["power"], constants });
}

/** Tones of every class, with noise: samples [time * rows, samples], and the class of each row, given at its last step. */
export function recordings(random) {
  const { time, rows, samples } = sizes;
  const waves = new Float32Array(time * rows * samples);
  const targets = new Array(time * rows).fill(-1);
  for (let row = 0; row < rows; row++) {
    const kind = Math.floor(3 * random());
    const start = 5 + 6 * random();
    const [slope, phase] = [[0.4, -0.4, 0][kind] ?? 0, 2 * Math.PI * random()];
    for (let t = 0; t < time; t++) {
      const at = (t * rows + row) * samples;
      const frequency = start + slope * (t - time / 2);
      for (let n = 0; n < samples; n++)
        waves[at + n] = Math.sin(phase + t + (2 * Math.PI * n * frequency) / samples) + random() - 0.5;
    }
    targets[(time - 1) * rows + row] = kind;
  }
  return { waves, targets: ndarray([time, rows], targets, "i32") };
}

/** Opens both libraries on one device: that of the page, if it gives one, or else that which ONNX Runtime opens. */
export async function openBoth(given) {
  const session = await ort.InferenceSession.create(spectrumModel(), {
    executionProviders: [given === undefined ? "webgpu" : { name: "webgpu", device: given }],
    preferredOutputLocation: "gpu-buffer",
  });
  const gpuDevice = given ?? (await ort.env.webgpu.device);
  const device = await openDevice({ gpuDevice });
  const network = classifierModel({ cell: gru, units: 16, layers: 1, classes: 3, reads: { features: sizes.bins } });
  const trainer = await createTrainer(device, network, { learningRate: 0.02, clipNorm: 1, seed: 1 });
  return { session, gpuDevice, device, trainer };
}

/** Runs `use` on features that ONNX Runtime computes: an array of cellgrad over ONNX Runtime's own buffer. */
export async function onFeatures({ session, device }, waves, use) {
  const { time, rows, samples, bins } = sizes;
  const { power } = await session.run({ wave: new ort.Tensor("float32", waves, [time * rows, samples]) });
  const x = device.wrap(power.gpuBuffer, { shape: [time, rows, bins] });
  try {
    return await use(x);
  } finally {
    // cellgrad forgets the buffer; ONNX Runtime, which owns it, may use it again.
    x.destroy();
    power.dispose();
  }
}

/** One training step on new recordings; returns its loss. */
export async function learn(both, { waves, targets }) {
  const { loss } = await onFeatures(both, waves, (x) => both.trainer.step({ x, targets, fresh: true }));
  return loss;
}

/** The fraction of recordings whose class is found. */
export async function score(both, { waves, targets }) {
  const { output } = await onFeatures(both, waves, (x) => both.trainer.predict({ x }));
  const last = (sizes.time - 1) * sizes.rows;
  const found = Array.from({ length: sizes.rows }, (_, row) => {
    const logits = [...output.data.slice(3 * (last + row), 3 * (last + row + 1))];
    return logits.indexOf(Math.max(...logits));
  });
  return found.filter((kind, row) => kind === targets.data[last + row]).length / sizes.rows;
}
