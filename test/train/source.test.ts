/** @file Batches from anything that gives them: lists, generators, streams; how they are left, and what is refused. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { rnn } from "../../cells/rnn.ts";
import { ndarray } from "../../compiler/graph/ndarray.ts";
import { openInterpreter } from "../../devices/interpreter.ts";
import type { Batch } from "../../train/data/batches.ts";
import { entriesOf, type SourceOf, type StreamOf } from "../../train/data/source.ts";
import { seriesModel } from "../../train/networks.ts";
import { createTrainer, type Trainer } from "../../train/trainer.ts";
import { lineOf, lineOfPromise, whatever } from "../support/refused.ts";

const numbers = [1, 2, 3, 4, 5];

/** A stream of values, which says why it was cancelled; `onPull` gets the number of values that are left. */
function streamed<T>(
  values: readonly T[],
  onPull: (left: number) => void = () => {},
): { readonly stream: ReadableStream<T>; readonly cancelled: unknown[] } {
  const [left, cancelled] = [[...values], [] as unknown[]];
  const stream = new ReadableStream<T>(
    {
      pull: (controller) => {
        onPull(left.length);
        const next = left.shift();
        if (next === undefined) controller.close();
        else controller.enqueue(next);
      },
      cancel: (reason) => {
        cancelled.push(reason);
      },
    },
    { highWaterMark: 0 },
  );
  return { stream, cancelled };
}

/** As Safari has it: no async iterable. */
function ofSafari<T>(stream: ReadableStream<T>): StreamOf<T> {
  return { getReader: () => stream.getReader(), locked: stream.locked };
}

async function first<T>(count: number, source: SourceOf<T>, signal?: AbortSignal): Promise<T[]> {
  const values: T[] = [];
  for await (const value of entriesOf("read", "numbers", source, signal)) {
    values.push(value);
    if (values.length === count) break;
  }
  return values;
}

async function* late() {
  for (const value of numbers) yield await Promise.resolve(value);
}

describe("a source", () => {
  test.each<[string, () => SourceOf<number>]>([
    ["a list", () => numbers],
    ["a set", () => new Set(numbers)],
    ["a generator", () => numbers.values()],
    ["an async generator", () => late()],
    ["a stream", () => streamed(numbers).stream],
    ["a stream of Safari", () => ofSafari(streamed(numbers).stream)],
  ])("%s gives its values in order", async (_, source) => {
    expect(await first(9, source())).toEqual(numbers);
    expect(await first(3, source())).toEqual([1, 2, 3]);
  });

  test("a stream that is left is cancelled, one at its end is not, and both are unlocked", async () => {
    for (const isSafari of [false, true]) {
      const { stream, cancelled } = streamed(numbers);
      expect(await first(2, isSafari ? ofSafari(stream) : stream)).toEqual([1, 2]);
      expect([cancelled, stream.locked]).toEqual([[undefined], false]);
      const whole = streamed(numbers);
      await first(9, isSafari ? ofSafari(whole.stream) : whole.stream);
      expect([whole.cancelled, whole.stream.locked]).toEqual([[], false]);
    }
  });

  test("an iterator that is left is returned, and one that has ended or failed is not", async () => {
    const returned: string[] = [];
    const counting = (name: string, end: () => IteratorResult<number>): Iterable<number> => ({
      [Symbol.iterator]: () => {
        let n = 0;
        const give = (): IteratorResult<number> => (n++ < 2 ? { done: false, value: n } : end());
        const finish = (): IteratorResult<number> => {
          returned.push(name);
          return { done: true, value: undefined };
        };
        return { next: give, return: finish };
      },
    });
    const ended = () => ({ done: true, value: undefined }) as const;
    await first(1, counting("left", ended));
    await first(9, counting("ended", ended));
    const failing = counting("failed", () => {
      throw new Error("broken");
    });
    await expect(first(9, failing)).rejects.toThrow("broken");
    expect(returned).toEqual(["left"]);
  });

  test("a stream that fails gives its error, and is unlocked", async () => {
    const stream = new ReadableStream<number>({ pull: (controller) => controller.error(new Error("offline")) });
    await expect(first(1, stream)).rejects.toThrow("offline");
    expect(stream.locked).toBe(false);
  });

  test("an aborted read rejects at once, and its stream is cancelled with the reason", async () => {
    const cancelled: unknown[] = [];
    const never = new ReadableStream<number>({
      pull: () => new Promise(() => {}),
      cancel: (reason) => {
        cancelled.push(reason);
      },
    });
    const stop = new AbortController();
    const reading = first(1, never, stop.signal);
    stop.abort("enough");
    await expect(reading).rejects.toBe("enough");
    expect([cancelled, never.locked]).toEqual([["enough"], false]);
  });

  test("what is no source, and a stream that is locked, are refused in one line", async () => {
    for (const [given, words] of [
      ["12345", '"12345"'],
      [{ x: 1 }, "an object"],
      [null, "null"],
      [undefined, "undefined"],
    ])
      expect(await lineOfPromise(() => first(1, whatever<SourceOf<number>>(given)))).toBe(
        `read: the argument is ${words}; expected numbers, such as a list of them`,
      );
    const { stream } = streamed(numbers);
    const reader = stream.getReader();
    const locked =
      "read: the stream of numbers is locked: something else reads it; release its lock, or give it only once";
    expect(await lineOfPromise(() => first(1, stream))).toBe(locked);
    expect(await reader.read()).toEqual({ done: false, value: 1 });
  });
});

describe("a trainer", () => {
  const device = openInterpreter();
  const batches: readonly Batch[] = [0, 1, 2, 3, 4, 5].map((n) => {
    const x = ndarray(
      [2, 1, 1],
      [0, 1].map((i) => Math.sin(n + i)),
    );
    return { x, targets: x, fresh: true };
  });
  let trainer: Trainer;
  beforeAll(async () => {
    trainer = await createTrainer(device, seriesModel({ cell: rnn, units: 2, layers: 1, features: 1 }));
  });
  afterAll(() => trainer.destroy());

  test("evaluates streams, and cancels one that is aborted", async () => {
    const expected = await trainer.evaluate(batches);
    expect(await trainer.evaluate(streamed(batches).stream)).toBe(expected);
    expect(await trainer.evaluate(ofSafari(streamed(batches).stream))).toBe(expected);
    const stop = new AbortController();
    const reason = new Error("enough");
    const { stream, cancelled } = streamed(batches, (left) => {
      if (left === 3) stop.abort(reason);
    });
    await expect(trainer.evaluate(stream, { signal: stop.signal })).rejects.toBe(reason);
    expect([cancelled, stream.locked]).toEqual([[reason], false]);
    expect(await trainer.evaluate(batches)).toBe(expected);
  });

  test("trains on a stream, cancels it after a break, and refuses one that is locked before it steps", async () => {
    const { stream, cancelled } = streamed(batches);
    for await (const { step } of trainer.run(stream)) if (step === 2) break;
    expect([cancelled, stream.locked, trainer.stepCount]).toEqual([[undefined], false, 5]);
    const locked = streamed(batches).stream;
    locked.getReader();
    expect(lineOf(() => trainer.run(locked))).toBe(
      "run: the stream of batches is locked: something else reads it; release its lock, or give it only once",
    );
    expect(trainer.stepCount).toBe(5);
  });
});
