/** @file Logs: bytes of TensorBoard's event files and JSON lines, to functions and streams, and what a sink does wrong. */
import { describe, expect, test } from "vitest";
import { type ByteSink, jsonLines, tensorboardFileName, tensorboardWriter } from "../../entries/logs.ts";
import { crc32c } from "../../train/logs/crc32c.ts";
import { eventRecord } from "../../train/logs/event-file.ts";
import { lineOf, whatever } from "../support/refused.ts";
import { eventsIn } from "./read-events.ts";

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");

/** A sink that keeps what it got. */
function kept() {
  const pieces: Uint8Array[] = [];
  return { sink: (bytes: Uint8Array) => void pieces.push(bytes), bytes: () => Buffer.concat(pieces) };
}

test("checksums are those of RFC 3720", () => {
  const cases: readonly (readonly [Uint8Array, number])[] = [
    [new TextEncoder().encode("123456789"), 0xe3069283],
    [new Uint8Array(32), 0x8a9136aa],
    [new Uint8Array(32).fill(0xff), 0x62a8ab43],
    [Uint8Array.from({ length: 32 }, (_, i) => i), 0x46dd794e],
    [new Uint8Array(), 0],
  ];
  for (const [bytes, expected] of cases) expect(crc32c(bytes)).toBe(expected);
});

// Of the RecordWriter and the messages of Python's package tensorboard 2.21.
const ofPython = [
  "1800000000000000a37f4b220900002040fc54d9411a0d627261696e2e4576656e743a32",
  "2b353110300000000000000095f5d05f0900005040fc54d94110ac022a220a0b0a046c6f737315000020400a130a0c6772616469656e744e6f726d15cdcccc3db4be71c4",
  "34000000000000005e33175c0900008040fc54d9412a290a270a0372756e42160807120412020801420c2a2a63656c6c2a2a206772754a080a060a0474657874b909868c",
].join("");

test("event files have the bytes that TensorBoard's own writer writes", () => {
  const loss = { tag: "loss", number: 2.5 };
  const norm = { tag: "gradientNorm", number: 0.1 };
  const records = [
    eventRecord({ time: 1700000000.5, version: "brain.Event:2" }),
    eventRecord({ time: 1700000001.25, step: 300, values: [loss, norm] }),
    eventRecord({ time: 1700000002, step: 0, values: [{ tag: "run", text: "**cell** gru" }] }),
  ];
  expect(records.map(hex).join("")).toBe(ofPython);
});

describe("the writer for TensorBoard", () => {
  test("writes the version, then what it is given, at the time of now", async () => {
    const { sink, bytes } = kept();
    const before = Date.now() / 1000;
    const log = tensorboardWriter(sink);
    log.scalars(7, { "loss/training": 1.5, wide: Number.POSITIVE_INFINITY });
    log.scalars(2 ** 40, { none: Number.NaN, large: 1e300 });
    log.text(3, "run", "**lstm**, π");
    await log.close();
    const events = eventsIn(bytes());
    for (const { time } of events) {
      expect(time).toBeGreaterThanOrEqual(before);
      expect(time).toBeLessThanOrEqual(Date.now() / 1000);
    }
    expect(events.map(({ time: _, ...rest }) => rest)).toEqual([
      { version: "brain.Event:2", step: 0, values: [] },
      {
        step: 7,
        values: [
          { tag: "loss/training", number: 1.5 },
          { tag: "wide", number: Number.POSITIVE_INFINITY },
        ],
      },
      {
        step: 2 ** 40,
        values: [
          { tag: "none", number: Number.NaN },
          { tag: "large", number: Number.POSITIVE_INFINITY },
        ],
      },
      { step: 3, values: [{ tag: "run", text: "**lstm**, π" }] },
    ]);
    expect(tensorboardFileName()).toMatch(/^events\.out\.tfevents\.\d{10}\.cellgrad$/);
  });

  test("refuses what is no step, number or text, and writes nothing of it", async () => {
    const { sink, bytes } = kept();
    const log = tensorboardWriter(sink);
    await log.flush();
    const length = bytes().length;
    for (const step of [-1, 1.5, Number.NaN])
      expect(lineOf(() => log.scalars(step, { loss: 1 }))).toBe(
        `scalars: the step is ${step}; expected a whole number, 0 or more`,
      );
    expect(lineOf(() => log.scalars(1, { loss: whatever("1") }))).toBe('scalars: loss is "1"; expected a number');
    expect(lineOf(() => log.text(1, "run", whatever(3)))).toBe("text: run is 3; expected a text");
    await log.close();
    expect(bytes().length).toBe(length);
    expect(lineOf(() => log.scalars(1, { loss: 1 }))).toBe("tensorboardWriter: the log was closed");
  });
});

