/**
 * @file Parts of kernels that are written once: equal parts, such as those of equal layers or of several sizes, share one
 * body (kernel/places.ts).
 */
import { textOfValue } from "../../graph/builder.ts";
import { at } from "../../graph/errors.ts";
import type { LocalArray, Part } from "../../kernel/ir.ts";
import type { BufferSpec, Location } from "../program.ts";
import { type CanonicalPart, canonicalPart } from "./canonical-part.ts";
import type { FormContext, PartForm } from "./form.ts";
import { PlacedBuilder } from "./placed-builder.ts";
import { type StoredRegion, storesOf } from "./stored-region.ts";
import { Emitter } from "./values.ts";

interface WrittenPart {
  readonly part: Part;
  readonly shared: readonly LocalArray[];
}

export class SharedParts {
  /** By form, or the name of one, and canonical form of the stage. */
  readonly #known = new Map<PartForm | string, Map<string, WrittenPart>>();
  /** How many parts have been written. */
  written = 0;

  /** Adds a part to a kernel. */
  add(
    kernel: PlacedBuilder,
    form: PartForm,
    context: FormContext & { readonly region: StoredRegion },
    scratch: readonly Location[],
    buffers: readonly BufferSpec[],
  ): void {
    const { data, places, ...canonical } = canonicalPart(context, context.region, scratch, buffers);
    const ofForm = this.#known.get(form.name ?? form) ?? new Map<string, WrittenPart>();
    this.#known.set(form.name ?? form, ofForm);
    const key = textOfValue(data);
    const known = ofForm.get(key) ?? this.#write(form, canonical);
    ofForm.set(key, known);
    kernel.addPart({ ...known.part, grid: form.grid(context), places }, known.shared);
  }

  #write(form: PartForm, { context, scratch, buffers }: Omit<CanonicalPart, "data" | "places">): WrittenPart {
    this.written += 1;
    const writer = new PlacedBuilder(() => buffers, context.tiles);
    writer.part(form.grid(context), () => {
      const emitter = new Emitter(writer, { region: context.region, ids: context.stage.roots });
      form.emit({ ...context, emitter, store: storesOf(context.region, emitter), scratch });
    });
    const { parts, shared } = writer.finish(form.lanes(context));
    return { part: at(parts, 0), shared };
  }
}
