/**
 * @file What training needs of a device: it compiles graphs, holds arrays, and runs. Two kinds implement this: WebGPU
 * (`runtime/`), and the float64 interpreter for the explicit choice "cpu".
 */
import { at, UserError } from "../compiler/graph/errors.ts";
import { type DType, type Graph, inputName } from "../compiler/graph/graph.ts";
import type { NdArray } from "../compiler/graph/ndarray.ts";
import { interpret } from "../compiler/ops/interpret.ts";

/** An array that lives on a device. */
export interface DeviceArray {
  readonly dtype: DType;
  readonly shape: readonly number[];
  /** Its numbers, once everything that was enqueued before has run. */
  readonly read: () => Promise<NdArray>;
  readonly destroy: () => void;
}

export interface CompileOptions {
  /**
   * Inputs whose memory an output takes over, input name -> index of the output. A donated input must be a
   * `DeviceArray`; it is used up by the run.
   */
  readonly donate?: Readonly<Record<string, number>>;
}

export interface Executable {
  readonly graph: Graph;
  /** Enqueues one run on inputs by name and gives the outputs in order, without waiting for them. */
  readonly run: (inputs: Readonly<Record<string, NdArray | DeviceArray>>) => DeviceArray[];
  readonly destroy: () => void;
}

export interface Device {
  readonly kind: "gpu" | "software" | "cpu";
  /** Name of the adapter, or of the interpreter. */
  readonly name: string;
  readonly compile: (graph: Graph, options?: CompileOptions) => Promise<Executable>;
  readonly upload: (value: NdArray) => DeviceArray;
  readonly destroy: () => void;
}

class HostArray implements DeviceArray {
  readonly value: NdArray;
  constructor(value: NdArray) {
    this.value = value;
  }
  get dtype(): DType {
    return this.value.dtype;
  }
  get shape(): readonly number[] {
    return this.value.shape;
  }
  read = async (): Promise<NdArray> => this.value;
  destroy = (): void => {};
}

/** The interpreter as a device: float64, slow, exact; for tiny models and for checking. */
export function openInterpreter(): Device {
  return {
    kind: "cpu",
    name: "float64 interpreter",
    compile: async (graph) => ({
      graph,
      run: (inputs) => {
        const values = graph.inputs.map((id) => {
          const name = inputName(graph, id);
          const given = inputs[name];
          if (given === undefined) throw new UserError(`${graph.name}: input ${name} is missing`);
          return given instanceof HostArray ? given.value : (given as NdArray);
        });
        const outputs = interpret(graph, values);
        return graph.outputs.map((_, i) => new HostArray(at(outputs, i)));
      },
      destroy: () => {},
    }),
    upload: (value) => new HostArray(value),
    destroy: () => {},
  };
}
