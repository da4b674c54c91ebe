/** @file The entry "cellgrad/weights": weights of PyTorch, Keras and Flax as cellgrad's parameters and models, and back. */
export { type FlaxReadOptions, fromFlax } from "../interchange/flax.ts";
export { fromKeras, type KerasReadOptions, kerasLayers, toKeras } from "../interchange/keras.ts";
export type {
  DirectionWeights,
  GateWeights,
  LayerWeights,
  NetworkWeights,
} from "../interchange/network-weights.ts";
export { fromParameters, toParameters } from "../interchange/parameters.ts";
export {
  fromPyTorch,
  type PyTorchNames,
  type PyTorchReadOptions,
  pyTorchModule,
  toPyTorch,
  toPyTorchLike,
} from "../interchange/pytorch.ts";
export { type ModelMeaning, modelFrom, weightsOf } from "../interchange/rebuild.ts";
