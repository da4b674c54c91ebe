/**
 * @file Parameters: values that a function requests by name while it is traced.
 *
 * A parameter is identified by its path of scopes, such as `layers/0/forget/kernel`. Requesting a path twice ties the
 * two uses; requesting it with another shape is an error that shows both places. A `ParameterStore` either collects the
 * requests (in the first trace) or returns given tensors (if the parameters are arguments of a gradient).
 */
import { formatShape, type Shape, sameShape } from "../graph/dim.ts";
import { inWords, UserError } from "../graph/errors.ts";
import type { Site } from "../graph/graph.ts";
import { faultOf } from "../trace/fault.ts";
import { callSite } from "../trace/site.ts";
import { Tensor } from "../trace/tensor.ts";
import type { Initializer } from "./initializers.ts";

type Float = Tensor<"f32">;

/** What is known about a parameter before it has values. */
export interface ParameterSpec {
  /** Scopes and name, such as `layers/0/gru/update/kernel`. */
  readonly path: string;
  /** The shape, which does not depend on batch or time. */
  readonly shape: readonly number[];
  /** Its initial values. */
  readonly initializer: Initializer;
}

/** Parameters as tensors, by path. */
export type ParameterTensors = Readonly<Record<string, Float>>;

interface Asked {
  readonly spec: ParameterSpec;
  readonly site: Site | undefined;
  readonly tensor: Float;
}

export class ParameterStore {
  readonly #give: (spec: ParameterSpec) => Float;
  readonly #asked = new Map<string, Asked>();
  readonly #scopeOf = new WeakMap<object, string>();
  readonly #taken = new Set<string>();
  #path: readonly string[] = [];

  /** `give` makes or finds the tensor of a parameter at its first request. */
  constructor(give: (spec: ParameterSpec) => Float) {
    this.#give = give;
  }

  get specs(): ParameterSpec[] {
    return [...this.#asked.values()].map(({ spec }) => spec);
  }

  ask(name: string, shape: Shape, initializer: Initializer): Float {
    const path = [...this.#path, name].join("/");
    const site = callSite();
    const sizes = shape.map((dim) => {
      if (typeof dim === "number" && Number.isInteger(dim) && dim > 0) return dim;
      throw new UserError(
        `parameter ${path}${place(site)} has shape ${formatShape(shape)}: every axis must be a whole number above 0`,
      );
    });
    const known = this.#asked.get(path);
    if (known === undefined) {
      const spec = { path, shape: sizes, initializer };
      const tensor = this.#give(spec);
      this.#asked.set(path, { spec, site, tensor });
      return tensor;
    }
    if (!sameShape(known.spec.shape, shape)) {
      throw new UserError(
        `parameter ${path} is ${formatShape(known.spec.shape)}${place(known.site)} and ${formatShape(shape)}${place(site)}: use another name, or a separate layer`,
      );
    }
    return known.tensor;
  }

  scope<T>(name: string, body: () => T): T {
    const before = this.#path;
    this.#path = [...before, name];
    try {
      return body();
    } finally {
      this.#path = before;
    }
  }

  /** Runs `body` in the scope of an instance, the same wherever the instance is used, so its weights are tied. */
  instanceScope<T>(instance: object, name: string, body: () => T): T {
    const known = this.#scopeOf.get(instance) ?? this.#newScope(name);
    this.#scopeOf.set(instance, known);
    const before = this.#path;
    this.#path = [known];
    try {
      return body();
    } finally {
      this.#path = before;
    }
  }

  #newScope(name: string): string {
    const base = [...this.#path, name].join("/");
    let scope = base;
    for (let count = 1; this.#taken.has(scope); count++) scope = `${base}_${count}`;
    this.#taken.add(scope);
    return scope;
  }
}

function place(site: Site | undefined): string {
  return site === undefined ? "" : ` at ${site}`;
}

let store: ParameterStore | undefined;

/** Runs `body` with parameters from `next`. */
export function withParameters<T>(next: ParameterStore, body: () => T): T {
  const before = store;
  store = next;
  try {
    return body();
  } finally {
    store = before;
  }
}

export function currentStore(): ParameterStore {
  if (store === undefined)
    throw faultOf("parameter", "parameters exist only inside a model: wrap the function with model(…)");
  return store;
}

/**
 * A trainable tensor in the current scope.
 *
 * @param name The last part of its path, within the current scope.
 * @param shape Positive integers.
 * @param initializer Computes its initial values from the seed.
 */
export function parameter(name: string, shape: Shape, initializer: Initializer): Float {
  return currentStore().ask(name, shape, initializer);
}

/** Runs `body`; the names of its parameters get the prefix `name/`. */
export function scope<T>(name: string, body: () => T): T {
  return currentStore().scope(name, body);
}

/** A store that returns given tensors by path. */
export function givenParameters(tensors: ParameterTensors): ParameterStore {
  return new ParameterStore(({ path, shape }) => {
    const tensor = tensors[path];
    if (tensor === undefined) throw new UserError(`parameter ${path} is not among those given`);
    if (!(tensor instanceof Tensor) || !sameShape(tensor.shape, shape)) {
      const found = tensor instanceof Tensor ? formatShape(tensor.shape) : `${inWords(tensor)}, not a tensor`;
      throw new UserError(`parameter ${path} is ${found}; the model expects ${formatShape(shape)}`);
    }
    return tensor;
  });
}
