/** @file A Python module under construction: its imports, helper functions and functions. */
import { type HelperName, helperOf, helpers } from "./helpers.ts";
import { Names } from "./names.ts";
import { call, docstring, readsName, statement } from "./python.ts";
import type { SourceLine } from "./source-names.ts";

/** How printed code is named and commented. */
export interface ModuleOptions {
  /** The text of a line of the user's source, for comments and names. */
  readonly source?: SourceLine | undefined;
  /** Names of the carries of a loop, by the name of its body. */
  readonly carries?: Readonly<Record<string, readonly string[]>> | undefined;
}

/** A function without its name. */
export interface PrintedLines {
  /** The arguments with their types, and the type of the result. */
  readonly signature: { readonly args: readonly string[]; readonly result: string };
  readonly about: string;
  readonly body: readonly string[];
}

function linesOf(name: string, { signature, about, body }: PrintedLines): string[] {
  const { args, result } = signature;
  return [...statement(`def ${name}`, call("", ...args), 0, ` -> ${result}:`), ...docstring(about, 4), ...body];
}

/** A text with `n` where its numbers differ from those of another one that is equal except for numbers. */
function withoutDifferences(one: string, other: string): string {
  const [parts, others] = [one, other].map((text) => text.split(/(\b\d+\b|\bn\b)/));
  return (parts ?? []).map((part, i) => (i % 2 === 1 && part !== others?.[i] ? "n" : part)).join("");
}

export class ModuleWriter {
  readonly options: ModuleOptions;
  readonly names = new Names(Object.keys(helpers));
  readonly #helpers = new Set<HelperName>();
  readonly #functions: string[][] = [];
  readonly #once = new Map<string, { readonly name: string; readonly place: number; about: string }>();

  constructor(options: ModuleOptions = {}) {
    this.options = options;
  }

  /** The name of a helper function, which becomes part of the module. */
  helper(name: HelperName): string {
    this.#helpers.add(name);
    return name;
  }

  add(lines: readonly string[]): void {
    this.#functions.push([...lines]);
  }

  /**
   * Adds a function and returns its name. One that differs from an earlier one only in the sizes that its docstring names is
   * that one, with `n` in place of those sizes.
   */
  addOnce(wanted: string, { signature, about, body }: PrintedLines): string {
    const key = JSON.stringify([wanted, signature, body]);
    const known = this.#once.get(key);
    if (known !== undefined) {
      known.about = withoutDifferences(known.about, about);
      this.#functions[known.place] = linesOf(known.name, { signature, about: known.about, body });
      return known.name;
    }
    const name = this.names.fresh(wanted);
    this.#once.set(key, { name, about, place: this.#functions.length });
    this.#functions.push(linesOf(name, { signature, about, body }));
    return name;
  }

  /** The whole text; `constants` are lines before the functions. */
  text(about: string, constants: readonly string[] = []): string {
    const body = [
      ...[...this.#helpers].sort().map((name) => helperOf(name).source),
      ...this.#functions.map((lines) => lines.join("\n")),
    ].join("\n\n\n");
    const lines = body.split("\n");
    const uses = (name: string) => readsName(lines, name);
    const typed = uses("Params");
    const standard = [
      ...(uses("partial") ? ["from functools import partial"] : []),
      ...(typed ? ["from typing import Any"] : []),
    ];
    const ofJax = ["Array", "lax"].filter(uses);
    const imports = [
      ...(uses("jax") ? ["import jax"] : []),
      ...(uses("jnp") ? ["import jax.numpy as jnp"] : []),
      ...(ofJax.length > 0 ? [`from jax import ${ofJax.join(", ")}`] : []),
    ];
    const params = typed ? ["Params = dict[str, Any]"] : [];
    return `${[
      docstring(about, 0).join("\n"),
      ...(standard.length > 0 ? [standard.join("\n")] : []),
      imports.join("\n"),
      ...(params.length + constants.length > 0 ? [[...params, ...constants].join("\n")] : []),
    ].join("\n\n")}\n\n\n${body}\n`.replace(/\n{4,}/g, "\n\n\n");
  }
}
