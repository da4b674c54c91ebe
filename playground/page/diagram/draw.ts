/** @file Draws an arranged diagram as SVG. Colours come from the style sheet; a gate's is that of its place among gates. */
import { svg } from "../dom.ts";
import { type Arrangement, nameOffset, type PlacedPart, type Point } from "./arrange.ts";
import type { ScopeColours } from "./gate-colours.ts";

export function draw(arrangement: Arrangement, colours: ScopeColours, onLine: (line: number) => void): SVGSVGElement {
  const { width, height, parts, links, loops } = arrangement;
  const arrow = (id: string) =>
    svg(
      "marker",
      { id, viewBox: "0 0 8 8", refX: 7, refY: 4, markerWidth: 7, markerHeight: 7, orient: "auto-start-reverse" },
      svg("path", { d: "M0.5 0.5 L7.5 4 L0.5 7.5 z", class: id }),
    );
  const at = (id: number) => parts[id] as PlacedPart;
  // On a narrow screen it shrinks until it would be hard to read, and then it scrolls.
  const style = `min-width: min(${Math.ceil(width)}px, 480px)`;
  return svg(
    "svg",
    {
      viewBox: `0 0 ${Math.ceil(width)} ${Math.ceil(height)}`,
      width: Math.ceil(width),
      role: "img",
      class: "diagram",
      style,
    },
    svg("defs", {}, arrow("diagram-arrow"), arrow("diagram-loop-arrow")),
    ...loops.map((loop, i) => drawLoop(loop, width, i)),
    ...links.map(({ from, to, points }) =>
      svg("path", { class: "link", d: flow(at(from), at(to), points), "marker-end": "url(#diagram-arrow)" }),
    ),
    ...parts.map((placed) => drawPart(placed, colours, onLine)),
  );
}

function drawPart({ part, x, y, width, height }: PlacedPart, colours: ScopeColours, onLine: (line: number) => void) {
  const { kind, label, about, scope, squash, line } = part;
  const colour = scope === undefined ? undefined : colours.get(scope);
  const corner = kind === "gate" ? 8 : kind === "map" ? 4 : height / 2;
  const words = line === undefined ? about : `${about} (line ${line})`;
  const left = -width / 2;
  const name =
    squash === undefined ? svg("text", {}, label) : svg("text", { x: left + nameOffset(squash), class: "name" }, label);
  const group = svg(
    "g",
    {
      class: `part part-${kind}`,
      transform: `translate(${x} ${y})`,
      style: colour && `--part-colour: ${colour}`,
      "data-line": line,
    },
    svg("title", {}, words),
    svg("rect", { x: left, y: -height / 2, width, height, rx: corner }),
    squash === undefined ? undefined : svg("text", { x: left + 10, class: "squash" }, squash),
    name,
  );
  if (line !== undefined) group.addEventListener("click", () => onLine(line));
  return group;
}

/** From the right of one part to the left of another, through the places that the layout kept free. */
function flow(from: PlacedPart, to: PlacedPart, between: readonly Point[]): string {
  const start = { x: from.x + from.width / 2, y: from.y };
  const end = { x: to.x - to.width / 2 - 1, y: to.y };
  // Between neighbours the one place in the middle would only bend the way.
  const points = [start, ...(between.length > 3 ? between.slice(1, -1) : []), end];
  const pieces = points.slice(1).map((to, i) => {
    const from = points[i] as Point;
    const reach = (to.x - from.x) / 2;
    return `C${from.x + reach} ${from.y} ${to.x - reach} ${to.y} ${to.x} ${to.y}`;
  });
  return `M${start.x} ${start.y} ${pieces.join(" ")}`;
}

function drawLoop({ state, from, to, y }: Arrangement["loops"][number], width: number, index: number): SVGGElement {
  const side = 8 + 7 * index;
  const [right, left] = [width - side, side];
  const radius = 10;
  const up = y < from.y ? -1 : 1;
  const path = [
    `M${from.x + from.width / 2} ${from.y}`,
    `H${right - radius} q${radius} 0 ${radius} ${up * radius}`,
    `V${y - up * radius} q0 ${up * radius} ${-radius} ${up * radius}`,
    `H${left + radius} q${-radius} 0 ${-radius} ${-up * radius}`,
    `V${to.y + up * radius} q0 ${-up * radius} ${radius} ${-up * radius}`,
    `H${to.x - to.width / 2 - 1}`,
  ].join(" ");
  return svg(
    "g",
    { class: "loop" },
    svg("title", {}, `${state} goes on to the next time step`),
    svg("path", { d: path, "marker-end": "url(#diagram-loop-arrow)" }),
    svg("text", { x: width / 2, y: y + up * 11 }, `${state} → next time step`),
  );
}
