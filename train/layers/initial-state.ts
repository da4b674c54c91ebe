/** @file States with which a sequence starts, other than zeros or those that are given: ones that are learned. */
import type { Cell, State } from "../../compiler/dsl/cell.ts";
import { zerosInit } from "../../compiler/dsl/initializers.ts";
import { currentStore, parameter, scope } from "../../compiler/dsl/parameters.ts";
import type { Dim, Shape } from "../../compiler/graph/dim.ts";
import { broadcastAxes } from "../../compiler/ops/views.ts";

/**
 * A state that is learned, the same for every row of the batch: parameters `initial/…` in the scope of the cell, one for
 * each of its states, which start at 0. Give the cell itself, not one that zoneout or dropout has made of it.
 */
export function learnedState<Names extends string>(instance: Cell<Names>, batch: Dim): State<Names> {
  const entries = Object.entries<Shape>(instance.stateShapes).map(([name, shape]) => {
    const ask = () => scope("initial", () => parameter(name, shape, zerosInit));
    const value = currentStore().instanceScope(instance, instance.name, ask);
    return [
      name,
      broadcastAxes(
        value,
        [batch, ...shape],
        shape.map((_, axis) => axis + 1),
      ),
    ] as const;
  });
  return Object.fromEntries(entries) as State<Names>;
}
