/** @file Reads a model file and checks that it is of the kind that a command needs. */
import { UserError } from "../compiler/graph/errors.ts";
import { readBytes } from "../disk/data-files.ts";
import { decodeModel, type SavedModel, type SavedNetwork } from "../train/files/model-file.ts";
import type { NetworkKind } from "../train/networks.ts";
import { commandLine, fileWord } from "./invocation.ts";

export async function readModel<K extends NetworkKind>(
  path: string,
  kind: K,
): Promise<SavedNetwork & { readonly kind: K }> {
  const model = decodeModel(await readBytes(path), path);
  if (isOf(model, kind)) return model;
  const uses = {
    text: `was trained on text: use ${commandLine("sample", fileWord(path))}`,
    series: `was trained on a numeric series: use ${commandLine("forecast", fileWord(path), "FILE.csv")}`,
    regression: `predicts numbers from a sequence; ${elsewhere(path)}`,
    classifier: `predicts the class of a sequence; ${elsewhere(path)}`,
    objective: `is a custom objective; ${elsewhere(path)}`,
  };
  throw new UserError(`${path} ${uses[model.kind]}`);
}

const isOf = <K extends NetworkKind>(model: SavedModel, kind: K): model is SavedNetwork & { readonly kind: K } =>
  model.kind === kind;

/** What to do with a model that no command supports. */
const elsewhere = (path: string): string =>
  `use it from code, with createPredictor, or elsewhere: ${commandLine("export", fileWord(path), "--to", "onnx", "--out", "FILE.onnx")}`;
