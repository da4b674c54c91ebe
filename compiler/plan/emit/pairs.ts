/** @file Two neighbouring positions per invocation: elementwise values that are stored in f16, two to a word. */
import { gridOf, overPositions } from "../../kernel/mapping.ts";
import { type Form, type FormContext, mappingOf } from "./form.ts";
import { flatPosition } from "./loops.ts";
import { emitPositions } from "./stage.ts";

const wordsOf = ({ stage }: FormContext) => Math.ceil(Number(stage.size) / 2);

export const pairs: Form = {
  matches: ({ region, stage }) => stage.roots.some((id) => region.sharesWords?.(id)),
  grid: (context) => gridOf(mappingOf(context.tiles), wordsOf(context)),
  lanes: ({ tiles }) => mappingOf(tiles).lanes,
  emit: ({ emitter, region, stage, tiles, store }) => {
    const { writer } = emitter;
    const { index } = writer;
    const count = wordsOf({ region, stage, tiles });
    const positions = { name: "word", role: "positions", count: writer.u32(count), extent: count } as const;
    overPositions(writer, mappingOf(tiles), positions, (word) => {
      const size = Number(stage.size);
      const first = index.mul(index.of(word, count), index.dim(2));
      const second = index.add(first, index.dim(1));
      // The last position of an odd number shares its word with itself.
      const last = size % 2 === 0 ? index.below(second, size) : index.min(second, index.dim(size - 1));
      const own = [index.below(first, size), last].map((place) => flatPosition(emitter, place));
      emitPositions(emitter, region, stage, { positions: own }, store);
    });
  },
};
