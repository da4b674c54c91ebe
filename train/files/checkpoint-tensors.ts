/** @file Checkpoints in model files: the trainer's arrays as tensors called checkpoint/NAME, and back, with distrust. */
import { formatShape, sameShape } from "../../compiler/graph/dim.ts";
import { UserError } from "../../compiler/graph/errors.ts";
import type { NdArray } from "../../compiler/graph/ndarray.ts";
import type { Arena } from "../arena.ts";
import { type Checkpoint, keptShape } from "../checkpoint.ts";

type Tensors = Readonly<Record<string, NdArray>>;

const prefix = "checkpoint/";

/** The tensors of a checkpoint, to stand beside the parameters of a model. */
export function checkpointTensors(checkpoint: Checkpoint, parameters: Tensors): Record<string, NdArray> {
  const taken = Object.keys(parameters).find((path) => path.startsWith(prefix));
  if (taken !== undefined) throw new UserError(`parameter ${taken}: ${prefix} is where checkpoints are kept in files`);
  return Object.fromEntries(Object.entries(checkpoint).map(([name, value]) => [prefix + name, value]));
}

/**
 * The checkpoint of these names. All arrays are laid out like the parameters, but counts, which are scalars, and the carried
 * state: whether that fits the network is for the trainer to say.
 */
export function checkpointFrom(names: readonly string[], tensors: Tensors, arena: Arena): Checkpoint {
  const lacking = ["parameters", "step"].find((name) => !names.includes(name));
  if (lacking !== undefined) throw new UserError(`its checkpoint lacks ${lacking}`);
  return Object.fromEntries(
    names.map((name) => {
      const tensor = Object.hasOwn(tensors, prefix + name) ? tensors[prefix + name] : undefined;
      if (name.startsWith("state/") && tensor?.dtype === "f32") return [name, tensor];
      const shape = keptShape(name, arena);
      if (tensor?.dtype === "f32" && sameShape(tensor.shape, shape)) return [name, tensor];
      const said = JSON.stringify(name.slice(0, 60));
      throw new UserError(`${said} of its checkpoint is missing or damaged; expected f32${formatShape(shape)}`);
    }),
  );
}