describe("JSON lines", () => {
  test("are one object a line; what JSON cannot express is refused or null", async () => {
    const { sink, bytes } = kept();
    const log = jsonLines(sink);
    log.write({ step: 1, loss: 0.5, text: "ä\n" });
    log.write({ step: 2, loss: Number.NaN });
    expect(lineOf(() => log.write(whatever(3)))).toBe("jsonLines: the entry is 3; expected an object");
    expect(lineOf(() => log.write({ big: 1n }))).toMatch(/^jsonLines: the entry cannot be written as JSON: .*BigInt/);
    await log.close();
    expect(bytes().toString()).toBe('{"step":1,"loss":0.5,"text":"ä\\n"}\n{"step":2,"loss":null}\n');
  });
});

describe("a sink", () => {
  test("gets what is written in order, one piece after the other, and flush waits for it", async () => {
    let [open, most] = [0, 0];
    const texts: string[] = [];
    const slow: ByteSink = async (bytes) => {
      most = Math.max(most, ++open);
      await new Promise((resolve) => setTimeout(resolve, texts.length === 0 ? 3 : 0));
      texts.push(Buffer.from(bytes).toString());
      open -= 1;
    };
    const log = jsonLines(slow);
    for (const step of [1, 2, 3]) log.write({ step });
    expect(texts).toEqual([]);
    await log.flush();
    expect([texts, most]).toEqual([['{"step":1}\n', '{"step":2}\n', '{"step":3}\n'], 1]);
    await log.close();
    await log.close();
  });

  test("may be a stream, which is closed and unlocked in the end; one that is locked is refused", async () => {
    const pieces: Uint8Array[] = [];
    let isClosed = false;
    const stream = new WritableStream<Uint8Array>({
      write: (bytes) => void pieces.push(bytes),
      close: () => {
        isClosed = true;
      },
    });
    const log = jsonLines(stream);
    log.write({ step: 1 });
    expect(lineOf(() => jsonLines(stream))).toBe(
      "jsonLines: the stream is locked: something else writes to it; release its lock first",
    );
    await log.close();
    expect([Buffer.concat(pieces).toString(), isClosed, stream.locked]).toEqual(['{"step":1}\n', true, false]);
    for (const given of ["log.jsonl", null, {}])
      expect(lineOf(() => tensorboardWriter(whatever(given)))).toMatch(
        /^tensorboardWriter: the sink is .*; expected a function of bytes or a WritableStream$/,
      );
  });

  test("that fails is written to no more; flush and close say why, and a stream is unlocked", async () => {
    let count = 0;
    const full = () => {
      count += 1;
      throw new Error("the disk is full");
    };
    const log = jsonLines(full);
    for (const step of [1, 2, 3]) log.write({ step });
    expect(await lineOfError(log.flush())).toBe("the disk is full");
    log.write({ step: 4 });
    expect(await lineOfError(log.close())).toBe("the disk is full");
    expect(count).toBe(1);
    const stream = new WritableStream<Uint8Array>({ write: full });
    const other = tensorboardWriter(stream);
    expect(await lineOfError(other.close())).toBe("the disk is full");
    expect(stream.locked).toBe(false);
  });
});

const lineOfError = (task: Promise<unknown>) =>
  task.then(
    () => "no error",
    (error: Error) => error.message,
  );
