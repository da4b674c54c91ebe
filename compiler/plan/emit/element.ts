/** @file One position per invocation: elementwise values, and reductions that one invocation does alone. */
import { gridOf, overPositions } from "../../kernel/mapping.ts";
import { type Form, mappingOf } from "./form.ts";
import { flatPosition } from "./loops.ts";
import { emitPositions } from "./stage.ts";

export const element: Form = {
  matches: ({ stage }) => stage.form === "element",
  grid: ({ stage, tiles }) => gridOf(mappingOf(tiles), stage.size),
  lanes: ({ tiles }) => mappingOf(tiles).lanes,
  emit: ({ emitter, region, stage, tiles, store }) => {
    const { writer } = emitter;
    const positions = {
      name: "position",
      role: "positions",
      count: writer.size(stage.size),
      extent: stage.size,
    } as const;
    overPositions(writer, mappingOf(tiles), positions, (position) => {
      const own = flatPosition(emitter, writer.index.of(position, stage.size));
      emitPositions(emitter, region, stage, { positions: [own] }, store);
    });
  },
};
