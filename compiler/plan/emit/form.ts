/** @file A form: how a stage's kernel is spread over invocations, and what code each of them runs. */
import type { Dim } from "../../graph/dim.ts";
import type { DType } from "../../graph/graph.ts";
import { spread, type WorkMapping } from "../../kernel/mapping.ts";
import type { GridPart, Location } from "../program.ts";
import type { Stage } from "../stages/stages.ts";
import type { TileOptions } from "../stages/tiles.ts";
import type { StoreRoot } from "./stage.ts";
import type { Emitter, Region } from "./values.ts";

/** A stage, and what its computation depends on: shapes, target and tuning. */
export interface FormContext {
  readonly region: Region;
  readonly stage: Stage;
  readonly tiles: TileOptions;
}

/** What a form needs to write its code. */
export interface Emission extends FormContext {
  readonly emitter: Emitter;
  readonly store: StoreRoot;
  /** Allocates scratch memory of a given length, valid until the stage's kernels have run. */
  readonly scratch: (size: Dim, dtype: DType) => Location;
  /** Leaves the rest of the stage to a second kernel. */
  readonly leave: (rest: SecondPart) => void;
}

/** The part of a stage that needs what all workgroups have stored: a second kernel. */
export interface SecondPart {
  readonly grid: GridPart;
  readonly lanes: number;
  readonly emit: (emission: Emission) => void;
}

export interface Form {
  readonly matches: (context: FormContext) => boolean;
  readonly grid: (context: FormContext) => GridPart;
  /** Invocations of a workgroup. */
  readonly lanes: (context: FormContext) => number;
  /** Writes the stage, or its first part. */
  readonly emit: (emission: Emission) => void;
}

/** How positions are assigned to invocations. */
export function mappingOf({ mapping = spread }: TileOptions): WorkMapping {
  return mapping;
}
