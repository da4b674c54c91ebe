/**
 * @file Parts of kernels that are written once: equal parts, such as those of equal layers or of several sizes, share one
 * body (kernel/places.ts).
 */
import { textOfValue } from "../../graph/builder.ts";
import { at } from "../../graph/errors.ts";
import type { GridPart, KernelCode } from "../../kernel/ir.ts";
import type { BufferSpec, Location } from "../program.ts";
import type { TileOptions } from "../stages/tiles.ts";
import { canonicalPart } from "./canonical-part.ts";
import type { Canonical } from "./canonical-values.ts";
import type { FormContext, PartForm } from "./form.ts";
import { PlacedBuilder } from "./placed-builder.ts";
import { type StoredRegion, storesOf } from "./stored-region.ts";
import { Emitter } from "./values.ts";

export class SharedParts {
  /** By form, or the name of one, and canonical form. */
  readonly #known = new Map<PartForm | string, Map<string, KernelCode>>();
  /** How many parts have been written. */
  written = 0;

  /** Adds the part of a stage to a kernel. */
  add(
    kernel: PlacedBuilder,
    form: PartForm,
    context: FormContext & { readonly region: StoredRegion },
    scratch: readonly Location[],
    buffers: readonly BufferSpec[],
  ): void {
    const { own, ...canonical } = canonicalPart(context, context.region, scratch, buffers);
    const { region, stage } = own.context;
    this.addOnce(kernel, form.name ?? form, canonical, form.grid(context), own.context.tiles, (writer) => {
      const emitter = new Emitter(writer, { region, ids: stage.roots });
      form.emit({ ...own.context, emitter, store: storesOf(region, emitter), scratch: own.scratch });
    });
  }

  /** Adds a part of this kind to a kernel. `write` writes it from its canonical form, if none is equal yet. */
  addOnce(
    kernel: PlacedBuilder,
    kind: PartForm | string,
    { data, buffers, places }: Canonical,
    grid: GridPart,
    tiles: TileOptions,
    write: (writer: PlacedBuilder) => void,
  ): void {
    const ofKind = this.#known.get(kind) ?? new Map<string, KernelCode>();
    this.#known.set(kind, ofKind);
    const key = textOfValue(data);
    let known = ofKind.get(key);
    if (known === undefined) {
      this.written += 1;
      const writer = new PlacedBuilder(() => buffers, tiles);
      writer.part(grid, () => write(writer));
      // Those who use the part know the size of their workgroups.
      known = writer.finish(1);
      ofKind.set(key, known);
    }
    kernel.addPart({ ...at(known.parts, 0), grid, places }, known);
  }
}
