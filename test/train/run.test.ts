/** @file `trainer.run`: results in order, a few steps in flight, and every way in which a run can end. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { rnn } from "../../cells/rnn.ts";
import { ndarray } from "../../compiler/graph/ndarray.ts";
import type { Device } from "../../devices/device.ts";
import type { Batch } from "../../train/data/batches.ts";
import { seriesModel } from "../../train/networks.ts";
import { createTrainer, type RunOptions, type Trainer, type TrainingStepResult } from "../../train/trainer.ts";
import { lineOf, lineOfPromise, whatever } from "../support/refused.ts";
import { devices } from "./devices.ts";

/** Batches with different numbers; `bad` is the number of one whose loss is infinite. */
function batches(count: number, bad?: number): Batch[] {
  return Array.from({ length: count }, (_, n) => {
    const numbers = Array.from({ length: 4 }, (_, i) => Math.sin(i + n));
    const targets = numbers.map((x) => (n + 1 === bad ? 1e30 : x / 2));
    return { x: ndarray([2, 2, 1], numbers), targets: ndarray([2, 2, 1], targets), fresh: n === 0 };
  });
}

const network = () => seriesModel({ cell: rnn, units: 3, layers: 1, features: 1 });

async function all(run: AsyncIterable<TrainingStepResult>): Promise<TrainingStepResult[]> {
  const results: TrainingStepResult[] = [];
  for await (const result of run) results.push(result);
  return results;
}

/** Counts what is asked of a trainer and what it has answered. */
function watched(trainer: Trainer) {
  const counts = { asked: 0, answered: 0 };
  const step = trainer.step;
  trainer.step = async (batch) => {
    counts.asked += 1;
    return step.call(trainer, batch).finally(() => {
      counts.answered += 1;
    });
  };
  return counts;
}

