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
  /** The memory that the form asks for. */
  readonly scratch: readonly Location[];
}

/** Memory that the kernels of a stage use between them; another stage may have it after they have run. */
export interface ScratchArray {
  readonly size: Dim;
  readonly dtype: DType;
}

/** How a part of a kernel is written. */
export interface PartForm {
  /** Forms that are made for a stage write the same if they have one name; any other form has none. */
  readonly name?: string;
  readonly grid: (context: FormContext) => GridPart;
  /** Invocations of a workgroup. */
  readonly lanes: (context: FormContext) => number;
  /** The memory that it needs beside that of values; none by default. */
  readonly scratch?: (context: FormContext) => readonly ScratchArray[];
  readonly emit: (emission: Emission) => void;
  /**
   * What is left to a second kernel, since it needs what all workgroups have stored: it has the same scratch memory, and
   * asks for none.
   */
  readonly second?: (context: FormContext) => PartForm | undefined;
}

/** A form of stages. */
export interface Form extends PartForm {
  readonly matches: (context: FormContext) => boolean;
}

/** How positions are assigned to invocations. */
export function mappingOf({ mapping = spread }: TileOptions): WorkMapping {
  return mapping;
}
