/** @file How the lanes of a workgroup fetch a block of both operands of a product, and put it into workgroup memory. */
import type { Dim } from "../../graph/dim.ts";
import { at } from "../../graph/errors.ts";
import type { Index } from "../../kernel/index-arithmetic.ts";
import type { Expr } from "../../kernel/ir.ts";
import type { Panel, Panels } from "./block-panels.ts";
import type { PlacedBuilder } from "./placed-builder.ts";
import type { Emitter, Region } from "./values.ts";

/** Vectors on their way from memory: for each panel, those that the lane fetches. */
export type Fetched = readonly (readonly Expr[])[];

/** Fetches the blocks of a workgroup. */
export class Fetching {
  readonly #emitter: Emitter;
  readonly #writer: PlacedBuilder;
  readonly #region: Region;
  readonly #panels: Panels;
  /** Which matrices of a batch the workgroup multiplies. */
  readonly #outer: readonly Index[];

  constructor(emitter: Emitter, region: Region, panels: Panels, outer: readonly Index[]) {
    this.#emitter = emitter;
    this.#writer = emitter.writer;
    this.#region = region;
    this.#panels = panels;
    this.#outer = outer;
  }

  /** The block at a start along the depth that is a whole block before the end. */
  block(panels: readonly Panel[], start: Expr, depth: Dim): Fetched {
    const { index } = this.#writer;
    return this.#read(panels, (step) => index.below(index.add(index.of(start), step), depth));
  }

  /** The block at the end, with zeros past it. */
  blockBelow(panels: readonly Panel[], start: Expr, end: Expr, depth: Dim): Fetched {
    const w = this.#writer;
    const { index } = w;
    const last = index.sub(index.of(end), index.dim(1));
    const isBelow = ({ expr }: Index) => w.less(w.add(start, expr), end);
    return this.#read(
      panels,
      (step) => index.below(index.min(index.add(index.of(start), step), last), depth),
      ({ alongDepth }, steps, values) => {
        const zero = w.f32(0);
        if (alongDepth) return w.vector(values.map((value, e) => w.select(isBelow(at(steps, e)), value, zero)));
        return w.select(isBelow(at(steps, 0)), w.vector(values), w.vector([zero]));
      },
    );
  }

  #read(
    panels: readonly Panel[],
    indexOf: (step: Index) => Index,
    vectorOf: (panel: Panel, steps: readonly Index[], values: readonly Expr[]) => Expr = (_, __, values) =>
      this.#writer.vector(values),
  ): Fetched {
    const w = this.#writer;
    const read = (panel: Panel) =>
      panel.fetched.map(({ elements }) => {
        const values = elements.map(({ own, step }) => {
          const k = indexOf(step);
          const within = panel.depthFirst ? [own, k] : [k, own];
          return this.#emitter.value(this.#region, panel.operand, [...this.#outer, ...within]);
        });
        const steps = elements.map(({ step }) => step);
        return w.let(w.fresh("fetched"), vectorOf(panel, steps, values));
      });
    return w.inVectors(() => panels.map(read));
  }

  /** Every vector goes to another place, so no barrier is needed between them. */
  store(panels: readonly Panel[], buffer: 0 | 1, fetched: Fetched): void {
    this.#writer.stage(() => {
      for (const [p, panel] of panels.entries())
        for (const [i, { place }] of panel.fetched.entries())
          this.#panels.store(panel, buffer, place, at(at(fetched, p), i));
    });
  }
}
