/**
 * @file Reductions on a GPU, by many lanes to a position (shared-work.ts): each lane adds up every n-th term, several of
 * them in a turn, so that their loads do not wait for each other, and the lanes of a position combine their results
 * (lane-teams.ts). If a position has several workgroups, each stores what its chunk of the terms adds up to, and a second
 * kernel adds these up and does the rest of the stage.
 *
 * Loops are bounded by constants: a compiler of WGSL adds a counter to loops that it cannot prove finite.
 */
import { type Dim, mulDims, sizeOf } from "../../graph/dim.ts";
import { at } from "../../graph/errors.ts";
import { type DType, type NodeId, nodeAt } from "../../graph/graph.ts";
import type { Expr, Variable } from "../../kernel/ir.ts";
import type { GridPart } from "../program.ts";
import type { Accumulator } from "../stages/accumulators.ts";
import { loopExtentsOf } from "../stages/loops.ts";
import type { Emission, Form, FormContext, PartForm } from "./form.ts";
import { inPairs, LaneTeams } from "./lane-teams.ts";
import { RunningSums } from "./long-sums.ts";
import {
  combine,
  flatPosition,
  initialOf,
  loopGroups,
  type Position,
  rememberLoop,
  runningSum,
  startLoop,
  termOf,
} from "./loops.ts";
import type { PlacedBuilder } from "./placed-builder.ts";
import { chunksWork, type SharedWork, sharedWorkOf } from "./shared-work.ts";
import { storeRoots } from "./stage.ts";
import type { Emitter, Region } from "./values.ts";

/** Terms of a turn: loads that are on their way together. */
const termsOfTurn = 8;
/** Turns of a block, whose sum is added up before it is added to the total: no number is rounded more often. */
const turnsOfBlock = 32;
/** Blocks, at most: enough for any buffer, and a bound that a compiler can rely on. */
const mostBlocks = 2 ** 26;
/** Terms of a lane, at most, that are written out without a loop. */
const mostUnrolled = 16;

export const sharedReduction: Form = {
  matches: (context) => sharedWorkOf(context) !== undefined,
  grid: (context) => gridOf(context.stage.size, workOf(context)),
  lanes: (context) => workOf(context).across * workOf(context).down,
  scratch: (context) => {
    const { chunks } = workOf(context);
    return chunks === 1
      ? []
      : resultsOf(context).map(({ dtype }) => ({ size: mulDims(chunks, context.stage.size), dtype }));
  },
  emit,
  second: (context) => (workOf(context).chunks === 1 ? undefined : chunksAdded),
};

function workOf(context: FormContext): SharedWork {
  return sharedWorkOf(context) ?? { across: 1, down: 1, chunks: 1, inARow: true };
}

/** A workgroup for each chunk of some positions. */
function gridOf(size: Dim, { across, chunks }: SharedWork): GridPart {
  return { rows: [size], rowsPer: across, columns: [chunks], lanes: 1 };
}

/** The lane's place in its workgroup: its chunk, and its position. */
interface Share {
  readonly work: SharedWork;
  readonly teams: LaneTeams;
  readonly chunk: Expr;
  /** The number of the position, and whether it exists: undefined if it always does. */
  readonly number: Expr;
  readonly exists: Expr | undefined;
}

function shareOf(writer: PlacedBuilder, size: Dim, work: SharedWork, neighbours: number): Share {
  const { across, down, chunks, inARow } = work;
  const { group } = writer;
  const blocks = writer.div(writer.add(writer.size(size), writer.u32(across - 1)), writer.u32(across));
  // A large dispatch has workgroups beyond the last.
  writer.leaveIf(writer.lessEqual(writer.mul(blocks, writer.u32(chunks)), group));
  const teams = new LaneTeams(writer, { size: down, count: across, inARow, neighbours });
  const chunk = writer.let("chunk", writer.rem(group, writer.u32(chunks)));
  const block = writer.div(group, writer.u32(chunks));
  const own = writer.let("own", writer.add(writer.mul(block, writer.u32(across)), teams.team));
  if (across === 1) return { work, teams, chunk, number: own, exists: undefined };
  const isExact = typeof size === "number" && size % across === 0;
  const last = writer.sub(writer.size(size), writer.u32(1));
  const number = isExact ? own : writer.let("position", writer.min(own, last));
  return { work, teams, chunk, number, exists: isExact ? undefined : writer.less(own, writer.size(size)) };
}

