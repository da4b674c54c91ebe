/** @file Checkpoints in model files: stores the trainer's arrays as tensors named checkpoint/NAME; reading validates them. */
import { formatShape, sameShape } from "../../compiler/graph/dim.ts";
import { UserError } from "../../compiler/graph/errors.ts";
import type { NdArray } from "../../compiler/graph/ndarray.ts";
import type { Arena } from "../arena.ts";
import { type Checkpoint, keptShape } from "../checkpoint.ts";

type Tensors = Readonly<Record<string, NdArray>>;

const prefix = "checkpoint/";

/** The tensors of a checkpoint, stored next to the parameters of a model. */
export function checkpointTensors(checkpoint: Checkpoint, parameters: Tensors): Record<string, NdArray> {
  const taken = Object.keys(parameters).find((path) => path.startsWith(prefix));
  if (taken !== undefined)
    throw new UserError(`parameter ${taken}: the prefix ${prefix} is reserved for checkpoints; rename the parameter`);
  return Object.fromEntries(Object.entries(checkpoint).map(([name, value]) => [prefix + name, value]));
}

/**
 * The checkpoint with these arrays. All have the layout of the parameters, except counts, which are scalars, and the carried
 * state: the trainer checks whether that fits the network.
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
      const shown = JSON.stringify(name.slice(0, 60));
      throw new UserError(`${shown} of its checkpoint is missing or damaged; expected f32${formatShape(shape)}`);
    }),
  );
}
