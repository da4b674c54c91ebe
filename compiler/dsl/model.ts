/**
 * @file `model`: a function with parameters. `specs` lists the parameters it uses, `apply` calls it with given ones.
 * Both work while tracing, so a model composes with `grad`, `scan` and other models like any function.
 */
import type { Aval } from "../graph/graph.ts";
import { Frame, within } from "../trace/frame.ts";
import type { Tensor } from "../trace/tensor.ts";
import { mapTree, type Tree } from "../trace/tree.ts";
import {
  givenParameters,
  type ParameterSpec,
  ParameterStore,
  type ParameterTensors,
  withParameters,
} from "./parameters.ts";

/** A function on tensors that uses parameters. */
export interface Model<Args extends readonly Tree<Tensor>[], R> {
  /** The name passed to `model`. */
  readonly name: string;
  /** The parameters that the function uses for arguments of these avals. */
  readonly specs: (...args: AvalsOf<Args>) => ParameterSpec[];
  /** The function itself; it takes its parameters from `parameters` by path. */
  readonly apply: (parameters: ParameterTensors, ...args: Args) => R;
}

type AvalsOf<Args extends readonly Tree<Tensor>[]> = { [I in keyof Args]: Tree<Aval> };

/**
 * Makes a model of a function that uses parameters: with `dense`, `embedding`, `parameter` or a cell.
 *
 * @param name Its name in graphs and messages.
 * @param f The function; it requests its parameters while it is traced.
 */
export function model<Args extends readonly Tree<Tensor>[], R>(name: string, f: (...args: Args) => R): Model<Args, R> {
  return {
    name,
    specs: (...avals) => {
      const frame = new Frame(name);
      const store = new ParameterStore(({ path, shape }) => frame.input(path, { dtype: "f32", shape }));
      const args = avals.map((tree) =>
        mapTree(tree as Tree<Aval>, isAval, (aval, path) => frame.input(`argument/${path}`, aval)),
      );
      within(frame, () => withParameters(store, () => f(...(args as unknown as Args))));
      return store.specs;
    },
    apply: (parameters, ...args) => withParameters(givenParameters(parameters), () => f(...args)),
  };
}

function isAval(x: unknown): x is Aval {
  return typeof x === "object" && x !== null && "dtype" in x && "shape" in x;
}