function emit(emission: Emission): void {
  const { emitter, region, stage, tiles, store, scratch } = emission;
  const { writer } = emitter;
  const share = shareOf(writer, stage.size, workOf(emission), tiles.neighbours ?? 1);
  const position = flatPosition(emitter, writer.index.of(share.number, stage.size));
  const groups = loopGroups(region, stage.accumulators);
  const totals = groups.flatMap((group) => {
    const parts = sumTerms(emitter, region, share, group, position);
    const values = combineSums(writer, region, share.teams, group, parts);
    // A later loop may read the results of this one.
    for (const [i, value] of values.entries()) rememberLoop(emitter, region, at(group, i).result, position, value);
    return values;
  });
  if (share.work.chunks === 1) {
    ifStores(writer, share, () => storeRoots(emitter, region, stage, position, store));
    return;
  }
  ifStores(writer, share, () => {
    const place = placeOfChunk(writer, share.chunk, share.number, stage.size);
    for (const [i, location] of scratch.entries()) writer.storeValue(location, place, at(totals, i));
  });
}

/** The result of an accumulator, and one of its loops. */
interface Result {
  readonly result: NodeId;
  readonly loop: NodeId;
  readonly dtype: DType;
}

/** The results of a stage, in the order in which they are computed. */
function resultsOf({ region, stage }: FormContext): readonly Result[] {
  return loopGroups(region, stage.accumulators)
    .flat()
    .map(({ result, loops }) => ({ result, loop: at(loops, 0), dtype: nodeAt(region.graph, at(loops, 0)).aval.dtype }));
}

function placeOfChunk({ index }: PlacedBuilder, chunk: Expr, number: Expr, size: Dim) {
  return index.add(index.mul(index.of(chunk), index.dim(size)), index.of(number, size));
}

/** The second kernel: the sums of the chunks, and the values that follow from them. */
const chunksAdded: PartForm = {
  grid: (context) => gridOf(context.stage.size, addingWork(context)),
  lanes: (context) => addingWork(context).across * addingWork(context).down,
  emit: addChunks,
};

function addingWork(context: FormContext): SharedWork {
  return chunksWork(context.stage.size, workOf(context).chunks);
}

function addChunks(emission: Emission): void {
  const { emitter, region, stage, store, tiles, scratch } = emission;
  const { writer } = emitter;
  const [work, { chunks }] = [addingWork(emission), workOf(emission)];
  const results = resultsOf(emission);
  const share = shareOf(writer, stage.size, work, tiles.neighbours ?? 1);
  const position = flatPosition(emitter, writer.index.of(share.number, stage.size));
  const { member } = share.teams;
  const lanes = results.map(({ loop, dtype }, result) => {
    const node = nodeAt(region.graph, loop);
    const location = at(scratch, result);
    const join = (a: Expr, b: Expr) => combine(writer, node, a, b);
    const values = Array.from({ length: chunks / work.down }, (_, i) => {
      const chunk = writer.add(member, writer.u32(i * work.down));
      return writer.loadValue(location, placeOfChunk(writer, chunk, share.number, stage.size), dtype);
    });
    return { join, value: inPairs(values, join) };
  });
  for (const [i, total] of share.teams.combine(lanes).entries())
    rememberLoop(emitter, region, at(results, i).result, position, total);
  ifStores(writer, share, () => storeRoots(emitter, region, stage, position, store));
}

/** Writes what one lane of each position does. */
function ifStores(writer: PlacedBuilder, { teams, exists }: Share, write: () => void): void {
  writer.if(exists === undefined ? teams.isFirst : writer.and(teams.isFirst, exists), write);
}

/** What the lanes of a position share: how many they are, in how many workgroups, and which of both a lane is. */
export interface SharedTerms {
  readonly work: Pick<SharedWork, "down" | "chunks">;
  readonly teams: Pick<LaneTeams, "member">;
  readonly chunk: Expr;
}

/** What a lane adds to the results of some accumulators at a position. */
export function sumTerms(
  emitter: Emitter,
  region: Region,
  share: SharedTerms,
  group: readonly Accumulator[],
  position: Position,
): readonly Variable[] {
  const { writer } = emitter;
  const registers = group.map(({ loops }) => startLoop(writer, region, at(loops, 0)));
  const sums = registers.map((register, i) => runningSum(writer, region, at(at(group, i).loops, 0), [register]));
  const running = new RunningSums(writer, sums);
  const extents = loopExtentsOf(region, at(at(group, 0).loops, 0));
  overTerms(writer, sizeOf(extents), share, running, (turn) => {
    const totals = group.map(({ loops }, i) => {
      const node = nodeAt(region.graph, at(loops, 0));
      const terms = loops.flatMap((id) => turn.map((term) => valueAt(emitter, region, id, position, term, extents)));
      const register = running.register(i, 0);
      const join = (a: Expr, b: Expr) => combine(writer, node, a, b);
      return { register, total: join(register, inPairs(terms, join)) };
    });
    // All loads come before all sums, so that the loads do not wait for each other.
    for (const { register, total } of totals) writer.assign(register, total);
  });
  return registers;
}

