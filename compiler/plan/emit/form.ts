/** @file What a form is: how the kernel of a stage is spread over invocations, and what each of them writes. */
import type { Dim } from "../../graph/dim.ts";
import { spread, type WorkMapping } from "../../kernel/mapping.ts";
import type { GridPart, Location } from "../program.ts";
import type { Stage } from "../stages/stages.ts";
import type { TileOptions } from "../stages/tiles.ts";
import type { StoreRoot } from "./stage.ts";
import type { Emitter, Region } from "./values.ts";

/** A stage, and what decides how it is computed: shapes, target and tuning. */
export interface FormContext {
  readonly region: Region;
  readonly stage: Stage;
  readonly tiles: TileOptions;
}

/** What a form writes with. */
export interface Emission extends FormContext {
  readonly emitter: Emitter;
  readonly store: StoreRoot;
  /** Scratch memory of a length, until the kernel has run. */
  readonly scratch: (size: Dim) => Location;
}

export interface Form {
  readonly matches: (context: FormContext) => boolean;
  readonly grid: (context: FormContext) => GridPart;
  /** Invocations of a workgroup. */
  readonly lanes: (context: FormContext) => number;
  readonly emit: (emission: Emission) => void;
}

/** How positions are given to invocations. */
export function mappingOf({ mapping = spread }: TileOptions): WorkMapping {
  return mapping;
}
