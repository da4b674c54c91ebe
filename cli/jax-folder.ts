/** @file The folder of `cellgrad export --to jax`: a model with the update of its run, as JAX source. */
import { zoo } from "../cells/zoo.ts";
import { UserError } from "../compiler/graph/errors.ts";
import { sourceLines } from "../disk/source-lines.ts";
import { modelToJax } from "../interchange/jax/model.ts";
import type { SavedModel } from "../train/files/model-file.ts";
import { cellByName } from "./named-cell.ts";
import { OPTIMIZER_NAMES, RATE_SCHEDULE_NAMES } from "./options.ts";
import { type UpdateCommandOptions, updateOptionsOf } from "./update-options.ts";

/** The files by name. */
export async function jaxFolder(model: SavedModel, cell: string | undefined): Promise<Record<string, Uint8Array>> {
  const name = cell ?? model.cell ?? "";
  if (cell === undefined && !Object.hasOwn(zoo, name))
    throw new UserError(
      `${name || "the model's cell"} is not a built-in cell; give the module that exports it, such as --cell ./${name || "my-cell"}.ts`,
    );
  const { options, planned } = updateOf(model);
  return modelToJax(model, {
    cell: await cellByName(name),
    update: updateOptionsOf(options, planned),
    updateRecord: { ...options },
    source: sourceLines(),
  });
}

/** The update of the model's run, or that of `cellgrad train` by default. */
function updateOf({ run }: SavedModel): { readonly options: UpdateCommandOptions; readonly planned: number } {
  if (run === undefined)
    return { options: { optimizer: "adam", lrSchedule: "constant", warmup: 0, clip: 1 }, planned: 1 };
  const { optimizer, lrSchedule, warmup, weightDecay, clip, accumulate = 1, precision } = run.update;
  const known = OPTIMIZER_NAMES.find((one) => one === optimizer);
  const schedule = RATE_SCHEDULE_NAMES.find((one) => one === lrSchedule);
  if (known === undefined || schedule === undefined)
    throw new UserError("the model's optimizer or schedule is unknown to this version");
  if (precision === "mixed")
    throw new UserError(
      "the model was trained with mixed precision, which train.py does not have; export a model that was trained without",
    );
  return {
    options: {
      ...{ optimizer: known, lrSchedule: schedule, warmup: Number(warmup), clip: Number(clip) },
      ...(Number(accumulate) > 1 && { accumulate: Number(accumulate) }),
      ...(weightDecay !== undefined && { weightDecay: Number(weightDecay) }),
    },
    planned: run.planned,
  };
}
