/** @file The root entry: cells, ops, derivatives, optimizers, training and devices, which most programs need. */

// Cells.
export * from "./cells/index.ts";
// Derivatives.
export { type Cotangents, customGradient } from "./compiler/autodiff/custom-gradient.ts";
export { grad, jvp, type ValueAndGrad, valueAndGrad } from "./compiler/autodiff/gradient.ts";
// Writing cells and models.
export {
  type Cell,
  type CellDefinition,
  type CellResult,
  cell,
  type ScanCellOptions,
  type ScanCellResult,
  type State,
  type StepInput,
  scan,
  zeroState,
} from "./compiler/dsl/cell.ts";
export { bias, type DenseOptions, dense, embedding, layerNorm } from "./compiler/dsl/dense.ts";
export * from "./compiler/dsl/initializers.ts";
export { type Model, model } from "./compiler/dsl/model.ts";
export { type ParameterSpec, type ParameterTensors, parameter, scope } from "./compiler/dsl/parameters.ts";
// Graphs, shapes and numbers.
export type { Dim, DimSizes, Shape } from "./compiler/graph/dim.ts";
export { InternalError, UserError } from "./compiler/graph/errors.ts";
export type { Aval, DType, Graph, Node } from "./compiler/graph/graph.ts";
export { fromNested, type NdArray, ndarray } from "./compiler/graph/ndarray.ts";
// Ops.
export * from "./compiler/ops/activations.ts";
export * from "./compiler/ops/composed.ts";
export { dot, gather, matmul, reduceMax, scatterAdd } from "./compiler/ops/contractions.ts";
export { einsum } from "./compiler/ops/einsum.ts";
export { abs, add, cast, div, floor, less, max, min, mul, neg, not, sub } from "./compiler/ops/elementwise.ts";
export { roundToHalf } from "./compiler/ops/half.ts";
export { interpret } from "./compiler/ops/interpret.ts";
export { and, equal, finite, or, randomBits, stopGradient, where } from "./compiler/ops/logic.ts";
export { concat, pad, slice } from "./compiler/ops/pieces.ts";
export * from "./compiler/ops/reductions.ts";
export { type ScanOptions, type StepResult, scanTensors } from "./compiler/ops/scan.ts";
export * from "./compiler/ops/sorting.ts";
export { dimSize, iota, ones, zeros } from "./compiler/ops/sources.ts";
export { type NamedAval, traceGraph } from "./compiler/ops/trace.ts";
export * from "./compiler/ops/transcendental.ts";
export { broadcast, broadcastAxes, constant, fill, reshape, sum, transpose, zerosLike } from "./compiler/ops/views.ts";
// Tensors and devices.
export type { Tuning } from "./compiler/plan/tuning.ts";
export { Tensor, type TensorLike } from "./compiler/trace/tensor.ts";
export type { Tree } from "./compiler/trace/tree.ts";
export type {
  CompileOptions,
  Device,
  DeviceArray,
  DeviceChoice,
  Executable,
  KernelProfile,
  WrapOptions,
} from "./devices/device.ts";
export { openInterpreter } from "./devices/interpreter.ts";
export { type OpenDeviceOptions, openDevice } from "./devices/open-device.ts";
export {
  DeviceLostError,
  DeviceMemoryError,
  DeviceTimeoutError,
  DeviceUnavailableError,
} from "./runtime/device-errors.ts";
// Training.
export type { AbortOptions, AbortSignalLike } from "./train/abort.ts";
export { type Arena, type ArenaEntry, arenaOf, pack, packArrays, unpack, unpackArray } from "./train/arena.ts";
export type { BatchArray, NamedBatch, PredictionBatch, TrainingBatch } from "./train/batch-inputs.ts";
export type { SourceOf, StreamOf, StreamReader } from "./train/data/source.ts";
export type { Tuned } from "./train/files/tuned.ts";
export { initialize } from "./train/initialize.ts";
export type { Loss, WeightedMean } from "./train/loss-parts.ts";
export type { Metric } from "./train/metrics.ts";
export {
  type NamedTensors,
  type Objective,
  type ObjectiveInput,
  type ObjectiveOptions,
  type ObjectiveResult,
  objective,
  type Predicted,
  type Prediction,
  type PredictionResult,
  type TensorsOf,
} from "./train/objective.ts";
export { clipByGlobalNorm, globalNorm } from "./train/optimizers/clipping.ts";
export { type AdamOptions, adam, sgd } from "./train/optimizers/gradient-descent.ts";
export type { Optimizer, OptimizerInput, Slots } from "./train/optimizers/optimizer.ts";
export type { UpdateOptions } from "./train/optimizers/update.ts";
export { streamingStep } from "./train/prediction-step.ts";
export {
  type BatchOf,
  type Checkpoint,
  createTrainer,
  type EvaluationOptions,
  type Predictions,
  type RunOptions,
  type StoppedStep,
  type Trainer,
  type TrainerOptions,
  type TrainingStepResult,
} from "./train/trainer.ts";
export { evaluationStep, type StepGraph, type TrainingStep, trainingStep } from "./train/training-step.ts";
