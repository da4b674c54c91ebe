/**
 * @file The forms of a stage's kernel on a CPU, in order. They are kept apart from WebGPU's, so that neither target
 * loads the other's.
 */
import { element } from "./element.ts";
import type { Form } from "./form.ts";
import { scatterByColumn } from "./scatter.ts";
import { tree } from "./tree.ts";
import { vectorPanels } from "./vector-panels.ts";
import { vectorReduction } from "./vector-reduction.ts";
import { vectorRows } from "./vector-rows.ts";
import { vectorTile } from "./vector-tile.ts";

export const vectorForms: readonly Form[] = [
  tree,
  scatterByColumn,
  vectorPanels,
  vectorTile,
  vectorReduction,
  vectorRows,
  element,
];
