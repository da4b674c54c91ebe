/** @file What is told of a run that trains: losses, also those before it diverged, and a speed that is that of training. */
import { expect, test } from "vitest";
import type { ProgressEvent } from "../../playground/shared/protocol.ts";
import { Progress } from "../../playground/worker/progress.ts";
import { TrainingClock } from "../../playground/worker/training-clock.ts";

function followed() {
  const events: ProgressEvent[] = [];
  const time = { now: 5000 };
  const clock = new TrainingClock(() => time.now);
  const progress = new Progress("a", (event) => events.push(event), clock);
  progress.begin();
  /** Ten tokens in ten milliseconds. */
  const train = (from: number, to: number) => {
    for (let step = from; step <= to; step++) {
      time.now += 10;
      progress.add({ step, loss: step, gradientNorm: 1, tokens: 10 });
    }
  };
  /** As an evaluation of a second does. */
  const evaluate = (step: number) =>
    clock.without(async () => {
      time.now += 1000;
      progress.heldOut(step, 7);
    });
  return { events, progress, train, evaluate };
}

test("evaluation takes no part of the speed, before or after a step was told of", async () => {
  const { events, progress, train, evaluate } = followed();
  train(1, 10);
  await evaluate(10);
  train(11, 23);
  await evaluate(23);
  train(24, 40);
  progress.rest();
  expect(events.filter(({ heldOut }) => heldOut !== undefined).map(({ heldOut }) => heldOut?.step)).toEqual([10, 23]);
  expect(events.map(({ tokensPerSecond }) => tokensPerSecond)).toEqual(events.map(() => 1000));
  expect(events.at(-1)).toMatchObject({ step: 40 });
});

test("a loss is the mean of the steps since the last; a run that diverges tells of each step", () => {
  const { events, progress, train } = followed();
  train(1, 13);
  progress.diverged();
  expect(events.map(({ step, loss }) => [step, loss])).toEqual([
    [10, 5.5],
    [11, 11],
    [12, 12],
    [13, 13],
  ]);
  progress.diverged();
  progress.rest();
  expect(events).toHaveLength(4);
});

test("steps that are too many to tell of one by one come as a mean first", () => {
  const { events, progress } = followed();
  for (let step = 1; step <= 103; step++) progress.add({ step, loss: step, gradientNorm: 1, tokens: 1 });
  progress.diverged();
  expect(events).toHaveLength(101);
  expect(events[0]).toMatchObject({ step: 3, loss: 2 });
});
