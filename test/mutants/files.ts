/** @file Ways to break what reads and writes the files of others: their numbers, their names, and what they mean. */
import { changed, type Mutant } from "./mutant.ts";

export const fileMutants: readonly Mutant[] = [
  ...changed(
    "train/files/tensor-storage.ts",
    ["test/train/files/safetensors.test.ts"],
    [
      ["subnormal numbers of F16 are zero", "return sign * fraction * 2 ** -24;", "return sign * 0;"],
      ["infinity of F16 is a number", "exponent === 0x1f", "exponent === 0x20"],
      ["BF16 is the lower half", "setUint32(0, bits * 2 ** 16)", "setUint32(0, bits)"],
      ["I64 wraps around", "fits: within(-(2 ** 31), 2 ** 31 - 1) }", "}"],
    ],
  ),
  ...changed(
    "train/files/safetensors.ts",
    ["test/train/files/safetensors.test.ts", "test/cli/weights.test.ts"],
    [
      [
        "tensors are read that nothing asks for",
        "    define({\n      get: () => {",
        "    read();\n    define({\n      get: () => {",
      ],
      ["what is not replaced is rounded", "tensor === undefined || isSame(", "tensor !== undefined && isSame("],
    ],
  ),
  ...changed(
    "train/stream.ts",
    ["test/cli/tokens.test.ts"],
    [["a sample begins a text", 'prompt === "" ? [] : [...tokens]', "[]"]],
  ),
  ...changed(
    "train/data/bytes.ts",
    ["test/cli/tokens.test.ts"],
    [["a byte order mark is dropped", "{ ignoreBOM: true }", "{ ignoreBOM: false }"]],
  ),
  ...changed(
    "interchange/model-metadata.ts",
    ["test/interchange/onnx.test.ts"],
    [["bytes are told as characters", '(tokens ?? "characters")', '"characters"']],
  ),
  ...changed(
    "interchange/jax/rules.ts",
    ["test/interchange/jax/print.test.ts"],
    [
      ["negative indices are read from the end", 'method(indices, "astype", context.writer.dtype("u32"))', "indices"],
      ["any sum divided by a number is a mean", "  if (!isCount) return undefined;\n", ""],
      ["a slice forgets where it ends", '${isLast ? "" : end}', ""],
    ],
  ),
  ...changed(
    "interchange/jax/block.ts",
    ["test/interchange/jax/print.test.ts"],
    [
      [
        "a size of no input is written all the same",
        "if (!owner.#known.shapes.some(",
        'if (symbol === "" && !owner.#known.shapes.some(',
      ],
      ["long lines are left long", "if (length <= width) return value;", "if (length > 0) return value;"],
    ],
  ),
  ...changed(
    "interchange/jax/model.ts",
    ["test/interchange/jax/model.test.ts"],
    [
      [
        "any cell is printed for a model",
        "encodeGraph(streamingStep(network).graph) !== encodeGraph(model.graph)",
        "false",
      ],
      ["all parameters have the rule of the first", "names.get(text) ??", "[...names.values()][0] ??"],
    ],
  ),
  ...changed(
    "interchange/jax/module.ts",
    ["test/interchange/jax/model.test.ts"],
    [["a shared function names the sizes of one layer", "known.about = withoutDifferences(known.about, about);", ""]],
  ),
  ...changed(
    "interchange/jax/names.ts",
    ["test/interchange/jax/print.test.ts"],
    [["keywords are names", "reserved.has(base) ? `${base}_` : base", "base"]],
  ),
  ...changed(
    "interchange/jax/loop.ts",
    ["test/interchange/jax/print.test.ts"],
    [["a step recomputes what it reads from outside", "i < attrs.consts || exact", "i < 0 || exact"]],
  ),
  ...changed(
    "interchange/pytorch.ts",
    ["test/interchange/weights.test.ts"],
    [
      ["of several readings the first is taken", "only !== undefined && others.length === 0", "only !== undefined"],
      ["a head of any width", "reading.head === head || fits(reading.head, sizes.width)", "true"],
    ],
  ),
  ...changed(
    "interchange/named-layers.ts",
    ["test/interchange/weights.test.ts"],
    [["any names tell an order", "stems.size === 1 && numbers.size === found.length", "true"]],
  ),
  ...changed(
    "interchange/flax.ts",
    ["test/interchange/flax.test.ts"],
    [
      ["the reset gate of Flax is its update gate", 'reset: "r", update: "z"', 'reset: "z", update: "r"'],
      ["a bias of h is one of x", "recurrentBias: bias(`h${letter}`, units)", "recurrentBias: zeros([units])"],
      ["layers of Flax have any cell", "layer.kind.cell !== kind.cell", "false"],
    ],
  ),
  ...changed(
    "interchange/jax/training/recordings.ts",
    ["test/interchange/jax/model.test.ts"],
    [["every train.py reads bytes", "${recordings[reads]}", "${recordings.bytes}"]],
  ),
  ...changed(
    "interchange/jax/training/update.ts",
    ["test/interchange/jax/model.test.ts"],
    [
      [
        "training drops nothing",
        "model.training_loss(low, given, cast_x, targets, key)",
        "model.loss(low, given, cast_x, targets)",
      ],
    ],
  ),
  ...changed(
    "cli/resume.ts",
    ["test/cli/update.test.ts"],
    [
      [
        "a resumed run updates after every batch",
        "accumulate: accumulateOf(accumulate)",
        "accumulate: accumulateOf(1)",
      ],
    ],
  ),
  ...changed(
    "interchange/keras.ts",
    ["test/interchange/weights.test.ts"],
    [["layers of any width are read", "  checkWidths(bag, layers);\n", ""]],
  ),
  ...changed(
    "interchange/keras-config.ts",
    ["test/cli/keras-files.test.ts"],
    [
      ["any activation is tanh", "if (found !== expected) fail(", "if (false) fail("],
      ["layers need not follow on each other", "sources.length === 1 && sources[0] === before", "true"],
      ["relu is not seen", 'if (activation === "relu") return "relu-rnn";', ""],
    ],
  ),
  ...changed(
    "train/data/field.ts",
    ["test/cli/tables.test.ts"],
    [
      ["a decimal comma is no comma", 'replaceAll(".", "").replace(",", ".")', 'replaceAll(".", "").replace(",", "")'],
      ["months have no names", "(jan|feb|mar|apr|", "(apr|"],
    ],
  ),
  ...changed(
    "train/data/table.ts",
    ["test/cli/tables.test.ts"],
    [
      [
        "a comma of two meanings is one of thousands",
        "point === undefined && comma === undefined) {\n      const",
        "false) {\n      const",
      ],
      ["what is missing is repeated from elsewhere", "let last = before;", "let last: readonly string[] = [];"],
    ],
  ),
  ...changed(
    "train/data/table-layout.ts",
    ["test/cli/tables.test.ts"],
    [
      ["lines end in one way", '["\\r\\n", "\\n", "\\r"]', '["\\n"]'],
      ["the line of a row is that of its end", "line: before + end + 1", "line: before + lines"],
    ],
  ),
  ...changed(
    "disk/file-pieces.ts",
    ["test/cli/tables.test.ts", "test/disk/data-sources.test.ts"],
    [["a quote within a field hides line ends", "byte === quote && isFieldStart", "byte === quote"]],
  ),
  ...changed(
    "cli/commands/forecast.ts",
    ["test/cli/train.test.ts", "test/cli/printed-commands.test.ts"],
    [
      ["seven digits wherever values lie", "deviation === undefined ? 7 :", "deviation !== undefined ? 7 :"],
      ["all numbers of a table are forecast", "{ columns, decimal, missing }", "{ decimal, missing }"],
    ],
  ),
  ...changed(
    "cli/held-out.ts",
    ["test/cli/train.test.ts"],
    [["a hundred batches whatever is asked for", "most === 0 ? count : Math.min(count, most)", "Math.min(count, 100)"]],
  ),
  ...changed(
    "cli/invocation.ts",
    ["test/cli/printed-commands.test.ts"],
    [["spaces are not quoted", "if (/^[\\w@", "if (true || /^[\\w@"]],
  ),
  ...changed(
    "train/data/normalisation.ts",
    ["test/cli/train.test.ts"],
    [["what lies far from 0 is constant", "8 * Number.EPSILON *", "1e-12 *"]],
  ),
  ...changed(
    "disk/keras/keras-file.ts",
    ["test/cli/keras-files.test.ts"],
    [
      [
        "kernels are taken for each other",
        '["kernel", "recurrent_kernel", "bias"]',
        '["recurrent_kernel", "kernel", "bias"]',
      ],
      ["the last layer is the first", "layers: named.filter(", "layers: named.toReversed().filter("],
    ],
  ),
];
