/** @file A Python module under construction: its imports, helper functions and functions. */
import type { Graph } from "../../compiler/graph/graph.ts";
import { type HelperName, helperOf, helpers } from "./helpers.ts";
import { Names } from "./names.ts";
import { docstring, readsName } from "./python.ts";
import type { SourceLine } from "./source-names.ts";

/** How printed code is named and commented. */
export interface ModuleOptions {
  /** The text of a line of the user's source, for comments and names. */
  readonly source?: SourceLine | undefined;
  /** Names of the carries of a loop, by the name of its body. */
  readonly carries?: Readonly<Record<string, readonly string[]>> | undefined;
}

export class ModuleWriter {
  readonly options: ModuleOptions;
  readonly names = new Names(Object.keys(helpers));
  readonly #helpers = new Set<HelperName>();
  readonly #functions: string[][] = [];
  /** Functions for the bodies of loops, by what they compute. */
  readonly #steps = new Map<string, string>();

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

  /** The name of the function for a loop's body, which `write` adds if there is none yet. */
  step(body: Graph, key: string, write: (name: string) => void): string {
    const known = this.#steps.get(key);
    if (known !== undefined) return known;
    const name = this.names.fresh(body.name);
    this.#steps.set(key, name);
    write(name);
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
