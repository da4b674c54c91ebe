/** @file Mutants of what programs that train are made of: runs, signals, sources of batches, stores of models, logs. */
import { changed, type Mutant } from "./mutant.ts";

export const programMutants: readonly Mutant[] = [
  ...changed(
    "train/run.ts",
    ["test/train/run.test.ts"],
    [
      ["a step more is in flight", "pending.length < inFlight", "pending.length <= inFlight"],
      [
        "a run goes on after a step that is not finite",
        "if (result.finite) return undefined",
        "if (Array) return undefined",
      ],
      ["steps in flight are left behind", "await Promise.allSettled(pending);", ""],
      ["an error comes before the results of earlier steps", "(fault: unknown) => ({ fault })", "() => ({})"],
      [
        "a run takes no notice of its signal while steps wait",
        "      signal?.throwIfAborted();\n      yield",
        "      yield",
      ],
      ["a generator is asked again", "steps !== undefined && isRepeatable(source)", "steps !== undefined"],
      ["a list is read once", "steps !== undefined && isRepeatable(source)", "false"],
      [
        "a source that is empty trains nothing, silently",
        "if (isEmpty) throw",
        "if (isEmpty && !isRepeated) return;\n    if (isEmpty) throw",
      ],
      ["other tasks have no turn", "await nextMacrotask();", ""],
    ],
  ),
  ...changed(
    "train/abort.ts",
    ["test/train/abort.test.ts"],
    [
      ["work begins though it is aborted", "  signal.throwIfAborted();\n", ""],
      ["what comes too late is kept", "working.then(drop)", "working.then(() => {})"],
      ["a listener stays", 'signal.removeEventListener("abort", listener);', ""],
    ],
  ),
  ...changed(
    "train/data/source.ts",
    ["test/train/source.test.ts"],
    [
      ["a source that is left is not told", "isOpen ? leave(signal?.reason) : undefined", "undefined"],
      ["a stream stays locked", "release: () => reader.releaseLock()", "release: () => {}"],
      ["a source that has ended is told to end", "if (result.done) isOpen = false;", ""],
      ["a source that has failed is told to end", "      isOpen = false;\n      throw error;", "      throw error;"],
      ["a stream is cancelled without a reason", "reader.cancel(reason)", "reader.cancel()"],
      ["values may only be at hand", "Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : ", ""],
      ["a locked stream is read", "isStream(source) && source.locked", "isStream(source) && !source"],
    ],
  ),
  ...changed(
    "train/data/text-stream.ts",
    ["test/train/text-stream.test.ts"],
    [
      [
        "the last target of a stretch is not read again",
        "used += windows * windowSize;",
        "used += windows * windowSize + 1;",
      ],
      ["what a stretch has used stays", "held = held.slice(used);", ""],
      ["the end of a text is dropped", "if (left > 0 || isEmpty)", "if (isEmpty)"],
      ["half of a character is a token", "? text.length - 1 : text.length", "? text.length : text.length"],
      ["a tokenizer's tokens end with pieces", "? afterCharacter : afterLine", "? afterCharacter : afterCharacter"],
      ["lines end within white space", "!isBlank(text[end]) && !isBlank(text[end - 2])", "true"],
      ["bytes that are left over are dropped", "  if (rest.length > 0) yield decoded(rest);\n", ""],
      ["bytes are text", "if (vocabulary === byteVocabulary)", "if (!vocabulary)"],
      ["faults are counted from the piece", "offset += bytes.length;", ""],
    ],
  ),
  ...changed(
    "train/graphs-on-demand.ts",
    ["test/train/abort.test.ts"],
    [["an evaluation lets nothing abort it", "if (signal !== undefined) await nextMacrotask();", ""]],
  ),
  ...changed(
    "train/stream.ts",
    ["test/train/abort.test.ts"],
    [
      ["sampling lets nothing abort it", "if (signal !== undefined) await nextMacrotask();", ""],
      [
        "a stream that is compiled too late is kept",
        "abortable(signal, compile, (late) => late.destroy())",
        "abortable(signal, compile)",
      ],
    ],
  ),
  ...changed(
    "train/files/file-handle.ts",
    ["test/train/files/stores.test.ts"],
    [
      ["a file is written where it lies open", "await writable?.abort(error).catch(() => {});", ""],
      ["a write is never finished", "await writable.close();", ""],
      ["who may not write is told nothing", "known[name] ?? oneLine(messageOf(error))", "oneLine(messageOf(error))"],
      ["an error of a browser takes several lines", "oneLine(messageOf(error))", "messageOf(error)"],
    ],
  ),
  ...changed(
    "train/files/model-store.ts",
    ["test/train/files/stores.test.ts"],
    [
      ["anything is a place", 'isObject && "read" in place && "write" in place', "isObject"],
      [
        "a model has no name in messages",
        "decodeModel(await store.read(), store.name)",
        'decodeModel(await store.read(), "")',
      ],
    ],
  ),
  ...changed(
    "train/logs/crc32c.ts",
    ["test/logs/logs.test.ts"],
    [["the checksum is that of zip files", "0x82f63b78", "0xedb88320"]],
  ),
  ...changed(
    "train/logs/event-file.ts",
    ["test/logs/logs.test.ts"],
    [
      ["the checksum is not masked", "(((check >>> 15) | (check << 17)) + 0xa282ead8)", "check"],
      ["the length has the checksum of the data", "masked(record.subarray(0, 8))", "masked(data)"],
      ["a step of 0 is written", "if (step > 0)", "if (step >= 0)"],
      ["texts have no plugin that shows them", '.string("text")', '.string("")'],
      ["numbers beyond f32 are refused", "Math.fround(value.number)", "value.number"],
    ],
  ),
  ...changed(
    "train/logs/sink.ts",
    ["test/logs/logs.test.ts"],
    [
      [
        "pieces overtake each other",
        "written = written.then(() => write(bytes));",
        "written = Promise.resolve(write(bytes));",
      ],
      ["a log that is closed is written to", "if (isClosed) throw", "if (!written) throw"],
      ["a stream that failed stays locked", "await Promise.resolve(end()).catch(() => {});", ""],
      ["flush waits for nothing", "await written;", ""],
      ["a stream stays locked", "writer.releaseLock();", ""],
    ],
  ),
  ...changed(
    "train/logs/tensorboard.ts",
    ["test/logs/logs.test.ts"],
    [
      ["times are in milliseconds", "Date.now() / 1000;", "Date.now();"],
      ["any step will do", "Number.isSafeInteger(step) && step >= 0", "true"],
    ],
  ),
  ...changed(
    "cli/train-session.ts",
    ["test/cli/train.test.ts"],
    [["Ctrl-C waits for the first measurement", "setup.batches, evalBatches, signal)", "setup.batches, evalBatches)"]],
  ),
  ...changed(
    "cli/event-log.ts",
    ["test/cli/resume.test.ts"],
    [
      ["the held-out loss has no curve", '  valLoss: "loss/held-out",\n', ""],
      ["runs share a folder", "${basename(data, extname(data))}-${time}", "run"],
      ["the result is lost", "else writer.text(typeof steps", "else if (run) writer.text(typeof steps"],
    ],
  ),
  ...changed(
    "compiler/graph/options.ts",
    ["test/train/run.test.ts", "test/train/abort.test.ts"],
    [["anything is a signal", '"throwIfAborted" in value', "true"]],
  ),
];
