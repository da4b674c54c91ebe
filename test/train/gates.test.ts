/** @file Gates are found in the graph of a step, named by their weights, with the values of the step. */
import { describe, expect, test } from "vitest";
import { cells, gru } from "../../cells/index.ts";
import { at } from "../../compiler/graph/errors.ts";
import { ndarray } from "../../compiler/graph/ndarray.ts";
import { add, type CellDefinition, cell, dense, initialize, mul, sigmoid, streamingStep, tanh } from "../../index.ts";
import { decodeModel, encodeModel, savedModel } from "../../train/files/model-file.ts";
import { gatesOf } from "../../train/gates.ts";
import { languageModel, seriesModel } from "../../train/networks.ts";
import { createStream } from "../../train/stream.ts";
import { devices, difference } from "./devices.ts";

const expected: Readonly<Record<string, readonly string[]>> = {
  rnn: ["hidden"],
  lstm1997: ["input", "candidate", "output", "tanh of c"],
  lstm: ["forget", "input", "candidate", "output", "tanh of c"],
  gru: ["update", "reset", "candidate"],
  "gru-reset-after": ["update", "reset", "candidate"],
};

test.each(Object.entries(cells))("the gates of %s, in both layers", (name, cell) => {
  const network = languageModel({ cell: cell as CellDefinition, units: 3, layers: 2, vocabulary: 4, embed: 2 });
  const wanted = [0, 1].flatMap((layer) =>
    (expected[name] ?? []).map((gate) =>
      gate.startsWith("tanh") ? `tanh of layers/${layer}/c` : `layers/${layer}/${name}/${gate}`,
    ),
  );
  const found = gatesOf(streamingStep(network)).map((gate) => gate.name);
  expect([...found].sort()).toEqual([...wanted].sort());
});

test("gates of one scope are numbered, and gates without weights are named by their state", () => {
  const bare = cell("bare", { state: ({ units }) => ({ a: [units], b: [units] }) }, ({ x, a, b, units }) => {
    const both = dense("both", x, units);
    const [first, second] = [sigmoid(both), tanh(both)];
    return { state: { a: sigmoid(a), b: add(b, mul(first, second)) }, output: tanh(add(a, b)) };
  }) as CellDefinition;
  const network = seriesModel({ cell: bare, units: 3, layers: 1, features: 2 });
  expect(
    gatesOf(streamingStep(network))
      .map(({ name }) => name)
      .sort(),
  ).toEqual(["layers/0/bare/both", "layers/0/bare/both 2", "sigmoid", "tanh"]);
});

test("a saved model has the same gates", () => {
  const network = languageModel({ cell: gru, units: 3, layers: 1, vocabulary: 2, embed: 2 });
  const model = savedModel(network, initialize(network.specs, 1), { vocabulary: ["a", "b"] });
  expect(gatesOf(decodeModel(encodeModel(model), "m"))).toEqual(gatesOf(streamingStep(network)));
});

describe.each(devices)("on $name", ({ open, tolerance }) => {
  test("a watched node has the gate's value, and new weights apply from the next step on", async () => {
    const network = seriesModel({ cell: gru, units: 3, layers: 1, features: 2 });
    const gates = gatesOf(streamingStep(network));
    const device = await open();
    const [before, after] = [initialize(network.specs, 1), initialize(network.specs, 2)];
    const stream = await createStream(device, network, before, { watch: gates.map(({ node }) => node) });
    const x = [0.5, -1.5];
    let h = [0, 0, 0];
    for (const weights of [before, before, after]) {
      stream.setParameters(weights);
      const { watched, state } = await stream.step(ndarray([1, 2], x));
      const [kernel, bias] = [weights["layers/0/gru/update/kernel"], weights["layers/0/gru/update/bias"]];
      const update = h.map((_, unit) => {
        const sum = [...x, ...h].reduce((total, v, row) => total + v * (kernel?.data[row * 3 + unit] ?? 0), 0);
        return 1 / (1 + Math.exp(-sum - (bias?.data[unit] ?? 0)));
      });
      const found = at(
        watched,
        gates.findIndex(({ name }) => name === "layers/0/gru/update"),
      );
      expect(difference(found.data, update)).toBeLessThan(tolerance);
      h = [...((await state["state/layers/0/h"]?.read())?.data ?? [])];
    }
    stream.destroy();
    device.destroy();
  });
});
