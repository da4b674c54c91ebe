/**
 * @file Cuts values that are larger than a buffer may be. An input becomes several, one for each page (graph/pages.ts), and so
 * does an output. What is computed from such a value is computed page by page where it can be: elementwise ops, such as the
 * update of all parameters, sums, products with rows of it, lookups. Other readers see the pages joined.
 */
import { type Dim, sizeOf } from "../graph/dim.ts";
import { at } from "../graph/errors.ts";
import { Fold, inputsOf, type OpNode } from "../graph/fold.ts";
import { ancestorsOf, type Graph, inputName, type NodeId, nodeAt } from "../graph/graph.ts";
import { type Page, type Parts, pagesOf, rowSize, slowestAxis } from "../graph/pages.ts";
import { add, max } from "../ops/elementwise.ts";
import { copyRules, emitNode } from "../ops/inline.ts";
import { concat, pad } from "../ops/pieces.ts";
import { entryOf } from "../ops/table.ts";
import { reshape, sum } from "../ops/views.ts";
import { Frame, within } from "../trace/frame.ts";
import { atSite } from "../trace/site.ts";
import type { Tensor } from "../trace/tensor.ts";
import { removeDead } from "./dead.ts";
import { type PagedInput, Rows } from "./rows.ts";

export interface PageOptions {
  /** Most elements of one buffer. */
  readonly most: number;
  /** The shapes of the arrays that an input is made of, by its name; by default it is one array. */
  readonly parts?: Readonly<Record<string, Parts>> | undefined;
  /** Inputs whose memory an output reuses: input name -> index of the output. */
  readonly donate?: Readonly<Record<string, number>> | undefined;
}

/** A graph whose large inputs and outputs are in pages. */
export interface PagedGraph {
  readonly graph: Graph;
  /** For each input in pages, the name and the range of each of them. */
  readonly inputs: Readonly<Record<string, readonly (Page & { readonly name: string })[]>>;
  /** For each output of the given graph, the positions of its pages among the outputs of the new one. */
  readonly outputs: readonly (readonly number[])[];
  readonly donate: Readonly<Record<string, number>>;
}

/** Cuts the large values of a graph; undefined if it has none. */
export function inPages(graph: Graph, options: PageOptions): PagedGraph | undefined {
  const isLarge = (id: NodeId) => Number(sizeOf(nodeAt(graph, id).aval.shape)) > options.most;
  const needed = ancestorsOf(graph);
  if (![...needed, ...graph.inputs].some(isLarge)) return undefined;
  return new Cutter(graph, options, isLarge).cut();
}

class Cutter {
  readonly #graph: Graph;
  readonly #options: PageOptions;
  readonly #isLarge: (id: NodeId) => boolean;
  readonly #pages = new Map<NodeId, readonly Page[] | undefined>();

  constructor(graph: Graph, options: PageOptions, isLarge: (id: NodeId) => boolean) {
    this.#graph = graph;
    this.#options = options;
    this.#isLarge = isLarge;
  }