describe.each(devices)("$name", ({ open }) => {
  let device: Device;
  let trainer: Trainer;
  beforeAll(async () => {
    device = await open();
  });
  afterAll(() => {
    trainer.destroy();
    device.destroy();
  });
  const fresh = async () => {
    trainer?.destroy();
    trainer = await createTrainer(device, network(), { seed: 3, learningRate: 0.01 });
    return trainer;
  };

  test("a run gives what single steps give, in order, to the bit", async () => {
    const stepped: TrainingStepResult[] = [];
    await fresh();
    for (const batch of batches(9)) stepped.push(await trainer.step(batch));
    const weights = await trainer.parameters();
    await fresh();
    expect(await all(trainer.run(batches(9)))).toEqual(stepped);
    expect(await trainer.parameters()).toEqual(weights);
    expect(trainer.stepCount).toBe(9);
    expect(stepped.map(({ step }) => step)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });

  test.each([
    [undefined, 4],
    [1, 1],
    [3, 3],
  ])("with inFlight %s, %s steps are in flight and no more", async (inFlight, most) => {
    const counts = watched(await fresh());
    const seen: number[] = [];
    for await (const { step } of trainer.run(batches(8), { ...(inFlight && { inFlight }) })) {
      seen.push(step);
      expect(counts.asked).toBe(Math.min(8, step + most - 1));
    }
    expect(seen).toHaveLength(8);
  });

  test("the next batch is asked for when the step before is enqueued: its source can look at the trainer", async () => {
    await fresh();
    const counts: number[] = [];
    async function* looking() {
      for (const batch of batches(5)) {
        counts.push(trainer.stepCount);
        yield batch;
      }
      counts.push(trainer.stepCount);
    }
    await all(trainer.run(looking()));
    expect(counts).toEqual([0, 1, 2, 3, 4, 5]);
  });

  test("steps: a list is repeated, a generator is not; without steps each batch is read once", async () => {
    await fresh();
    const list = batches(3);
    expect(await all(trainer.run(list, { steps: 7 }))).toHaveLength(7);
    expect(await all(trainer.run(list, { steps: 2 }))).toHaveLength(2);
    expect(await all(trainer.run(list.values(), { steps: 7 }))).toHaveLength(3);
    expect(await all(trainer.run(list))).toHaveLength(3);
  });

  test("after a break nothing is in flight, the source is left, and the trainer goes on", async () => {
    const counts = watched(await fresh());
    let isLeft = false;
    function* source() {
      try {
        yield* batches(50);
      } finally {
        isLeft = true;
      }
    }
    for await (const { step } of trainer.run(source())) if (step === 3) break;
    expect([counts.asked, counts.answered, trainer.stepCount, isLeft]).toEqual([6, 6, 6, true]);
    expect((await trainer.step(batches(1)[0] as Batch)).step).toBe(7);
  });

  test("a step that is not finite is the last result; who asks for another gets an error", async () => {
    await fresh();
    const seen: TrainingStepResult[] = [];
    const run = async () => {
      for await (const result of trainer.run(batches(9, 4))) seen.push(result);
    };
    expect(await lineOfPromise(run)).toBe(
      "step 4: the loss is Infinity; the trainer keeps the weights from before it and applies no more steps. A smaller learning rate often helps; trainer.stoppedStep() has what findNonFinite needs to name the op",
    );
    expect(seen.map(({ step, finite }) => [step, finite])).toEqual([
      [1, true],
      [2, true],
      [3, true],
      [4, false],
    ]);
    const kept = await trainer.parameters();
    await fresh();
    await all(trainer.run(batches(3)));
    expect(await trainer.parameters()).toEqual(kept);
  });

  test("an aborted run rejects with the reason; the trainer holds the weights of its last step", async () => {
    const counts = watched(await fresh());
    const stop = new AbortController();
    const reason = new Error("enough");
    const seen: number[] = [];
    const run = async () => {
      for await (const { step } of trainer.run(batches(99), { signal: stop.signal })) {
        seen.push(step);
        if (step === 5) stop.abort(reason);
      }
    };
    await expect(run()).rejects.toBe(reason);
    expect(seen).toEqual([1, 2, 3, 4, 5]);
    expect(counts.answered).toBe(counts.asked);
    const [done, weights] = [trainer.stepCount, await trainer.parameters()];
    expect(done).toBe(8);
    await fresh();
    await all(trainer.run(batches(done)));
    expect(await trainer.parameters()).toEqual(weights);
  });

  test("a run can be aborted from outside, though the device computes without a pause", async () => {
    await fresh();
    const endless = { [Symbol.iterator]: () => batches(1)[Symbol.iterator]() };
    const stop = new AbortController();
    const step = trainer.step;
    trainer.step = (batch) => {
      if (trainer.stepCount === 0) setTimeout(() => stop.abort(), 0);
      return step.call(trainer, batch);
    };
    await expect(all(trainer.run(endless, { steps: 5000, signal: stop.signal }))).rejects.toMatchObject({
      name: "AbortError",
    });
    expect(trainer.stepCount).toBeGreaterThan(0);
  });

  test("a result that comes when the run is aborted is not given", async () => {
    await fresh();
    const stop = new AbortController();
    const step = trainer.step;
    trainer.step = async (batch) => {
      const result = await step.call(trainer, batch);
      if (result.step === 2) stop.abort();
      return result;
    };
    const seen: number[] = [];
    const run = async () => {
      for await (const result of trainer.run(batches(4), { signal: stop.signal, inFlight: 1 })) seen.push(result.step);
    };
    await expect(run()).rejects.toMatchObject({ name: "AbortError" });
    expect([seen, trainer.stepCount]).toEqual([[1], 2]);
  });

  test("an aborted run does not wait for a source that never gives another batch", async () => {
    await fresh();
    const stop = new AbortController();
    async function* stuck() {
      yield* batches(2);
      stop.abort();
      await new Promise(() => {});
    }
    await expect(all(trainer.run(stuck(), { signal: stop.signal }))).rejects.toMatchObject({ name: "AbortError" });
    expect(trainer.stepCount).toBe(2);
  });

  test("a signal that is aborted already takes no step and reads nothing", async () => {
    await fresh();
    const untouched: Iterable<Batch> = {
      [Symbol.iterator]: () => {
        throw new Error("it was read");
      },
    };
    const signal = AbortSignal.abort(new Error("before"));
    await expect(all(trainer.run(untouched, { signal }))).rejects.toThrow("before");
    expect(trainer.stepCount).toBe(0);
  });

  test("a batch that is refused, or a source that fails, comes after the results of the steps before it", async () => {
    await fresh();
    function* wrong() {
      yield* batches(3);
      yield whatever<Batch>({ x: 1 });
    }
    const seen: TrainingStepResult[] = [];
    const run = async (source: Iterable<Batch>) => {
      for await (const result of trainer.run(source)) seen.push(result);
    };
    expect(await lineOfPromise(() => run(wrong()))).toBe(
      "the batch's x is 1; make it an array with ndarray(shape, numbers, dtype) or fromNested(lists, dtype)",
    );
    function* failing() {
      yield* batches(2);
      throw new Error("the file is gone");
    }
    await expect(run(failing())).rejects.toThrow("the file is gone");
    expect(seen.map(({ step }) => step)).toEqual([1, 2, 3, 4, 5]);
  });

  test("wrong arguments are refused at once, before any step", async () => {
    await fresh();
    const refused = (source: unknown, options: unknown) =>
      lineOf(() => trainer.run(whatever(source), whatever<RunOptions>(options)));
    const [list, line] = [batches(1), "expected a whole number above 0"];
    expect(refused(list[0], {})).toBe("run: the argument is an object; expected batches, such as a list of them");
    expect(refused(undefined, {})).toBe("run: the argument is undefined; expected batches, such as a list of them");
    expect(refused(list, { steps: 0 })).toBe(`run: steps is 0; ${line}`);
    expect(refused(list, { inFlight: 1.5 })).toBe(`run: inFlight is 1.5; ${line}`);
    expect(refused(list, { epochs: 3 })).toBe("run: there is no option epochs; it takes signal, steps, inFlight");
    expect(refused(list, { signal: new AbortController() })).toBe(
      "run: signal is an object; expected an AbortSignal, such as that of an AbortController",
    );
    const none = "run: got no batches; a generator or a stream gives its batches only once";
    const generator = list.values();
    await all(trainer.run(generator));
    expect(await lineOfPromise(() => all(trainer.run(generator)))).toBe(none);
    expect(await lineOfPromise(() => all(trainer.run([], { steps: 3 })))).toBe(none);
    expect(trainer.stepCount).toBe(1);
    const other = await createTrainer(device, network());
    other.destroy();
    expect(lineOf(() => other.run(list))).toBe("the trainer was destroyed; make another with createTrainer");
  });
});
