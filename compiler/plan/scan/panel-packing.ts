/**
 * @file Packs the weights that pass by, once before the loop (panels.ts): one kernel writes the vectors of all lanes in
 * the order in which they read them. Steps beyond the depth and columns beyond the last are zeros.
 */
import { mulDims } from "../../graph/dim.ts";
import { at } from "../../graph/errors.ts";
import { ancestorsOf, type NodeId, nodeAt, type ScanNode } from "../../graph/graph.ts";
import type { Index } from "../../kernel/index-arithmetic.ts";
import { gridOf, overPositions } from "../../kernel/mapping.ts";
import { mappingOf } from "../emit/form.ts";
import { finishKernel } from "../emit/kernel.ts";
import { PlacedBuilder } from "../emit/placed-builder.ts";
import { Emitter, type Region } from "../emit/values.ts";
import type { Lowering, ScanContext } from "../lowering.ts";
import type { Dispatch, Location } from "../program.ts";
import { stepsOf } from "./panel-products.ts";
import { four, type PanelGroup, type Panels, readTogether } from "./panels.ts";
import { beforeLoop } from "./scan-context.ts";

/** The weights of one product in the panels of its group. */
interface Part {
  readonly group: PanelGroup;
  readonly place: Location;
  readonly id: NodeId;
  /** The number of its accumulator in the group, and its own number in that accumulator. */
  readonly accumulator: number;
  readonly loop: number;
}

export interface PackedPanels {
  /** Where the weights of each group are. */
  readonly places: readonly Location[];
  /** The dispatch that packs them; none if it joins an earlier one. */
  readonly steps: readonly Dispatch[];
}

/** Allocates the panels of a scan, and packs them. */
export function packPanels(lowering: Lowering, context: ScanContext, node: ScanNode, panels: Panels): PackedPanels {
  const { order, phase } = context;
  const groups = [...panels.groups.values()].flat();
  const mapping = mappingOf(lowering.tiles);
  const weights = groups.flatMap(({ accumulators }) =>
    accumulators.flatMap(({ loops }) => loops.map((id) => at(nodeAt(node.attrs.body, id).operands, 1))),
  );
  const { body } = node.attrs;
  const consts = [...ancestorsOf(body, weights)].flatMap((id) => {
    const role = body.inputs.indexOf(id);
    return role < 0 ? [] : [at(node.operands, role)];
  });
  // What only some sizes need is packed where they do.
  const before =
    lowering.memory.isChoosing || lowering.memory.isPaged
      ? undefined
      : lowering.open.lastAfter(context.outer, consts, mapping.lanes);
  const places = groups.map((group) => {
    const waves = Math.ceil(group.lanes / readTogether);
    const size = waves * group.passes * stepsOf(group) * readTogether * four;
    return lowering.memory.place("f32", size, before?.order ?? order, order, "panels");
  });
  const parts = groups.flatMap((group) =>
    group.accumulators.flatMap(({ loops }, accumulator) =>
      loops.map((id, loop): Part => ({ group, place: at(places, group.number), id, accumulator, loop })),
    ),
  );
  const region = beforeLoop(context, node);
  const sizes = parts.map(({ group }) => group.quadsOfOne * four * group.turns * panels.slices * four);
  const grid = sizes.map((size) => gridOf(mapping, size));
  const write = (writer: PlacedBuilder, i: number): void => {
    const size = at(sizes, i);
    const positions = { name: "position", role: "positions", count: writer.u32(size), extent: size } as const;
    overPositions(writer, mapping, positions, (position) =>
      packElement(writer, region, panels, at(parts, i), writer.index.of(position, size)),
    );
  };
  const work = { flops: [], bytes: sizes.map((size) => mulDims(8, size)) };
  if (before !== undefined) {
    lowering.open.join(before, { grid, write, work });
    return { places, steps: [] };
  }
  const writer = new PlacedBuilder(lowering.buffers, lowering.tiles);
  for (const [i, part] of grid.entries()) writer.part(part, () => write(writer, i));
  const ids = parts.map(({ id }) => id);
  const kernel = finishKernel(lowering, writer, region, ids, mapping.lanes, work);
  return { places, steps: [{ kind: "dispatch", kernel, grid, phase }] };
}

/** `position` counts columns of a vector first, then slices, vectors, steps and turns. */
function packElement(w: PlacedBuilder, region: Region, panels: Panels, part: Part, position: Index): void {
  const { group, place, id, accumulator, loop } = part;
  const { index: m } = w;
  const { slices, lanes } = panels;
  let rest = position;
  const next = (extent: number): Index => {
    const own = m.mod(rest, m.dim(extent));
    rest = m.div(rest, m.dim(extent));
    return m.of(w.bound(own), extent);
  };
  const i = next(four);
  const slice = next(slices);
  const quad = next(group.quadsOfOne);
  const step = next(four);
  const turn = m.of(w.bound(rest), group.turns);
  const column = m.add(m.mul(quad, m.dim(four)), i);
  const ofTurn = m.add(m.mul(turn, m.dim(slices)), slice);
  const k = m.add(m.mul(ofTurn, m.dim(four)), step);
  const inside = (own: Index, extent: number) => m.below(m.min(own, m.dim(extent - 1)), extent);
  const [row, across] = [inside(k, group.depth), inside(column, group.columns)];
  const node = nodeAt(region.graph, id);
  const isTransposed = node.op === "dot" && node.attrs.transposeB;
  const emitter = new Emitter(w, { region, ids: [] });
  const weight = emitter.value(region, at(node.operands, 1), isTransposed ? [across, row] : [row, across]);
  const exists = w.and(w.less(w.bound(k), w.u32(group.depth)), w.less(w.bound(column), w.u32(group.columns)));

  const perPass = lanes / slices;
  const numbered = m.add(quad, m.dim(accumulator * group.quadsOfOne));
  const bounded = m.of(w.bound(numbered), group.quads);
  const [pass, unit] = [m.div(bounded, m.dim(perPass)), m.mod(bounded, m.dim(perPass))];
  const lane = m.of(w.bound(m.add(m.mul(unit, m.dim(slices)), slice)), lanes);
  const wave = m.div(lane, m.dim(readTogether));
  const product = m.add(m.mul(turn, m.dim(group.loops)), m.dim(loop));
  const vector = m.add(m.mul(product, m.dim(four)), step);
  const ofWave = m.add(m.mul(wave, m.dim(group.passes)), pass);
  const line = m.add(m.mul(ofWave, m.dim(stepsOf(group))), vector);
  const inLine = m.add(m.mul(line, m.dim(readTogether)), m.mod(lane, m.dim(readTogether)));
  const at4 = m.add(m.mul(inLine, m.dim(four)), i);
  w.storeValue(place, at4, w.select(exists, weight, w.f32(0)));
}
