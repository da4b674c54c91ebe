/** @file `traceGraph`: runs a function on symbolic tensors and returns its graph. */
import { expectArgument, inWords, UserError } from "../graph/errors.ts";
import type { Aval, Graph } from "../graph/graph.ts";
import { checking } from "../trace/fault.ts";
import { Frame, within } from "../trace/frame.ts";
import { Tensor } from "../trace/tensor.ts";
import { checkedDim, checkedDType } from "./views.ts";

/** An input of a graph: its name, dtype and shape. */
export interface NamedAval extends Aval {
  /** The name under which `run` expects its value. */
  readonly name: string;
}

/**
 * The graph of `body` on inputs of the given avals. It is self-contained: the body must not capture tensors from
 * outside.
 */
export function traceGraph(
  name: string,
  inputs: readonly NamedAval[],
  body: (inputs: readonly Tensor[]) => readonly Tensor[],
): Graph {
  expectArgument(typeof body === "function", `traceGraph: the body of ${name}`, body, "a function of tensors");
  const frame = new Frame(name);
  const tensors = inputs.map((input) => frame.input(input.name, checkedAval(name, input)));
  const outputs = within(frame, () => body(tensors));
  if (!Array.isArray(outputs))
    throw new UserError(
      `${name} returns ${outputs instanceof Tensor ? outputs : inWords(outputs)}; expected a list of tensors`,
    );
  for (const output of outputs) {
    if (!(output instanceof Tensor))
      throw new UserError(`${name} returns ${inWords(output)} in its list; expected a tensor`);
  }
  return frame.finish(
    tensors.map((tensor) => tensor.id),
    outputs,
  );
}

function checkedAval(graph: string, { name, dtype, shape }: NamedAval): Aval {
  return checking(`input ${name} of ${graph}`, () => ({ dtype: checkedDType(dtype), shape: shape.map(checkedDim) }));
}
