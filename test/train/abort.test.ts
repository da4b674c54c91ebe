/** @file Signals that end long calls: they reject with the signal's reason, and what they used stays usable. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { rnn } from "../../cells/rnn.ts";
import { ndarray } from "../../compiler/graph/ndarray.ts";
import type { Device } from "../../devices/device.ts";
import { abortable } from "../../train/abort.ts";
import { vocabularyOf } from "../../train/data/text.ts";
import { initialize } from "../../train/initialize.ts";
import { languageModel, seriesModel } from "../../train/networks.ts";
import { createPredictor } from "../../train/predictor.ts";
import { createStream, forecast, sampleText } from "../../train/stream.ts";
import { createTrainer } from "../../train/trainer.ts";
import { lineOfPromise, whatever } from "../support/refused.ts";
import { devices } from "./devices.ts";

const reason = new Error("enough");

/** A promise that is settled from outside. */
function settledLater<T>() {
  let resolve: (value: T) => void = () => {};
  let reject: (error: Error) => void = () => {};
  const promise = new Promise<T>((...both) => {
    [resolve, reject] = both;
  });
  return { promise, resolve, reject };
}

describe("abortable", () => {
  const never = () => new Promise<number>(() => {});

  test("gives the result, or the error, of work that is not aborted, and leaves no listener", async () => {
    const { signal } = new AbortController();
    let listeners = 0;
    const counted = Object.assign(Object.create(signal) as AbortSignal, {
      throwIfAborted: () => signal.throwIfAborted(),
      addEventListener: () => {
        listeners += 1;
      },
      removeEventListener: () => {
        listeners -= 1;
      },
    });
    expect(await abortable(counted, async () => 3)).toBe(3);
    await expect(abortable(counted, () => Promise.reject(new Error("broken")))).rejects.toThrow("broken");
    expect(listeners).toBe(0);
    expect(await abortable(undefined, () => 4)).toBe(4);
  });

  test("begins nothing once aborted, and rejects at once when aborted", async () => {
    const work = () => {
      throw new Error("it began");
    };
    await expect(abortable(AbortSignal.abort(reason), work)).rejects.toBe(reason);
    const stop = new AbortController();
    const working = abortable(stop.signal, never);
    stop.abort(reason);
    await expect(working).rejects.toBe(reason);
  });

  test("what comes too late is dropped, be it a value or an error", async () => {
    const stop = new AbortController();
    const dropped: number[] = [];
    const given = settledLater<number>();
    const failed = settledLater<number>();
    const value = abortable(
      stop.signal,
      () => given.promise,
      (late) => dropped.push(late),
    );
    const error = abortable(stop.signal, () => failed.promise);
    stop.abort(reason);
    await expect(value).rejects.toBe(reason);
    await expect(error).rejects.toBe(reason);
    given.resolve(7);
    failed.reject(new Error("late"));
    await new Promise((resolve) => setTimeout(resolve, 0));
    expect(dropped).toEqual([7]);
  });
});

const vocabulary = vocabularyOf("abc ");
const text = languageModel({ cell: rnn, units: 3, layers: 1, vocabulary: 4, embed: 2 });
const series = seriesModel({ cell: rnn, units: 3, layers: 1, features: 1 });
const x = ndarray([2, 1, 1], [0.1, 0.2]);

describe.each(devices)("$name", ({ open }) => {
  let device: Device;
  beforeAll(async () => {
    device = await open();
  });
  afterAll(() => device.destroy());

  /** Aborts when other tasks had a turn; `work` is long. */
  async function aborted(work: (signal: AbortSignal) => Promise<unknown>): Promise<void> {
    const stop = new AbortController();
    setTimeout(() => stop.abort(reason), 0);
    await expect(work(stop.signal)).rejects.toBe(reason);
  }
  const before = AbortSignal.abort(reason);

  test("sampling and forecasting stop, and the stream goes on", async () => {
    const stream = await createStream(device, text, initialize(text.specs, 1));
    const sampled = async (length: number, signal?: AbortSignal) => {
      let written = "";
      for await (const piece of sampleText({ stream, vocabulary, length, signal })) written += piece;
      return written;
    };
    const expected = await sampled(6);
    await aborted((signal) => sampled(20_000, signal));
    await expect(sampled(1, before)).rejects.toBe(reason);
    expect(await sampled(6, new AbortController().signal)).toBe(expected);
    stream.destroy();
    const wave = await createStream(device, series, initialize(series.specs, 1));
    const rows = await forecast({ stream: wave, values: [[1]], horizon: 3 });
    await aborted((signal) => forecast({ stream: wave, values: [[1]], horizon: 20_000, signal }));
    expect(await forecast({ stream: wave, values: [[1]], horizon: 3 })).toEqual(rows);
    wave.destroy();
  });

  test("predictions and evaluations reject, and the trainer goes on", async () => {
    const trainer = await createTrainer(device, series);
    const batch = { x, targets: x };
    const { output } = await trainer.predict(batch);
    const loss = await trainer.evaluate([batch]);
    await expect(trainer.predict(batch, { signal: before })).rejects.toBe(reason);
    function* long() {
      for (let n = 0; n < 20_000; n++) yield batch;
    }
    await aborted((signal) => trainer.evaluate(long(), { signal }));
    expect((await trainer.predict(batch)).output).toEqual(output);
    expect(await trainer.evaluate([batch])).toBe(loss);
    const predictor = await createPredictor(device, series, await trainer.parameters());
    await expect(predictor.predict({ x }, { signal: before })).rejects.toBe(reason);
    expect((await predictor.predict({ x })).output).toEqual(output);
    predictor.destroy();
    trainer.destroy();
  });

  test("compiling rejects, and what is compiled too late is freed", async () => {
    const parameters = initialize(series.specs, 1);
    const opened = { compiled: 0, destroyed: 0 };
    let stop = new AbortController();
    const counting: Device = {
      ...device,
      compile: async (...given) => {
        const executable = await device.compile(...given);
        opened.compiled += 1;
        stop.abort(reason);
        await new Promise((resolve) => setTimeout(resolve, 0));
        const destroy = () => {
          opened.destroyed += 1;
          executable.destroy();
        };
        return { ...executable, destroy };
      },
    };
    for (const create of [
      (signal: AbortSignal) => createTrainer(counting, series, { signal }),
      (signal: AbortSignal) => createPredictor(counting, series, parameters, { signal }),
      (signal: AbortSignal) => createStream(counting, series, parameters, { signal }),
    ]) {
      stop = new AbortController();
      await expect(create(stop.signal)).rejects.toBe(reason);
    }
    await expect.poll(() => opened).toEqual({ compiled: 3, destroyed: 3 });
    await expect(createTrainer(counting, series, { signal: before })).rejects.toBe(reason);
    expect(opened.compiled).toBe(3);
  });

  test("what is no signal is refused in one line", async () => {
    const trainer = await createTrainer(device, series);
    const signal = whatever<AbortSignal>(true);
    const words = "signal is true; expected an AbortSignal, such as that of an AbortController";
    expect(await lineOfPromise(() => trainer.evaluate([], { signal }))).toBe(`evaluate: ${words}`);
    expect(await lineOfPromise(() => trainer.predict({ x }, { signal }))).toBe(`predict: ${words}`);
    expect(await lineOfPromise(() => createTrainer(device, series, { signal }))).toBe(`createTrainer: ${words}`);
    trainer.destroy();
  });
});
