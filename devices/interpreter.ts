/** @file The float64 interpreter as a device, opened only by the explicit choice "interpreter". */
import { formatShape } from "../compiler/graph/dim.ts";
import { at, UserError } from "../compiler/graph/errors.ts";
import { type DType, type Graph, inputName } from "../compiler/graph/graph.ts";
import { modelOf, ofModels, type Population } from "../compiler/graph/models.ts";
import type { NdArray } from "../compiler/graph/ndarray.ts";
import { interpret } from "../compiler/ops/interpret.ts";
import {
  checkedCompile,
  checkInputs,
  checkUpload,
  type Device,
  type DeviceArray,
  refuseEncode,
  refuseWrap,
} from "./device.ts";

/** The caller's numbers stay the caller's, as on any device: neither side sees what the other changes later. */
const copyOf = (value: NdArray): NdArray => ({ ...value, data: value.data.slice() });

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
  read = async (): Promise<NdArray> => copyOf(this.value);
  destroy = (): void => {};
}

/** Opens the interpreter: float64, exact and slow, for tiny models and for checks. */
export function openInterpreter(): Device {
  return {
    kind: "interpreter",
    name: "float64 interpreter",
    compile: async (graph, options = {}) => {
      checkedCompile(graph, options);
      // Only the passes say what loops store.
      const { population } = options;
      const isMixed = options.precision === "mixed";
      const meant = isMixed ? (await import("../compiler/optimize.ts")).optimize(graph, { precision: "mixed" }) : graph;
      return {
        graph,
        run: (inputs) => {
          checkInputs(graph.name, inputs);
          const values = graph.inputs.map((id) => {
            const name = inputName(graph, id);
            const given = inputs[name];
            if (given === undefined) throw new UserError(`${graph.name}: input ${name} is missing`);
            return given instanceof HostArray ? given.value : (given as NdArray);
          });
          const outputs = population === undefined ? interpret(meant, values) : ofEach(population, meant, values);
          // An output can be an input as it is.
          const given = new Set(values.map(({ data }) => data));
          return outputs.map((output) => new HostArray(given.has(output.data) ? copyOf(output) : output));
        },
        encode: refuseEncode(graph.name, "interpreter"),
        profile: async () => {
          throw new UserError('device "interpreter" has no kernels to time; open "gpu", "cpu" or "software"');
        },
        destroy: () => {},
      };
    },
    upload: (value) => {
      checkUpload(value);
      return new HostArray(copyOf(value));
    },
    wrap: refuseWrap("interpreter"),
    memory: () => ({ bytes: 0, buffers: 0 }),
    trim: () => {},
    lost: new Promise(() => {}),
    destroy: () => {},
  };
}

/** The outputs of all models of a population, computed one after another. */
function ofEach({ models, shared = [] }: Population, graph: Graph, inputs: readonly NdArray[]): NdArray[] {
  const isShared = graph.inputs.map((id) => shared.includes(inputName(graph, id)));
  for (const [i, { shape }] of inputs.entries())
    if (isShared[i] === false && shape[0] !== models)
      throw new UserError(
        `${graph.name}: input ${inputName(graph, at(graph.inputs, i))} is ${formatShape(shape)}; its first axis must have the ${models} models`,
      );
  const ofModel = Array.from({ length: models }, (_, model) =>
    interpret(
      graph,
      inputs.map((array, i) => (isShared[i] === true ? array : modelOf(array, model))),
    ),
  );
  return graph.outputs.map((_, i) => ofModels(ofModel.map((outputs) => at(outputs, i))));
}
