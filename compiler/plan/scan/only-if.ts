/**
 * @file Steps that run only if a value is true: the device computes the numbers of workgroups of their dispatches, and
 * the host never sees whether there are any.
 */
import type { NodeId } from "../../graph/graph.ts";
import { storages } from "../../graph/storage.ts";
import type { Expr } from "../../kernel/ir.ts";
import { gridOf, overPositions } from "../../kernel/mapping.ts";
import { mappingOf } from "../emit/form.ts";
import { finishKernel } from "../emit/kernel.ts";
import { PlacedBuilder } from "../emit/placed-builder.ts";
import { Emitter } from "../emit/values.ts";
import type { Lowering, ScanContext } from "../lowering.ts";
import type { Dispatch, Grid, Location, ScanStep } from "../program.ts";

/** WebGPU's limit for each axis of a dispatch. */
const mostPerAxis = 65535;

/** `condition`: a scalar of the region that contains the scan, stored before these steps. */
export function onlyIf(
  lowering: Lowering,
  context: ScanContext,
  condition: NodeId,
  steps: readonly ScanStep[],
): ScanStep[] {
  const counts: Dispatch[] = [];
  const indirect = (step: ScanStep): ScanStep => {
    if (step.kind === "loop") return { ...step, body: step.body.map(indirect), otherwise: step.otherwise.map(guarded) };
    if (step.kind === "choose") {
      const branches = step.branches.map((branch) => ({ ...branch, steps: branch.steps.map(indirect) }));
      return { ...step, branches };
    }
    return guarded(step);
  };
  const guarded = (dispatch: Dispatch): Dispatch => {
    const to = lowering.memory.place("u32", 3, context.order, context.order);
    counts.push(countKernel(lowering, context, condition, dispatch.grid, to));
    return { ...dispatch, indirect: to };
  };
  const all = steps.map(indirect);
  return [...counts, ...all];
}

/** A kernel that writes the numbers of workgroups of a grid along x, y and z, or zeros. */
function countKernel(
  lowering: Lowering,
  { outer, phase }: ScanContext,
  condition: NodeId,
  grid: Grid,
  to: Location,
): Dispatch {
  const w = new PlacedBuilder(lowering.buffers, lowering.tiles);
  const mapping = mappingOf(lowering.tiles);
  const axes = 3;
  const divideUp = (x: Expr, by: number) => w.div(w.add(x, w.u32(by - 1)), w.u32(by));
  const own = gridOf(mapping, axes);
  w.part(own, () => {
    const parts = grid.map(({ rows, rowsPer, columns, lanes }) =>
      divideUp(w.mul(divideUp(w.uniform(rows), rowsPer), w.uniform(columns)), lanes),
    );
    const total = parts.reduce((sum, part) => w.add(sum, part));
    const holds = new Emitter(w, { region: outer, ids: [] }).value(outer, condition, []);
    const groups = w.let("groups", w.select(holds, total, w.u32(0)));
    const positions = { name: "axis", role: "positions", count: w.u32(axes), extent: axes } as const;
    overPositions(w, mapping, positions, (axis) => {
      const isAxis = (i: number) => w.equal(axis, w.u32(i));
      const [x, y] = [w.min(groups, w.u32(mostPerAxis)), divideUp(groups, mostPerAxis)];
      w.storeValue(to, w.index.of(axis, axes), w.select(isAxis(0), x, w.select(isAxis(1), y, w.u32(1))), "set");
    });
  });
  const work = { flops: [], bytes: [axes * storages.u32.bytes] };
  const kernel = finishKernel(lowering, w, outer, [condition], mapping.lanes, work);
  return { kind: "dispatch", kernel, grid: [own], phase };
}