  cut(): PagedGraph {
    const graph = this.#graph;
    const { donate = {} } = this.#options;
    const frame = new Frame(graph.name);
    const inputs = new Map<NodeId, PagedInput>();
    const tensors = graph.inputs.map((id) => this.#addInput(frame, id, inputs));
    return within(frame, () => {
      const rows: Rows = new Rows(graph, { rebuilt: () => rebuilt, inputs, pages: (id) => this.#pagesOf(id) });
      const replaced = {
        node: (node: OpNode, operands: readonly Tensor[], id: NodeId) => this.#replaced(node, id, operands, rows),
      };
      const wholes = tensors.map((pages, i) => joined(pages, slowestAxis(this.#shapeOf(at(graph.inputs, i)))));
      const rebuilt = new Fold<Tensor>(graph, copyRules(graph, replaced), inputsOf(graph, wholes));
      const needed = ancestorsOf(graph);
      for (const id of graph.nodes.keys()) if (needed.has(id)) rebuilt.compute(id);
      const homes = new Map(Object.entries(donate).map(([name, output]) => [output, this.#inputNamed(name)]));
      const outputs: Tensor[] = [];
      const places = graph.outputs.map((id, i) => {
        const pages = inputs.get(homes.get(i) ?? -1)?.pages ?? this.#pagesOf(id);
        const made = pages?.map(({ from, size }) => rows.of(id, from, size)) ?? [rebuilt.value(id)];
        return made.map((tensor) => outputs.push(tensor) - 1);
      });
      const ids = tensors.flat().map(({ id }) => id);
      const named = (id: NodeId, page: number) => inputName(graph, id) + (inputs.has(id) ? `/page ${page}` : "");
      return {
        graph: removeDead(frame.finish(ids, outputs)),
        inputs: Object.fromEntries(
          [...inputs].map(([id, { pages }]) => [
            inputName(graph, id),
            pages.map((page, i) => ({ ...page, name: named(id, i) })),
          ]),
        ),
        outputs: places,
        donate: Object.fromEntries(
          [...homes].flatMap(([output, id]) =>
            id === undefined ? [] : at(places, output).map((place, page) => [named(id, page), place]),
          ),
        ),
      };
    });
  }

  #shapeOf(id: NodeId): readonly Dim[] {
    return nodeAt(this.#graph, id).aval.shape;
  }

  #inputNamed(name: string): NodeId | undefined {
    return this.#graph.inputs.find((id) => inputName(this.#graph, id) === name);
  }

  #addInput(frame: Frame, id: NodeId, inputs: Map<NodeId, PagedInput>): readonly Tensor[] {
    const name = inputName(this.#graph, id);
    const { aval } = nodeAt(this.#graph, id);
    return atSite(this.#graph.sites[id], () => {
      const pages = this.#pagesOf(id);
      if (pages === undefined) return [frame.input(name, aval)];
      const [axis, row] = [slowestAxis(aval.shape), rowSize(aval.shape.map(Number))];
      const tensors = pages.map(({ size }, i) => {
        const shape = aval.shape.map((extent, j) => (j === axis ? size / row : extent));
        return frame.input(`${name}/page ${i}`, { ...aval, shape });
      });
      inputs.set(id, { pages, tensors });
      return tensors;
    });
  }

  /** The pages of a large value; undefined for any other, and for one that has no axis to cut. */
  #pagesOf(id: NodeId): readonly Page[] | undefined {
    if (!this.#isLarge(id)) return undefined;
    if (!this.#pages.has(id)) this.#pages.set(id, this.#findPages(id));
    return this.#pages.get(id);
  }

  #findPages(id: NodeId): readonly Page[] | undefined {
    const node = nodeAt(this.#graph, id);
    const { most, parts = {} } = this.#options;
    const shape = node.aval.shape.map(Number);
    const own = () => pagesOf([shape], most);
    const row = rowSize(shape);
    const fits = (pages: readonly Page[] | undefined) =>
      pages?.every(({ from, size }) => from % row === 0 && size % row === 0) ? pages : undefined;
    if (node.op === "input") return fits(pagesOf(parts[node.attrs.name] ?? [shape], most));
    // Pages of inputs before those that are made up here: what is updated is cut like the update.
    const operands = node.op === "reshape" || isElementwise(node.op) ? node.operands : [];
    const known = [...operands].sort((a, b) => a - b).map((operand) => fits(this.#pagesOf(operand)));
    const given = known.find((pages) => pages !== undefined);
    if (given !== undefined) return given;
    if (node.op !== "concat" || node.attrs.axis !== slowestAxis(shape)) return own();
    const joined = node.operands.map((operand) => this.#shapeBeneath(operand));
    return fits(pagesOf(joined, most)) ?? own();
  }

  /** The shape of an array before it is made flat, so that a large one is cut between its rows. */
  #shapeBeneath(id: NodeId): readonly number[] {
    const { op, operands, aval } = nodeAt(this.#graph, id);
    return op === "reshape" ? this.#shapeBeneath(at(operands, 0)) : aval.shape.map(Number);
  }

  /** A large value from its pages, and what reduces, looks up or takes a part of one; undefined for any other node. */
  #replaced(node: OpNode, id: NodeId, operands: readonly Tensor[], rows: Rows): Tensor | undefined {
    const pages = this.#pagesOf(id);
    if (pages !== undefined) {
      const parts = pages.map(({ from, size }) => rows.cut(id, from, size));
      const made = parts.filter((part) => part !== undefined);
      return made.length === parts.length ? joined(made, slowestAxis(node.aval.shape)) : undefined;
    }
    const operand = node.operands[0];
    if (operand === undefined) return undefined;
    if (node.op === "sum" && node.aval.shape.length === 0) return this.#total(operand, rows);
    const cut = this.#pagesOf(operand);
    if (cut === undefined) return undefined;
    if (node.op === "slice") return rows.cut(id, 0, Number(sizeOf(node.aval.shape)));
    if (node.op === "gather") return rows.lookup(operand, at(operands, 1) as Tensor<"i32">);
    if (node.op !== "sum" && node.op !== "reduceMax") return undefined;
    if (!node.attrs.axes.includes(slowestAxis(nodeAt(this.#graph, operand).aval.shape))) return undefined;
    const join = node.op === "sum" ? add : max;
    return cut
      .map(({ from, size }) => emitNode(node, [rows.of(operand, from, size)]) as Tensor<"f32">)
      .reduce((all, part) => join(all, part));
  }

  /** The sum of all elements of a value, perhaps padded with zeros and summed in two rounds, page by page. */
  #total(id: NodeId, rows: Rows): Tensor | undefined {
    let [base, isTwice] = [id, false];
    for (;;) {
      const { op, operands } = nodeAt(this.#graph, base);
      if (op !== "reshape" && op !== "pad" && op !== "sum") break;
      isTwice ||= op === "sum";
      base = at(operands, 0);
    }
    const sums = this.#pagesOf(base)?.map(({ from, size }) => {
      const part = rows.flat(base, from, size) as Tensor<"f32">;
      if (!isTwice) return sum(part);
      const columns = Math.ceil(size / lanesOfRounds);
      const padded = pad(part, 0, 0, lanesOfRounds * columns);
      return sum(sum(reshape(padded, [lanesOfRounds, columns]), [0]));
    });
    return sums?.reduce((all, part) => add(all, part));
  }
}

/** Pages along an axis. */
function joined(pages: readonly Tensor[], axis: number): Tensor {
  return pages.length === 1 ? at(pages, 0) : concat(pages, axis);
}

/** Terms of the first round of a sum in two. */
const lanesOfRounds = 64;

function isElementwise(op: string): boolean {
  return op !== "input" && op !== "scan" && op !== "result" && entryOf(op as OpNode["op"]).kind === "elementwise";
}
