/** @file The forms of a stage's kernel, in order: the first that matches a stage writes it. */
import { InternalError } from "../../graph/errors.ts";
import { blocks } from "./blocks.ts";
import { element } from "./element.ts";
import type { Form, FormContext } from "./form.ts";
import { pairs } from "./pairs.ts";
import { scatterByColumn, scatterByElement } from "./scatter.ts";
import { scatterByChunk } from "./scatter-chunks.ts";
import { sharedReduction } from "./shared-reduction.ts";
import { tile } from "./tile.ts";
import { tree } from "./tree.ts";

/** The forms for WebGPU. */
export const forms: readonly Form[] = [
  pairs,
  sharedReduction,
  tree,
  scatterByChunk,
  scatterByElement,
  scatterByColumn,
  blocks,
  tile,
  element,
];

export function formOf(all: readonly Form[], context: FormContext): Form {
  const form = all.find(({ matches }) => matches(context));
  if (form === undefined) throw new InternalError("no form matches a stage");
  return form;
}
