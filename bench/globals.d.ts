/** @file Types of constants that the bundler defines, and of the used parts of other libraries (which are not installed here). */

/** Versions of the contenders, from their packages. */
declare const BENCH_VERSIONS: { readonly cellgrad: string; readonly jax: string };

declare module "@jax-js/jax" {
  /** Every use consumes one reference; `ref` adds one. */
  export interface JaxArray {
    readonly ref: JaxArray;
    readonly shape: number[];
    add(other: JaxArray | number): JaxArray;
    sub(other: JaxArray | number): JaxArray;
    div(other: JaxArray | number): JaxArray;
    mul(other: JaxArray | number): JaxArray;
    sum(): JaxArray;
    reshape(shape: number[]): JaxArray;
    data(): Promise<Float32Array>;
    dispose(): void;
  }
  export namespace numpy {
    export type Array = JaxArray;
    export const int32: string;
    export function array(data: Float32Array | Int32Array, options?: { dtype?: string }): JaxArray;
    export function zeros(shape: number[]): JaxArray;
    export function take(a: JaxArray, indices: JaxArray, axis: number): JaxArray;
    export function matmul(a: JaxArray, b: JaxArray): JaxArray;
    export function tanh(a: JaxArray): JaxArray;
    export function sqrt(a: JaxArray): JaxArray;
    export function subtract(a: JaxArray | number, b: JaxArray): JaxArray;
    export function split(a: JaxArray, at: number | number[], axis: number): JaxArray[];
    export function unstack(a: JaxArray, axis: number): JaxArray[];
    export function concatenate(list: JaxArray[], axis: number): JaxArray;
  }
  export namespace nn {
    export function sigmoid(a: JaxArray): JaxArray;
    export function logSoftmax(a: JaxArray, axis: number): JaxArray;
    export function oneHot(a: JaxArray, classes: number): JaxArray;
  }
  type Weights = { readonly [name: string]: JaxArray };
  export namespace tree {
    export function ref(weights: Weights): Weights;
    export function leaves(weights: Weights): JaxArray[];
    export function dispose(weights: Weights): void;
  }
  export function init(device: "webgpu" | "wasm"): Promise<string[]>;
  export function defaultDevice(device: "webgpu" | "wasm"): string;
  export function getWebGPUDevice(): GPUDevice;
  export function blockUntilReady(arrays: JaxArray[]): Promise<unknown>;
  export function valueAndGrad(
    f: (weights: Weights, ...rest: JaxArray[]) => JaxArray,
  ): (weights: Weights, ...rest: JaxArray[]) => [value: JaxArray, gradients: Weights];
  export function jit<F>(f: F): F & { dispose(): void };
}

declare module "@tensorflow/tfjs-core" {
  export interface Tensor {
    readonly shape: number[];
    cast(dtype: string): Tensor;
    data(): Promise<Float32Array>;
    dispose(): void;
  }
  export type Scalar = Tensor & { readonly rank: 0 };
  export type Variable = Tensor & { readonly trainable: boolean };
  export const version_core: string;
  export function setBackend(name: string): Promise<boolean>;
  export function getBackend(): string;
  export function ready(): Promise<void>;
  export function tidy<T>(f: () => T): T;
  export function tensor(data: Float32Array | Int32Array, shape?: number[], dtype?: string): Tensor;
  export function variable(value: Tensor, trainable: boolean): Variable;
  export function zeros(shape: number[]): Tensor;
  export function oneHot(indices: Tensor, depth: number): Tensor;
  export function gather(x: Tensor, indices: Tensor): Tensor;
  export function matMul(a: Tensor, b: Tensor): Tensor;
  export function add(a: Tensor, b: Tensor): Tensor;
  export function sub(a: Tensor, b: Tensor): Tensor;
  export function mul(a: Tensor, b: Tensor): Tensor;
  export function div(a: Tensor, b: Tensor | number): Tensor;
  export function neg(a: Tensor): Tensor;
  export function sum(a: Tensor): Tensor;
  export function sigmoid(a: Tensor): Tensor;
  export function tanh(a: Tensor): Tensor;
  export function logSoftmax(a: Tensor): Tensor;
  export function reshape(a: Tensor, shape: number[]): Tensor;
  export function split(a: Tensor, parts: number | number[], axis: number): Tensor[];
  export function unstack(a: Tensor, axis: number): Tensor[];
  export function concat(list: readonly Tensor[], axis: number): Tensor;
  export function variableGrads(f: () => Scalar): { value: Scalar; grads: Record<string, Tensor> };
  export namespace train {
    export function adam(
      rate: number,
      beta1?: number,
      beta2?: number,
      epsilon?: number,
    ): {
      minimize(f: () => Scalar, returnCost: boolean): Scalar | null;
      dispose(): void;
    };
  }
}

declare module "@tensorflow/tfjs-backend-webgpu" {}

declare module "@tensorflow/tfjs-backend-cpu" {}

declare module "@tensorflow/tfjs-backend-wasm" {
  export function setWasmPaths(folder: string): void;
}

declare module "@tensorflow/tfjs-core/dist/register_all_gradients.js" {}
