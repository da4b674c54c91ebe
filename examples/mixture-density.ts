/**
 * @file Synthetic handwriting, drawn by a network that predicts not the next position of the pen but its probability
 * density: a mixture of Gaussians (Bishop 1994), after Graves 2013, "Generating sequences with recurrent neural networks",
 * arXiv:1308.0850, section 4. The mean of two possible strokes is a stroke that never occurs, so a network that learns
 * means by squared error draws mush; one that learns densities draws one stroke or the other.
 *
 *   npm run build && npx jiti examples/mixture-density.ts > strokes.svg
 *
 * It is trained on garlands whose loops go up or down at random. A step is (dx, dy, 1 at the end of a stroke).
 */
import { fileURLToPath } from "node:url";
import { createTrainer, type Device, lstm, ndarray, openDevice, type Tensor } from "cellgrad";
import { batchesOf } from "cellgrad/data";
import { bivariateMixtureLoss } from "cellgrad/losses";
import { type Network, network } from "cellgrad/networks";
import { createStream } from "cellgrad/stream";

type Random = () => number;
export type Step = readonly [dx: number, dy: number, ends: number];

const stepsOfLoop = 10;
const loopsOfStroke = 4;

/** Steps of a pen that draws strokes of loops, each going up or down. */
export function garlands(loops: number, random: Random): Step[] {
  return Array.from({ length: loops }, (_, loop) => {
    const direction = random() < 0.5 ? 1 : -1;
    const isLast = loop % loopsOfStroke === loopsOfStroke - 1;
    return Array.from({ length: stepsOfLoop }, (_, t): Step => {
      const angle = (2 * Math.PI * t) / stepsOfLoop;
      const jitter = () => 0.1 * (random() - 0.5);
      const ends = Number(isLast && t === stepsOfLoop - 1);
      return [0.5 + Math.cos(angle) + jitter(), direction * Math.sin(angle) + jitter(), ends];
    });
  }).flat();
}

/** A network that outputs, at each step, a mixture of Gaussians for the next step and the end of the stroke. */
export function penNetwork(units: number, gaussians: number): Network {
  const step = { dtype: "f32", shape: [3] } as const;
  return network({
    ...{ kind: "series", cell: "lstm", units, outputs: 6 * gaussians + 1 },
    layers: [lstm(units)],
    encode: (x) => x as Tensor<"f32">,
    ...{ x: step, targets: step },
    loss: (output, targets) => bivariateMixtureLoss(output, targets as Tensor<"f32">),
  });
}

/** Trains on pen steps; losses are in nats. */
export async function learnToDraw(device: Device, steps: readonly Step[], pen: Network, epochs: number) {
  const recording = { name: "the pen", entries: "steps", dtype: "f32", shape: [3], data: steps.flat() } as const;
  const { training, validation } = batchesOf(recording, { batch: 4, time: 40 });
  const trainer = await createTrainer(device, pen, { learningRate: 0.01, clipNorm: 1 });
  const losses = [await trainer.evaluate(validation)];
  for (let epoch = 1; epoch <= epochs; epoch++) {
    for (const batch of training) await trainer.step(batch);
    losses.push(await trainer.evaluate(validation));
    console.error(`epoch ${epoch}: held-out loss ${losses.at(-1)?.toFixed(2)} nats per step`);
  }
  const parameters = await trainer.parameters();
  trainer.destroy();
  return { losses, parameters };
}

/** Samples a step from a mixture: the network's output has 6 numbers per Gaussian and one for the end. */
export function drawn(output: ArrayLike<number>, random: Random): Step {
  const count = (output.length - 1) / 6;
  const [weight, meanX, meanY, logX, logY, correlation] = Array.from({ length: 6 }, (_, kind) => (i: number) => {
    return output[kind * count + i] ?? Number.NaN;
  }) as [Part, Part, Part, Part, Part, Part];
  const weights = Array.from({ length: count }, (_, i) => Math.exp(weight(i)));
  const sums = weights.map((_, i) => weights.slice(0, i + 1).reduce((a, b) => a + b));
  const place = random() * (sums.at(-1) ?? 0);
  const chosen = sums.findIndex((sum) => place < sum);
  const [u, v] = normalPair(random);
  const rho = Math.tanh(correlation(chosen));
  const ends = random() < 1 / (1 + Math.exp(-(output[6 * count] ?? 0)));
  return [
    meanX(chosen) + Math.exp(logX(chosen)) * u,
    meanY(chosen) + Math.exp(logY(chosen)) * (rho * u + Math.sqrt(1 - rho ** 2) * v),
    Number(ends),
  ];
}

type Part = (gaussian: number) => number;

/** Box & Muller 1958. */
function normalPair(random: Random): [number, number] {
  const [radius, angle] = [Math.sqrt(-2 * Math.log(1 - random())), 2 * Math.PI * random()];
  return [radius * Math.cos(angle), radius * Math.sin(angle)];
}

/** Draws with the pen: samples each step from the network's output after the previous one. */
export async function draw(
  device: Device,
  pen: Network,
  parameters: Awaited<ReturnType<typeof learnToDraw>>["parameters"],
  count: number,
  random: Random,
): Promise<Step[]> {
  const stream = await createStream(device, pen, parameters);
  const steps: Step[] = [[0, 0, 1]];
  while (steps.length <= count) {
    const { output } = await stream.step(ndarray([1, 3], [...(steps.at(-1) ?? [])]));
    steps.push(drawn(output.data, random));
  }
  stream.destroy();
  return steps.slice(1);
}

/** The strokes as an SVG picture. */
export function picture(steps: readonly Step[]): string {
  let [x, y, lifted] = [0, 0, true];
  const path = steps.map(([dx, dy, ends]) => {
    [x, y] = [x + dx, y + dy];
    const text = `${lifted ? "M" : "L"}${x.toFixed(2)} ${y.toFixed(2)}`;
    lifted = ends === 1;
    return text;
  });
  const box = `-2 -6 ${(x + 4).toFixed(1)} 12`;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="${box}"><path d="${path.join("")}" fill="none" stroke="black" stroke-width="0.1"/></svg>`;
}

async function main(): Promise<void> {
  const device = await openDevice();
  const pen = penNetwork(48, 4);
  const { parameters } = await learnToDraw(device, garlands(600, Math.random), pen, 15);
  console.log(picture(await draw(device, pen, parameters, 160, Math.random)));
  device.destroy();
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();
