/** @file Streaming: single steps equal the whole sequence; sampling and forecasting. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { gru } from "../../cells/gru.ts";
import { lstm } from "../../cells/lstm.ts";
import { at } from "../../compiler/graph/errors.ts";
import { type NdArray, ndarray } from "../../compiler/graph/ndarray.ts";
import { traceGraph } from "../../compiler/ops/trace.ts";
import type { Tensor } from "../../compiler/trace/tensor.ts";
import type { Device } from "../../devices/device.ts";
import { arenaOf, packArrays, unpack } from "../../train/arena.ts";
import { vocabularyFrom } from "../../train/data/text.ts";
import { initialize } from "../../train/initialize.ts";
import { languageModel, type Network, seriesModel } from "../../train/networks.ts";
import { streamingStep } from "../../train/prediction-step.ts";
import { createStream, forecast, type SampleOptions, type Stream, sampleText } from "../../train/stream.ts";
import { slowUnless } from "../support/some-of.ts";
import { devices, difference, runOnce } from "./devices.ts";

const text = languageModel({ cell: lstm, units: 4, layers: 2, vocabulary: 3, embed: 2 });
const series = seriesModel({ cell: gru, units: 3, layers: 1, features: 2 });
const vocabulary = vocabularyFrom(["\n", "a", "b"]);
const weightsOf = (network: Network) => initialize(network.specs, 3);

/** Outputs of a whole sequence from a state of zeros, by the graph that training uses. */
async function sequence(device: Device, network: Network, x: NdArray): Promise<NdArray> {
  const arena = arenaOf(network.specs);
  const states = Object.entries(network.stateShapes);
  const inputs = [
    { name: "parameters", dtype: "f32" as const, shape: [arena.size] },
    ...states.map(([name, shape]) => ({ name, dtype: "f32" as const, shape: ["B", ...shape] })),
    { name: "x", ...network.x },
  ];
  const graph = traceGraph("sequence", inputs, (tensors) => {
    const [flat, ...rest] = tensors as readonly Tensor<"f32">[] as readonly [Tensor<"f32">, ...Tensor<"f32">[]];
    const state = Object.fromEntries(states.map(([name], i) => [name, at(rest, i)]));
    return [network.model.apply(unpack(flat, arena), at(tensors, tensors.length - 1), state).output];
  });
  const batch = x.shape[1] ?? 0;
  const [output] = await runOnce(device, graph, {
    parameters: packArrays(weightsOf(network), arena),
    x,
    ...Object.fromEntries(
      states.map(([name, shape]) => {
        const full = [batch, ...shape];
        return [name, ndarray(full, new Array<number>(full.reduce((a, b) => a * b, 1)).fill(0))];
      }),
    ),
  });
  return output as NdArray;
}

/** The logits that a seed-free stand-in gives: always the same. */
function fixedStream(logits: readonly number[]): Stream {
  const output = ndarray([1, logits.length], logits);
  return {
    batch: 1,
    step: async () => ({ output, outputs: { output }, state: {}, watched: [] }),
    setParameters: () => {},
    initialState: () => ({}),
    reset: () => {},
    destroy: () => {},
  };
}

async function sample(options: Partial<SampleOptions> & Pick<SampleOptions, "stream">): Promise<string> {
  const characters: string[] = [];
  for await (const character of sampleText({ vocabulary, length: 40, ...options })) characters.push(character);
  return characters.join("");
}

