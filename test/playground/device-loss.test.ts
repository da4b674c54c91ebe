/** @file The worker of the playground on a device: it is lost in the middle of a step, runs come and go, nothing leaks. */
import { expect, test } from "vitest";
import { gru, lstm, rnn } from "../../cells/index.ts";
import { slow } from "../support/some-of.ts";
import { clientWithText, runSpec } from "./client.ts";

const settings = { units: 6, batch: 2, time: 8 };
/** Some of it is freed in later tasks. */
const settled = () => new Promise((resolve) => setTimeout(resolve, 50));

test("a lost device is reported once, and runs go on from the kept weights", slow, async () => {
  const client = await clientWithText("auto");
  await client.ask({ type: "setRuns", runs: [runSpec("a", lstm, null, settings), runSpec("b", rnn, null, settings)] });
  // Weights are kept when the steps that were asked for are done.
  await client.ask({ type: "start", steps: 30 });
  await client.until(() => client.eventsOf("stopped").length === 2);
  const heldOut = () =>
    client
      .eventsOf("progress")
      .filter(({ run }) => run === "a")
      .flatMap((event) => event.heldOut ?? []);
  const before = heldOut().at(-1);
  const written = await client.ask({ type: "sample", run: "a", prompt: "the ", length: 10, temperature: 0 });

  client.events.length = 0;
  await client.ask({ type: "setLearningRate", run: "a", value: 0.004 });
  await client.ask({ type: "start", runs: ["a"] });
  await client.until(() => client.eventsOf("progress").length > 0);
  const sampling = client.refusal({ type: "sample", run: "a", length: 4000 });
  await client.ask({ type: "loseDevice" });
  await client.until(() => client.eventsOf("lost").length > 0);
  expect(await sampling).toMatch(/was lost|was replaced or ended in the meantime/);
  const [lost] = client.eventsOf("lost");
  expect(lost?.fault.message).toMatch(
    /^the device .* was lost: .*; open a new one and continue from the last saved weights/,
  );
  expect(lost?.kept.map(({ run }) => run)).toEqual(["a", "b"]);
  const kept = lost?.kept[0]?.step ?? 0;
  expect(kept).toBeGreaterThanOrEqual(30);
  expect(await client.refusal({ type: "start" })).toBe("the device was lost; recover goes on with another");
  await settled();
  expect([client.eventsOf("lost").length, client.eventsOf("stopped").length]).toEqual([1, 0]);

  await client.ask({ type: "recover" });
  if (kept === 30) {
    const again = await client.ask({ type: "sample", run: "a", prompt: "the ", length: 10, temperature: 0 });
    expect(again.text).toBe(written.text);
  }
  client.events.length = 0;
  await client.ask({ type: "start", runs: ["a"], steps: 4 });
  await client.until(() => client.eventsOf("stopped").length === 1);
  expect(client.eventsOf("stopped")[0]).toMatchObject({ run: "a", step: kept + 4, reason: "done" });
  // A new start would be far from what was learned.
  expect(heldOut().at(-1)?.loss).toBeLessThan((before?.loss ?? 0) + 0.1);

  // A pause keeps the weights, so that a device which is lost then costs no step.
  client.events.length = 0;
  await client.ask({ type: "start", runs: ["a"] });
  await client.until(() => (client.eventsOf("progress").at(-1)?.step ?? 0) > kept + 5);
  await client.ask({ type: "pause" });
  await client.ask({ type: "loseDevice" });
  await client.until(() => client.eventsOf("lost").length === 1);
  expect(client.eventsOf("lost")[0]?.kept[0]).toEqual({ run: "a", step: client.eventsOf("progress").at(-1)?.step });
  await client.ask({ type: "destroy" });
});

test("runs that are replaced in mid-step leave nothing behind", slow, async () => {
  const client = await clientWithText("auto");
  const empty = (await client.ask({ type: "memory" })).buffers;
  for (const cell of [gru, rnn]) {
    await client.ask({
      type: "setRuns",
      runs: [runSpec("a", cell, null, settings), runSpec("b", rnn, null, settings)],
    });
    await client.ask({ type: "start" });
    await client.until(() => client.eventsOf("progress").length > 0);
    const others = [
      client.refusal({ type: "sample", run: "a", length: 5000, trace: true }),
      client.ask({ type: "gradientFlow", run: "b" }),
    ];
    await Promise.race(others);
    expect((await client.ask({ type: "memory" })).buffers).toBeGreaterThan(empty);
    await client.ask({ type: "setRuns", runs: [] });
    await Promise.all(others);
    await settled();
    client.events.length = 0;
  }
  // What the last runs gave back late is freed with the next.
  await client.ask({ type: "setRuns", runs: [] });
  expect((await client.ask({ type: "memory" })).buffers).toBe(empty);
  // A device that is given up on purpose is not lost.
  await client.ask({ type: "init", device: "interpreter" });
  await settled();
  expect(client.events).toEqual([]);
  await client.ask({ type: "destroy" });
});