/** The results of some accumulators, of which each lane has a part; every lane has them afterwards. */
export function combineSums(
  writer: PlacedBuilder,
  region: Region,
  teams: LaneTeams,
  group: readonly Accumulator[],
  parts: readonly Expr[],
): readonly Expr[] {
  return teams.combine(
    group.map(({ loops }, i) => {
      const node = nodeAt(region.graph, at(loops, 0));
      return { value: at(parts, i), join: (a: Expr, b: Expr) => combine(writer, node, a, b) };
    }),
  );
}

/** A term of a lane: its number among those of the position, and whether it exists: undefined if it always does. */
interface Term {
  readonly number: Expr;
  readonly exists: Expr | undefined;
}

/** Beyond the last term, the last is read again, and what counts is a number that changes no result. */
function valueAt(
  emitter: Emitter,
  region: Region,
  id: NodeId,
  position: Position,
  { number, exists }: Term,
  extents: readonly Dim[],
): Expr {
  const { writer } = emitter;
  const index = emitter.indexAt(writer.index.of(number, sizeOf(extents)), extents);
  const value = termOf(emitter, region, id, position, { index });
  if (exists === undefined) return value;
  const none = writer.literal(initialOf(region, id), nodeAt(region.graph, id).aval.dtype);
  return writer.bind(`if ${exists.id} ${value.id} ${none.id}`, writer.select(exists, value, none), writer.depth);
}

/** Calls `write` for the terms of a turn, in loops over the turns of the lane. */
function overTerms(
  writer: PlacedBuilder,
  count: Dim,
  { work: { down, chunks }, teams: { member }, chunk }: SharedTerms,
  running: RunningSums,
  write: (turn: readonly Term[]) => void,
): void {
  if (count === 0) return;
  const number = (value: number) => writer.u32(value);
  const all = writer.size(count);
  const term = (own: Expr, isInside: boolean): Term => {
    const exists = isInside ? undefined : writer.less(own, all);
    const inside = isInside ? own : writer.min(own, writer.sub(all, number(1)));
    return { number: writer.bind(`term ${inside.id}`, inside, inside.depth), exists };
  };
  const perLane = typeof count === "number" ? Math.ceil(count / (down * chunks)) : undefined;
  if (perLane !== undefined && chunks === 1 && perLane <= mostUnrolled) {
    const terms = Array.from({ length: perLane }, (_, i): Term => {
      const own = writer.add(member, number(i * down));
      return term(own, Number(count) >= (i + 1) * down);
    });
    write(terms);
    return;
  }
  const atOnce = Math.min(termsOfTurn, perLane ?? termsOfTurn);
  const step = down * atOnce;
  const ceil = (a: Expr, b: number) => writer.div(writer.add(a, number(b - 1)), number(b));
  // Chunks begin at a whole number of turns.
  const turns = writer.bind(`turns of ${count} by ${step * chunks}`, ceil(all, step * chunks), 0);
  const before = writer.bind(
    `terms before ${count} ${turns.id}`,
    writer.mul(writer.mul(chunk, turns), number(step)),
    0,
  );
  const first = writer.bind(`first of ${count} ${before.id} ${member.id}`, writer.add(before, member), 0);
  const isExact = typeof count === "number" && count % (step * chunks) === 0;
  const turnAt = (turn: Expr): Term[] => {
    const own = writer.bind(`term at ${turn.id}`, writer.add(first, writer.mul(turn, number(step))), writer.depth);
    return Array.from({ length: atOnce }, (_, i): Term => {
      return term(writer.add(own, number(i * down)), isExact);
    });
  };
  const [zero, one] = [number(0), number(1)];
  const axis = { extent: count, role: "depth" } as const;
  if (turns.kind === "literal" && (turns.value <= turnsOfBlock || !running.round)) {
    writer.for({ axis, name: writer.fresh("turn"), first: zero, end: turns, step: one }, (turn) => write(turnAt(turn)));
    return;
  }
  const blocks = writer.bind(`blocks of ${turns.id}`, ceil(turns, turnsOfBlock), 0);
  const outer = { axis: { extent: count, role: "block" }, name: writer.fresh("block"), most: mostBlocks } as const;
  writer.for({ ...outer, first: zero, end: blocks, step: one }, (block) => {
    const start = writer.let(writer.fresh("start"), writer.mul(block, number(turnsOfBlock)));
    const end = writer.let(writer.fresh("end"), writer.min(number(turnsOfBlock), writer.sub(turns, start)));
    running.inPart(() => {
      const inner = { axis, name: writer.fresh("turn"), most: turnsOfBlock };
      writer.for({ ...inner, first: zero, end, step: one }, (turn) =>
        write(turnAt(writer.bind(`turn ${turn.id}`, writer.add(start, turn), writer.depth))),
      );
    });
  });
}
