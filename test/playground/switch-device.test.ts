/** @file The worker of the playground goes on with its runs on another device: from the same weights, or not at all. */
import { expect, test } from "vitest";
import { lstm, rnn } from "../../cells/index.ts";
import { encodeModel, savedModel } from "../../entries/files.ts";
import { languageModel } from "../../entries/networks.ts";
import { loadedModel } from "../../playground/shared/protocol.ts";
import { initialize } from "../../train/initialize.ts";
import { slow } from "../support/some-of.ts";
import { type Client, clientWithText, runSpec } from "./client.ts";

const written = async (client: Client, run: string) =>
  (await client.ask({ type: "sample", run, prompt: "", length: 12, temperature: 0 })).text;

test(
  "runs and a loaded model go on elsewhere with the weights, the step and the learning rate they have",
  slow,
  async () => {
    const client = await clientWithText("interpreter");
    await client.ask({ type: "setRuns", runs: [runSpec("a", lstm), runSpec("b", rnn)] });
    await client.ask({ type: "start", steps: 25 });
    await client.until(() => client.eventsOf("stopped").length === 2);
    const heldOut = () =>
      client.eventsOf("progress").flatMap(({ run, heldOut }) => (run === "a" && heldOut ? [heldOut.loss] : []));
    const [lossBefore = Number.NaN] = heldOut().slice(-1);
    const network = languageModel({ cell: rnn, units: 3, layers: 1, embed: 2, vocabulary: 3 });
    const model = savedModel(network, initialize(network.specs, 5), { vocabulary: ["x", "y", "z"] });
    await client.ask({ type: "loadModel", name: "m.safetensors", bytes: new Uint8Array(encodeModel(model)) });
    await client.ask({ type: "setLearningRate", run: "a", value: 1e-12 });
    const before = [await written(client, "a"), await written(client, "b"), await written(client, loadedModel)];

    const report = await client.ask({ type: "switchDevice", device: "software" });
    expect(report.kind).toBe("software");
    expect(report.maxWeights).toBeUndefined();
    expect([await written(client, "a"), await written(client, "b"), await written(client, loadedModel)]).toEqual(
      before,
    );
    client.events.length = 0;
    await client.ask({ type: "start", runs: ["a"], steps: 15 });
    await client.until(() => client.eventsOf("stopped").length === 1);
    expect(client.eventsOf("stopped")[0]).toMatchObject({ run: "a", step: 40, reason: "done" });
    // Its learning rate is still next to nothing.
    expect(Math.abs((heldOut().at(-1) ?? Number.NaN) - lossBefore)).toBeLessThan(1e-4);
    // A device that is given up on purpose is not lost.
    expect(client.eventsOf("lost")).toEqual([]);
    await client.ask({ type: "destroy" });
  },
);

test("a device that takes a run not leaves all as it was", async () => {
  const client = await clientWithText("cpu");
  await client.ask({ type: "setRuns", runs: [runSpec("small", rnn), runSpec("large", rnn, null, { units: 150 })] });
  await client.ask({ type: "start", runs: ["small"] });
  await client.until(() => client.eventsOf("progress").length > 0);
  expect(await client.refusal({ type: "switchDevice", device: "interpreter" })).toMatch(
    /^large has \d+ weights; the float64 interpreter takes 20000 at the most/,
  );
  expect((await client.ask({ type: "memory" })).buffers).toBeGreaterThan(0);
  const { step } = client.eventsOf("progress").at(-1) ?? { step: 0 };
  client.events.length = 0;
  await client.ask({ type: "start", runs: ["small"], steps: 2 });
  await client.until(() => client.eventsOf("stopped").length === 1);
  expect(client.eventsOf("stopped")[0]).toMatchObject({ run: "small", reason: "done", step: step + 2 });
  await client.ask({ type: "destroy" });
});

test("after a loss another device may be chosen", async () => {
  const client = await clientWithText("cpu");
  await client.ask({ type: "setRuns", runs: [runSpec("a", rnn)] });
  await client.ask({ type: "start", steps: 5 });
  await client.until(() => client.eventsOf("stopped").length === 1);
  const before = await written(client, "a");
  await client.ask({ type: "loseDevice" });
  await client.until(() => client.eventsOf("lost").length === 1);
  expect((await client.ask({ type: "switchDevice", device: "interpreter" })).kind).toBe("interpreter");
  expect(await written(client, "a")).toBe(before);
  await client.ask({ type: "destroy" });
});
