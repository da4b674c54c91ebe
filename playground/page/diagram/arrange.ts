/** @file Places a diagram: data flow from left to right, and each state's loop runs back around the outside. */
import { Graph, layout } from "@dagrejs/dagre";
import type { Diagram, Loop, Part, PartKind } from "./diagram.ts";

export interface Point {
  readonly x: number;
  readonly y: number;
}

export interface PlacedPart extends Point {
  readonly part: Part;
  readonly width: number;
  readonly height: number;
}

export interface Arrangement {
  readonly width: number;
  readonly height: number;
  /** With their centres. */
  readonly parts: readonly PlacedPart[];
  readonly links: readonly { readonly from: number; readonly to: number; readonly points: readonly Point[] }[];
  /** Around the top or the bottom, at the height `y`. */
  readonly loops: readonly {
    readonly state: string;
    readonly from: PlacedPart;
    readonly to: PlacedPart;
    readonly y: number;
  }[];
}

const heights: Readonly<Record<PartKind, number>> = {
  x: 30,
  state: 34,
  gate: 38,
  map: 32,
  op: 28,
  next: 34,
  output: 30,
};
const round = 28;
const characterWidth = 7.4;
/** Between the outermost part and a loop, and between loops. */
const loopGap = 22;
/** Room at the sides, in which the loops turn. */
const margin = 30;

/** Where the name of a gate begins, from its left edge: behind the sign of its function. */
export function nameOffset(squash: string): number {
  return 10 + squash.length * characterWidth + 8;
}

function widthOf({ kind, label, squash = "" }: Part): number {
  const text = label.length * characterWidth;
  if (kind === "op") return label.length <= 2 ? round : text + 18;
  if (kind === "gate") return nameOffset(squash) + text + 10;
  return Math.max(38, text + 24);
}

export function arrange(diagram: Diagram): Arrangement {
  const states = diagram.loops.map(({ state }) => state);
  // One above the other as they are named, or the other way round, or as it comes: whichever is tidiest.
  const orders = states.length > 1 ? [states, states.toReversed(), []] : [[]];
  const candidates = orders.map((order) => placedIn(order, diagram));
  return candidates.reduce((a, b) => (untidiness(b) < untidiness(a) ? b : a));
}

/** `order` names the states from top to bottom. */
function placedIn(order: readonly string[], { parts, links, loops }: Diagram): Arrangement {
  const graph = new Graph();
  graph.setGraph({ rankdir: "LR", nodesep: 16, ranksep: 40, edgesep: 12 });
  graph.setDefaultEdgeLabel(() => ({}));
  const gateWidth = Math.max(0, ...parts.filter(({ kind }) => kind === "gate").map(widthOf));
  const name = (id: number) => String(id);
  for (const part of parts) {
    graph.setNode(name(part.id), {
      width: part.kind === "gate" ? gateWidth : widthOf(part),
      height: heights[part.kind],
    });
  }
  // A state's own way through the step is drawn straight: for an LSTM that is the carousel.
  const carries = (id: number) => parts[id]?.kind === "state" || parts[id]?.kind === "op" || parts[id]?.kind === "next";
  for (const { from, to } of links)
    graph.setEdge(name(from), name(to), { weight: carries(from) && carries(to) ? 4 : 1 });
  // What is read stands at the left edge and what is left behind at the right, wherever it is used and made.
  graph.setNode("start", { width: 0, height: 0 });
  graph.setNode("end", { width: 0, height: 0 });
  for (const { id, kind } of parts) {
    if (kind === "x" || kind === "state") graph.setEdge("start", name(id), { weight: 20 });
    if (kind === "next" || kind === "output") graph.setEdge(name(id), "end", { weight: 20 });
  }
  const ordered = order.flatMap((state) => loops.filter((loop) => loop.state === state));
  const constraints = ordered.slice(1).flatMap((lower, i) => {
    const upper = ordered[i] as Loop;
    return [
      { left: name(upper.to), right: name(lower.to) },
      { left: name(upper.from), right: name(lower.from) },
    ];
  });
  layout(graph, { constraints });

  const placed = parts.map((part): PlacedPart => {
    const { x = 0, y = 0, width = 0, height = 0 } = graph.node(name(part.id));
    return { part, x, y, width, height };
  });
  align(placed, ["x", "state"], Math.min);
  align(placed, ["next", "output"], Math.max);
  return withLoops(
    placed,
    links.map(({ from, to }) => ({ from, to, points: graph.edge(name(from), name(to)).points ?? [] })),
    loops,
  );
}

/** How far links climb and fall, and loops more so, since they are the picture's frame. */
function untidiness({ parts, links, loops }: Arrangement): number {
  const climb = ({ from, to }: { from: number; to: number }) => Math.abs((parts[from]?.y ?? 0) - (parts[to]?.y ?? 0));
  const crossed = loops.filter((a) => loops.some((b) => (a.from.y - b.from.y) * (a.to.y - b.to.y) < 0)).length;
  return links.reduce((total, link) => total + climb(link), 0) + 150 * crossed;
}

/** Parts of these kinds in one column: dagre keeps them in one rank only where their links allow it. */
function align(placed: PlacedPart[], kinds: readonly PartKind[], outermost: (...xs: number[]) => number): void {
  const chosen = placed.filter(({ part }) => kinds.includes(part.kind));
  const x = outermost(...chosen.map((each) => each.x));
  for (const [i, each] of placed.entries()) if (chosen.includes(each)) placed[i] = { ...each, x };
}

function withLoops(placed: readonly PlacedPart[], links: Arrangement["links"], loops: Diagram["loops"]): Arrangement {
  const top = Math.min(...placed.map(({ y, height }) => y - height / 2));
  const bottom = Math.max(...placed.map(({ y, height }) => y + height / 2));
  const left = Math.min(...placed.map(({ x, width }) => x - width / 2));
  const right = Math.max(...placed.map(({ x, width }) => x + width / 2));
  const at = (id: number) => placed[id] as PlacedPart;
  const ends = loops.map(({ state, from, to }) => ({ state, from: at(from), to: at(to) }));
  // The nearer side, the outermost last; one state alone goes over the top.
  const heightOf = ({ from, to }: (typeof ends)[number]) => from.y + to.y;
  const ordered = ends.toSorted((a, b) => heightOf(a) - heightOf(b));
  const upper = ordered.slice(0, Math.ceil(ordered.length / 2)).reverse();
  const lower = ordered.slice(Math.ceil(ordered.length / 2));
  const above = upper.map((loop, i) => ({ ...loop, y: top - loopGap * (i + 1) }));
  const below = lower.map((loop, i) => ({ ...loop, y: bottom + loopGap * (i + 1) }));

  const highest = top - loopGap * upper.length - 18;
  const shift = { x: margin - left, y: -highest };
  const move = <P extends Point>(point: P): P => ({ ...point, x: point.x + shift.x, y: point.y + shift.y });
  return {
    width: right - left + 2 * margin,
    height: bottom + loopGap * lower.length + 18 - highest,
    parts: placed.map(move),
    links: links.map((link) => ({ ...link, points: link.points.map(move) })),
    loops: [...above, ...below].map(({ state, from, to, y }) => ({
      state,
      from: move(from),
      to: move(to),
      y: y + shift.y,
    })),
  };
}
