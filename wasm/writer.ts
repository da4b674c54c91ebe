/**
 * @file Writes one function: blocks of instructions, locals, and sums that are computed once, in the outermost block
 * where their terms are known. A block stays open while nested ones are written, so that loop-invariant values are
 * computed before the loop.
 */
import { at, InternalError } from "../compiler/graph/errors.ts";
import * as code from "./code.ts";
import type { Instruction, Local, ValueType, WasmFunction } from "./instruction.ts";
import { type Atom, type Sum, sumAlignment, termsByDepth } from "./sum.ts";

interface Scope {
  readonly body: Instruction[];
  /** Sums already in a local, by their terms. */
  readonly known: Map<string, Atom>;
}

export class FunctionWriter {
  readonly #locals: Local[] = [];
  #scopes: Scope[] = [{ body: [], known: new Map() }];
  #names = 0;

  /** Depth of the block being written. */
  get depth(): number {
    return this.#scopes.length - 1;
  }

  fresh(hint: string): string {
    this.#names += 1;
    return `${hint}_${this.#names}`;
  }

  local(type: ValueType, hint: string): string {
    const name = this.fresh(hint);
    this.#locals.push({ name, type });
    return name;
  }

  write(...instructions: readonly Instruction[]): void {
    at(this.#scopes, this.depth).body.push(...instructions);
  }

  /** Writes function-wide invariants to the outermost block. */
  outermost<T>(write: () => T): T {
    const open = this.#scopes;
    this.#scopes = [at(open, 0)];
    const written = write();
    this.#scopes = open;
    return written;
  }

  /**
   * An integer made of sums and nothing else: computed once, in the outermost block where they are known, also if a
   * condition stands between that block and this one. `key` says how it is made.
   */
  derived(key: string, sums: readonly Sum[], write: () => Instruction, alignment: number): Atom {
    const depth = Math.max(0, ...sums.flatMap(({ terms }) => [...terms.keys()].map((atom) => atom.depth)));
    const { known } = at(this.#scopes, depth);
    const name = `${key}(${sums.map(sumKey).join()})`;
    const before = known.get(name);
    if (before !== undefined) return before;
    const open = this.#scopes;
    this.#scopes = open.slice(0, depth + 1);
    const atom = this.atom("n", write(), alignment);
    this.#scopes = open;
    known.set(name, atom);
    return atom;
  }

  /** Writes a nested block, and returns its instructions. */
  nested(write: () => void): Instruction[] {
    const scope: Scope = { body: [], known: new Map() };
    this.#scopes.push(scope);
    write();
    this.#scopes.pop();
    return scope.body;
  }

  /** Stores a value in a new local. */
  keep(type: ValueType, hint: string, value: Instruction): string {
    const name = this.local(type, hint);
    this.write(code.set(name, value));
    return name;
  }

  /** Stores an integer in a new local, for use as a term of sums. */
  atom(hint: string, value: Instruction, alignment = 1): Atom {
    return { name: this.keep("i32", hint, value), depth: this.depth, alignment };
  }

  /** The value of a sum. */
  value(sum: Sum): Instruction {
    const base = this.#placed(sum);
    if (base === undefined) return code.i32(sum.constant);
    return sum.constant === 0 ? code.get(base.name) : code.op("i32.add", code.get(base.name), code.i32(sum.constant));
  }

  /** An address, and the offset that the instruction adds to it: sums that differ by a constant share the address. */
  address(sum: Sum): { readonly address: Instruction; readonly offset: number } {
    const base = this.#placed(sum);
    if (base === undefined) return { address: code.i32(sum.constant), offset: 0 };
    // An instruction's offset does not wrap around, so the address must not be negative, as 4 - t would be without the
    // 4.
    const isAbove = [...sum.terms.values()].every((factor) => factor > 0);
    if (sum.constant >= 0 && isAbove) return { address: code.get(base.name), offset: sum.constant };
    return { address: code.op("i32.add", code.get(base.name), code.i32(sum.constant)), offset: 0 };
  }

  /** The sum as an atom. */
  atomOf(hint: string, sum: Sum): Atom {
    const [only] = sum.terms;
    if (only !== undefined && sum.terms.size === 1 && only[1] === 1 && sum.constant === 0) return only[0];
    return this.atom(hint, this.value(sum), sumAlignment(sum));
  }

  /** The sum's terms in a local, each part computed in the block where it is known; undefined if it has no terms. */
  #placed(sum: Sum): Atom | undefined {
    let total: Atom | undefined;
    for (const [depth, terms] of termsByDepth(sum)) {
      if (depth > this.depth) throw new InternalError("a sum has terms that are not in scope");
      const all: readonly (readonly [Atom, number])[] = total === undefined ? terms : [[total, 1], ...terms];
      const [first] = all;
      if (all.length === 1 && first?.[1] === 1) {
        total = first[0];
        continue;
      }
      const key = termsKey(all);
      const scope = at(this.#scopes, depth);
      const known = scope.known.get(key);
      if (known !== undefined) {
        total = known;
        continue;
      }
      const sumOfThese = { terms: new Map(all), constant: 0 };
      const name = this.local("i32", "p");
      const value = all.map(product).reduce((a, b) => code.op("i32.add", a, b));
      scope.body.push(code.set(name, value));
      total = { name, depth, alignment: sumAlignment(sumOfThese) };
      scope.known.set(key, total);
    }
    return total;
  }

  finish(parts: Pick<WasmFunction, "name" | "isExported" | "parameters" | "result">): WasmFunction {
    return { ...parts, locals: this.#locals, body: at(this.#scopes, 0).body };
  }
}

function termsKey(terms: Iterable<readonly [Atom, number]>): string {
  return [...terms]
    .map(([{ name }, factor]) => `${factor}*${name}`)
    .sort()
    .join("+");
}

function sumKey({ terms, constant }: Sum): string {
  return `${termsKey(terms)}+${constant}`;
}

function product([{ name }, factor]: readonly [Atom, number]): Instruction {
  if (factor === 1) return code.get(name);
  const power = 31 - Math.clz32(factor);
  return factor > 0 && factor === 2 ** power
    ? code.op("i32.shl", code.get(name), code.i32(power))
    : code.op("i32.mul", code.get(name), code.i32(factor));
}
