/** @file Reads a model of the kind that a command needs. */
import { UserError } from "../compiler/graph/errors.ts";
import { readBytes } from "../disk/data-files.ts";
import { decodeModel, type SavedModel } from "../train/files/model-file.ts";
import { commandLine, fileWord } from "./invocation.ts";

export async function readModel(path: string, kind: SavedModel["kind"]): Promise<SavedModel> {
  const model = decodeModel(await readBytes(path), path);
  if (model.kind === kind) return model;
  const uses = {
    text: `was trained on text: use ${commandLine("sample", fileWord(path))}`,
    series: `was trained on a numeric series: use ${commandLine("forecast", fileWord(path), "FILE.csv")}`,
    regression: "finds numbers in a sequence; use it from code, with createStream",
  };
  throw new UserError(`${path} ${uses[model.kind]}`);
}
