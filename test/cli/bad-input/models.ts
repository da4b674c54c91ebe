/** @file Bad input: models that are none, damaged, or of another kind, and what is asked of them. */
import type { BadInput } from "./row.ts";

export const models: readonly BadInput[] = [
  ["a missing model", "sample @absent.safetensors", "absent.safetensors: no such file"],
  ["no name of a model", "sample ''", '"": no such file'],
  ["a directory as a model", "sample @folder", "folder is a directory, not a file"],
  ["an empty model", "sample @nothing.safetensors", "nothing.safetensors is empty"],
  [
    "one byte as a model",
    "sample @one.txt",
    "one.txt is not a valid safetensors file: it has 1 byte, too few for the length of a header",
  ],
  [
    "a file that is not a model",
    "sample @noise.safetensors",
    "noise.safetensors is not a safetensors file, the format of models and weights",
  ],
  ["a text as a model", "sample @text.txt", "text.txt is not a safetensors file, the format of models and weights"],
  [
    "a table as a model",
    "sample @series.csv",
    "series.csv is not a safetensors file, the format of models and weights",
  ],
  [
    "a model cut short",
    "sample @truncated.safetensors",
    'truncated.safetensors is not a valid safetensors file: tensor "checkpoint/state/layers/0/h" ends at byte 3588 of 3581; the file is cut short',
  ],
  [
    "a model cut in its header",
    "sample @header.safetensors",
    "header.safetensors is not a valid safetensors file: its header claims … bytes; the file has 92",
  ],
  [
    "a model with a graph of unknown ops",
    "sample @changed.safetensors",
    "changed.safetensors is not a usable model: graph.nodes[38].op: expected an op of this release",
  ],
  [
    "a model with a weight that is not a number",
    "sample @nan.safetensors",
    'nan.safetensors is not a usable model: "head/bias" is damaged: 11 of its 11 numbers are not finite (NaN)',
  ],
  [
    "plain weights as a model",
    "sample @other.safetensors",
    "other.safetensors is not a usable model: its metadata does not say that cellgrad wrote it",
  ],
  [
    "a series model for a sample",
    "sample @series.safetensors",
    "series.safetensors was trained on a numeric series: use npx cellgrad forecast series.safetensors FILE.csv",
  ],
  [
    "a classifier for a sample",
    "sample @classifier.safetensors",
    "classifier.safetensors predicts the class of a sequence; use it from code, with createPredictor, or elsewhere: npx cellgrad export classifier.safetensors --to onnx --out FILE.onnx",
  ],
  [
    "an objective for a forecast",
    "forecast @own.safetensors @series.csv",
    "own.safetensors is a custom objective; use it from code, with createPredictor, or elsewhere: npx cellgrad export own.safetensors --to onnx --out FILE.onnx",
  ],
  [
    "a classifier to train on with",
    "train @text.txt --resume @classifier.safetensors",
    "--resume classifier.safetensors: this is a classifier, which the command line does not train; go on in code, with trainer.restore(model.checkpoint)",
  ],
  [
    "layers of different cells for PyTorch",
    "export @classifier.safetensors --to pytorch --out @new.safetensors",
    'classifier.safetensors: its layers are of different cells ("gru", "lstm"), and other frameworks support only layers of one cell; export it as ONNX',
  ],
  [
    "an objective for Keras",
    "export @own.safetensors --to keras --out @new.safetensors",
    "own.safetensors: it is a custom objective, and other frameworks support only weights of networks; export it as ONNX",
  ],
  [
    "a backward loop as WebAssembly",
    "compile @own.safetensors --to wasm --out @new",
    "modelToWasm: it cannot run step by step, because the loop gru runs backwards through time, so that its first step needs the last one; use createPredictor on whole sequences",
  ],
  [
    "a prompt with an unknown character",
    "sample @text.safetensors --prompt thé",
    '--prompt: character "é" at position 2 is not one of the 11 in the model\'s vocabulary',
  ],
  [
    "a prompt of other planes",
    "sample @text.safetensors --prompt 🙂",
    '--prompt: character "🙂" at position 0 is not one of the 11 in the model\'s vocabulary',
  ],
  [
    "a negative temperature",
    "sample @text.safetensors --temperature -1",
    '--temperature must be a number from 0 to 1000, got "-1"',
  ],
  [
    "a temperature that is a word",
    "sample @text.safetensors --temperature hot",
    '--temperature must be a number from 0 to 1000, got "hot"',
  ],
  [
    "a temperature that is not finite",
    "sample @text.safetensors --temperature Infinity",
    '--temperature must be a number from 0 to 1000, got "Infinity"',
  ],
  [
    "a length of 0",
    "sample @text.safetensors --length 0",
    '--length must be a whole number from 1 to 1000000000, got "0"',
  ],
  [
    "a length without end",
    "sample @text.safetensors --length 1e10",
    '--length must be a whole number from 1 to 1000000000, got "1e10"',
  ],
  [
    "a negative seed of a sample",
    "sample @text.safetensors --seed -1",
    '--seed must be a whole number from 0 to 4294967295, got "-1"',
  ],
  [
    "a text model for a forecast",
    "forecast @text.safetensors @series.csv",
    "text.safetensors was trained on text: use npx cellgrad sample text.safetensors",
  ],
  [
    "a text as a model for a forecast",
    "forecast @text.txt @series.csv",
    "text.txt is not a safetensors file, the format of models and weights",
  ],
  ["a missing series", "forecast @series.safetensors @absent.csv", "absent.csv: no such file"],
  ["a directory as a series", "forecast @series.safetensors @folder", "folder is a directory, not a file"],
  ["an empty series", "forecast @series.safetensors @empty.csv", "empty.csv is empty"],
  ["a series without rows", "forecast @series.safetensors @head.csv", "head.csv has no row of numbers"],
  ["a text as a series", "forecast @series.safetensors @text.txt", "text.txt has no row of numbers"],
  [
    "a series with infinity",
    "forecast @series.safetensors @infinity.csv",
    'infinity.csv, line 3, b: the field is "-inf"; expected a number',
  ],
  [
    "a series far from the training data",
    "forecast @series.safetensors @far.csv",
    "far.csv, row 89, a: 1e+30 is 1.4e+30 standard deviations from the mean of the training rows, so far that squares overflow float32; correct it, or leave the column out",
  ],
  [
    "other columns",
    "forecast @series.safetensors @other.csv",
    "other.csv has the columns c, a; the model was trained on a, b",
  ],
  [
    "too many columns",
    "forecast @series.safetensors @third.csv",
    "third.csv has the columns a, c, d; the model was trained on a, b",
  ],
  [
    "a series with two columns of one name",
    "forecast @series.safetensors @twice.csv",
    'twice.csv, line 1: two columns are called "a"; give each its own name',
  ],
  [
    "a horizon of 0",
    "forecast @series.safetensors @series.csv --horizon 0",
    '--horizon must be a whole number from 1 to 1000000000, got "0"',
  ],
  [
    "a horizon without end",
    "forecast @series.safetensors @series.csv --horizon 1e12",
    '--horizon must be a whole number from 1 to 1000000000, got "1e12"',
  ],
  [
    "a tuning of a file that is not a model",
    "train @text.txt --tuning @text.txt",
    "text.txt is not a safetensors file, the format of models and weights",
  ],
  ["a tuning of a missing model", "inspect --tuning @absent.safetensors", "absent.safetensors: no such file"],
  [
    "a tuning that was not kept",
    "train @text.txt --tuning @text.safetensors",
    "--tuning text.safetensors: this model has no tuning; train one with --tune",
  ],
  [
    "resuming a file that is not a model",
    "train @text.txt --resume @text.txt",
    "text.txt is not a safetensors file, the format of models and weights",
  ],
  ["resuming a missing file", "train @text.txt --resume @absent.safetensors", "absent.safetensors: no such file"],
  [
    "a damaged run",
    "train @text.txt --resume @nan.safetensors",
    'nan.safetensors is not a usable model: "head/bias" is damaged: 11 of its 11 numbers are not finite (NaN)',
  ],
  [
    "a run on one character",
    "train @one.txt --resume @text.safetensors",
    'one.txt: the text has only one kind of character, "x"; there is nothing to learn from it',
  ],
  [
    "a run on a series",
    "train @series.csv --resume @text.safetensors",
    "--resume: the cell or the data differs from what the model was trained with",
  ],
  [
    "a run with other sizes",
    "train @text.txt --resume @text.safetensors --units 4",
    "--units is fixed by the model of --resume; leave it out",
  ],
  [
    "another number of held-out batches than before",
    "train @text.txt --resume @text.safetensors --eval-batches 5",
    "--eval-batches is fixed by the model of --resume; leave it out",
  ],
  [
    "resuming without the cell's module",
    "train @text.txt --resume @fine.safetensors",
    "--resume: fine is not a built-in cell; give the module that exports it, such as --cell ./fine.ts",
  ],
  [
    "a run with another cell",
    "train @text.txt --resume @text.safetensors --cell gru",
    "--resume: the cell or the data differs from what the model was trained with",
  ],
  [
    "resuming with an absurd learning rate",
    "train @text.txt --resume @text.safetensors --lr 1e30",
    '--lr must be a number above 0, up to 1000, got "1e30"',
  ],
  [
    "a compilation without a target",
    "compile @text.safetensors",
    "required option '--to <format>' not specified; see --help",
  ],
  [
    "a compilation to an unknown target",
    "compile @text.safetensors --to rust",
    "option '--to <format>' argument 'rust' is invalid. Allowed choices are wasm; see --help",
  ],
  [
    "a compilation of a text",
    "compile @text.txt --to wasm --out @folder",
    "text.txt is not a safetensors file, the format of models and weights",
  ],
  [
    "a compilation of plain weights",
    "compile @other.safetensors --to wasm --out @folder",
    "other.safetensors is not a usable model: its metadata does not say that cellgrad wrote it",
  ],
  ["a compilation of a missing model", "compile @absent.safetensors --to wasm", "absent.safetensors: no such file"],
  [
    "a compilation with batch 0",
    "compile @text.safetensors --to wasm --batch 0",
    '--batch must be a whole number from 1 to 65535, got "0"',
  ],
];
