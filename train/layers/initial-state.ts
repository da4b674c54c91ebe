/** @file Learned initial states of a sequence. */
import type { Cell, State } from "../../compiler/dsl/cell.ts";
import { zerosInit } from "../../compiler/dsl/initializers.ts";
import { currentStore, parameter, scope } from "../../compiler/dsl/parameters.ts";
import type { Dim, Shape } from "../../compiler/graph/dim.ts";
import { broadcastAxes } from "../../compiler/ops/views.ts";

/**
 * A learned initial state, the same for every row of the batch: parameters `initial/…` in the scope of the cell, one for
 * each of its states, initialized to 0. Pass the cell itself, before zoneout or dropout.
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
