/**
 * @file train.py of an exported folder, with only what the model's kind of data needs: what a model is stands in its
 * model.py and in the metadata of its file. Batches are cut as `train/data/batches.ts` does.
 */
import { devices } from "./training/devices.ts";
import { files } from "./training/files.ts";
import { head } from "./training/head.ts";
import type { TrainScriptOptions } from "./training/options.ts";
import { recording } from "./training/recordings.ts";
import { run } from "./training/run.ts";
import { update } from "./training/update.ts";

/** The text of train.py. */
export function trainScript(options: TrainScriptOptions): string {
  return [head, files, recording, devices, update, run].map((part) => part(options)).join("\n\n");
}
