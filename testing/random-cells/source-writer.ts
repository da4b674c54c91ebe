/**
 * @file Calls DSL functions and records each call as source text. Random cells are built with it, so a printed failure is,
 * by construction, the code that ran.
 */
import * as cellgrad from "../../index.ts";

const functions = { ...cellgrad };

export type DslName = keyof typeof functions;

/** A tensor with its name in the text. `bound` limits its magnitude: |each element| <= bound. */
export class Value {
  readonly text: string;
  readonly tensor: cellgrad.Tensor;
  readonly bound: number;

  constructor(text: string, tensor: cellgrad.Tensor, bound: number) {
    this.text = text;
    this.tensor = tensor;
    this.bound = bound;
  }
}

/** A value that is not data, with its name: `glorot`, or a cell defined above. */
export class Named {
  readonly text: string;
  readonly item: unknown;

  constructor(text: string, item: unknown) {
    this.text = text;
    this.item = item;
  }
}

export type Argument =
  | Value
  | Named
  | number
  | string
  | boolean
  | readonly Argument[]
  | { readonly [key: string]: Argument };

function unwrap(argument: Argument): unknown {
  if (argument instanceof Value) return argument.tensor;
  if (argument instanceof Named) return argument.item;
  if (Array.isArray(argument)) return argument.map(unwrap);
  if (typeof argument !== "object") return argument;
  return Object.fromEntries(Object.entries(argument).map(([key, value]) => [key, unwrap(value)]));
}

function print(argument: Argument): string {
  if (argument instanceof Value || argument instanceof Named) return argument.text;
  if (Array.isArray(argument)) return `[${argument.map(print).join(", ")}]`;
  if (typeof argument !== "object") return JSON.stringify(argument);
  const entries = Object.entries(argument).map(([key, value]) => `${key}: ${print(value)}`);
  return entries.length === 0 ? "{}" : `{ ${entries.join(", ")} }`;
}

export class SourceWriter {
  readonly #lines: string[] = [];
  readonly #used = new Set<DslName>();
  #indent = "";
  #count = 0;

  get lines(): readonly string[] {
    return this.#lines;
  }

  get used(): ReadonlySet<DslName> {
    return this.#used;
  }

  line(text: string): void {
    this.#lines.push(this.#indent + text);
  }

  /** Indents the lines written by `body`. */
  indented<T>(body: () => T): T {
    this.#indent += "  ";
    try {
      return body();
    } finally {
      this.#indent = this.#indent.slice(2);
    }
  }

  fresh(): string {
    return `v${this.#count++}`;
  }

  uses(...names: readonly DslName[]): void {
    for (const name of names) this.#used.add(name);
  }

  /** Calls a function that returns a tensor, as `const v7 = name(…)`. */
  call(name: DslName, args: readonly Argument[], bound: number): Value {
    const value = this.fresh();
    return this.#called(name, args, value, (result) => new Value(value, result as cellgrad.Tensor, bound));
  }

  /** Calls a function that returns a list of `count` tensors, as `const [v7, v8] = name(…)`. */
  callMany(name: DslName, args: readonly Argument[], count: number, bound: number): Value[] {
    const names = Array.from({ length: count }, () => this.fresh());
    return this.#called(name, args, `[${names.join(", ")}]`, (result) =>
      (result as readonly cellgrad.Tensor[]).map((tensor, i) => new Value(names[i] ?? "", tensor, bound)),
    );
  }

  #called<R>(name: DslName, args: readonly Argument[], pattern: string, wrap: (result: unknown) => R): R {
    this.uses(name);
    // Written before the call runs, so that the text of a failing call ends with it.
    this.line(`const ${pattern} = ${name}(${args.map(print).join(", ")});`);
    // The exports have many types; the arguments match this function.
    const call = functions[name] as unknown as (...args: readonly unknown[]) => unknown;
    return wrap(call(...args.map(unwrap)));
  }
}
