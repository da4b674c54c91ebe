/**
 * @file Sums and maxima along rows on a CPU: the lanes of a workgroup reduce a row together, each every fourth element,
 * so that they read neighbours, and combine their results in a tree. With one lane per row, lanes would read elements
 * far apart.
 */
import { at } from "../../graph/errors.ts";
import { nodeAt } from "../../graph/graph.ts";
import { vectorLanes } from "../stages/tiles.ts";
import type { Form } from "./form.ts";
import { tree } from "./tree.ts";

/** Row length from which combining the lanes pays off. */
const fewNumbers = 16 * vectorLanes;

export const vectorReduction: Form = {
  ...tree,
  matches: ({ region, stage }) =>
    stage.form === "element" &&
    stage.loops.length > 0 &&
    stage.loops.every((id) => {
      const node = nodeAt(region.graph, id);
      if (node.op !== "sum" && node.op !== "reduceMax") return false;
      const { shape } = nodeAt(region.graph, at(node.operands, 0)).aval;
      const along = shape.at(-1);
      const isAlong = node.attrs.axes.length === 1 && node.attrs.axes[0] === shape.length - 1;
      return isAlong && (typeof along !== "number" || along >= fewNumbers);
    }),
};
