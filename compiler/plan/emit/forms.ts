/** @file The forms of a stage's kernel, in order: the first that matches a stage writes it. */
import { InternalError } from "../../graph/errors.ts";
import { blocks } from "./blocks.ts";
import { element } from "./element.ts";
import type { Form, FormContext } from "./form.ts";
import { scatterByColumn, scatterByElement } from "./scatter.ts";
import { tile } from "./tile.ts";
import { tree } from "./tree.ts";
import { vectorPanels } from "./vector-panels.ts";
import { vectorRows } from "./vector-rows.ts";
import { vectorTile } from "./vector-tile.ts";

export const forms: readonly Form[] = [
  tree,
  scatterByElement,
  scatterByColumn,
  blocks,
  vectorPanels,
  vectorTile,
  tile,
  vectorRows,
  element,
];

export function formOf(context: FormContext): Form {
  const form = forms.find(({ matches }) => matches(context));
  if (form === undefined) throw new InternalError("a stage of no form");
  return form;
}