for (const { name, open, tolerance } of devices) {
  describe(name, () => {
    let device: Device;
    beforeAll(async () => {
      device = await open();
    });
    afterAll(() => device.destroy());

    test.each([
      ["text", text, ndarray([4, 2], [0, 1, 2, 0, 1, 1, 2, 2], "i32")],
      ["series", series, ndarray([3, 2, 2], [1, -1, 0.5, 2, 0, 0, -2, 1, 1, 1, 0.25, 3])],
    ] as const)("a %s network step by step gives what it gives over the sequence", async (_, network, x) => {
      const expected = await sequence(device, network, x);
      const [steps = 0, batch = 0, ...rest] = x.shape;
      const stream = await createStream(device, network, weightsOf(network), { batch });
      for (const attempt of ["first", "after reset"]) {
        const outputs: number[] = [];
        for (let t = 0; t < steps; t++) {
          const width = x.data.length / steps;
          const row: NdArray = {
            dtype: x.dtype,
            shape: [batch, ...rest],
            data: x.data.slice(t * width, (t + 1) * width),
          };
          outputs.push(...(await stream.step(row)).output.data);
        }
        expect(difference(outputs, expected.data), attempt).toBeLessThan(tolerance);
        stream.reset();
      }
      stream.destroy();
    });

    test("a given state is not changed: two continuations from it are independent", async () => {
      const stream = await createStream(device, text, weightsOf(text));
      const token = (value: number) => ndarray([1], [value], "i32");
      const start = stream.initialState();
      const { state } = await stream.step(token(1), start);
      const one = await stream.step(token(0), state);
      const other = await stream.step(token(2), state);
      const again = await stream.step(token(0), state);
      expect(again.output).toEqual(one.output);
      expect(other.output).not.toEqual(one.output);
      stream.destroy();
    });

    test(
      "sampling: one seed gives one text, another seed another, and a prompt is read first",
      slowUnless(name !== "interpreter"),
      async () => {
        const stream = await createStream(device, text, weightsOf(text));
        const first = await sample({ stream, seed: 1 });
        expect([...first]).toHaveLength(40);
        expect(await sample({ stream, seed: 1 })).toBe(first);
        expect(await sample({ stream, seed: 2 })).not.toBe(first);
        // No prompt stands for a line break; what follows a prompt depends on all of it.
        expect(await sample({ stream, seed: 1, prompt: "\n" })).toBe(first);
        const following = async (prompt: string) => {
          const texts: string[] = [];
          for (const seed of [1, 2, 3, 4, 5]) texts.push(await sample({ stream, seed, prompt }));
          return texts;
        };
        expect(await following("bbab")).not.toEqual(await following("aaab"));
        expect(await sample({ stream, length: 0 })).toBe("");
        stream.destroy();
      },
    );

    test("sampling by hand: the most likely character is fed back", async () => {
      const stream = await createStream(device, text, weightsOf(text));
      const written = await sample({ stream, prompt: "ab", length: 5, temperature: 0 });
      const expected: number[] = [];
      let { output } = await stream.step(ndarray([1], [1], "i32"));
      ({ output } = await stream.step(ndarray([1], [2], "i32")));
      for (let i = 0; i < 5; i++) {
        const token = output.data.indexOf(Math.max(...output.data));
        expected.push(token);
        ({ output } = await stream.step(ndarray([1], [token], "i32")));
      }
      expect(written).toBe(vocabulary.decode(expected));
      stream.destroy();
    });

    test("a forecast feeds its predictions back, in units of the data", async () => {
      const stream = await createStream(device, series, weightsOf(series));
      const normalisation = { mean: [10, -5], deviation: [2, 4] };
      const values = [
        [11, -1],
        [8, -9],
      ];
      const predicted = await forecast({ stream, values, horizon: 3, normalisation });
      const expected: number[][] = [];
      let { output } = await stream.step(ndarray([1, 2], [0.5, 1]));
      ({ output } = await stream.step(ndarray([1, 2], [-1, -1])));
      for (let i = 0; i < 3; i++) {
        expected.push([10 + 2 * at([...output.data], 0), -5 + 4 * at([...output.data], 1)]);
        ({ output } = await stream.step({ ...output, dtype: "f32" }));
      }
      expect(predicted).toHaveLength(3);
      expect(difference(predicted.flat(), expected.flat())).toBeLessThan(tolerance);
      // In the model's own units the same values, unchanged, give the same predictions.
      const own = await forecast({
        stream,
        values: [
          [0.5, 1],
          [-1, -1],
        ],
        horizon: 3,
      });
      const scaled = own.map(([a = 0, b = 0]) => [10 + 2 * a, -5 + 4 * b]);
      expect(difference(scaled.flat(), expected.flat())).toBeLessThan(tolerance);
      stream.destroy();
    });

    test("what does not fit is refused", async () => {
      await expect(createStream(device, text, {})).rejects.toThrow("parameter embedding/table is missing");
      await expect(createStream(device, text, weightsOf(text), { batch: 0 })).rejects.toThrow("batch must be");
      const stream = await createStream(device, text, weightsOf(text));
      await expect(stream.step(ndarray([2], [0, 1], "i32"))).rejects.toThrow("x is [2]; expected 1 rows");
      await expect(sample({ stream, prompt: "ac" })).rejects.toThrow('character "c" at position 1');
      stream.destroy();
    });
  });
}

test("the streaming graph has no loop over time and leaves the batch symbolic", () => {
  const { graph } = streamingStep(text);
  expect(graph.nodes.some(({ op }) => op === "scan")).toBe(false);
  expect(at(graph.nodes, at(graph.outputs, graph.outputs.length - 1)).aval.shape).toEqual(["B", 3]);
});

describe("sampling a character", () => {
  const logits = [Math.log(0.2), Math.log(0.5), Math.log(0.3)];
  const share = async (temperature: number) => {
    const drawn = await sample({ stream: fixedStream(logits), length: 4000, temperature });
    return vocabulary.characters.map((character) => drawn.split(character).length - 1).map((count) => count / 4000);
  };

  // Shares of 4,000 draws are good to about 0.008.
  test("follows the softmax of the logits", async () => {
    for (const [i, part] of (await share(1)).entries())
      expect(Math.abs(part - at([0.2, 0.5, 0.3], i))).toBeLessThan(0.03);
  });

  test("divides the logits by the temperature", async () => {
    const squares = [0.04, 0.25, 0.09].map((p) => p / 0.38);
    for (const [i, part] of (await share(0.5)).entries()) expect(Math.abs(part - at(squares, i))).toBeLessThan(0.03);
  });

  test("takes the most likely one at temperature 0", async () => {
    expect(await share(0)).toEqual([0, 1, 0]);
  });

  test.each([
    [{ temperature: -1 }, "temperature is -1; expected a number, 0 or more"],
    [{ temperature: Number.NaN }, "temperature is NaN; expected a number, 0 or more"],
    [{ length: -1 }, "length must be a whole number, 0 or more, got -1"],
    [{ seed: 0.5 }, "the seed is 0.5"],
  ])("refuses %j", async (options, message) => {
    await expect(sample({ stream: fixedStream(logits), ...options })).rejects.toThrow(message);
  });

  test("refuses logits that are not finite", async () => {
    await expect(sample({ stream: fixedStream([0, Number.NaN, 1]) })).rejects.toThrow(
      "the model's logits are not finite; check its weights",
    );
  });
});

test.each([
  [{ values: [], horizon: 2 }, "forecast: values is empty; expected at least one row"],
  [{ values: [[1]], horizon: 0 }, "horizon must be a whole number above 0, got 0"],
])("a forecast of %j is refused", async (options, message) => {
  await expect(forecast({ stream: fixedStream([0]), ...options })).rejects.toThrow(message);
});
