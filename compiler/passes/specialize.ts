/**
 * @file `specialize`: replaces symbols (`B`, `T`) by numbers everywhere: in avals of inputs, in shapes and sizes in
 * attributes, in lengths of scans and in their bodies. Symbols that are not in `sizes` stay symbols.
 */
import { type Dim, type DimSizes, type Shape, substituteSizes } from "../graph/dim.ts";
import { type Aval, type Graph, inputName, type Node, nodeAt } from "../graph/graph.ts";
import { inlineGraph } from "../ops/inline.ts";
import { Frame, within } from "../trace/frame.ts";
import { atSite } from "../trace/site.ts";

export function specialize(graph: Graph, sizes: DimSizes): Graph {
  const substituted = substitute(graph, sizes);
  // Rebuilding recomputes the avals, and interns nodes that differed only in symbols.
  const frame = new Frame(graph.name);
  return within(frame, () => {
    const inputs = graph.inputs.map((id) => {
      const aval = specializeAval(nodeAt(graph, id).aval, sizes);
      return atSite(graph.sites[id], () => frame.input(inputName(graph, id), aval));
    });
    return frame.finish(
      inputs.map(({ id }) => id),
      inlineGraph(substituted, inputs),
    );
  });
}

/** The same nodes under the same ids with numbers for symbols: for a walk that adds them again, to intern them anew. */
export function substitute(graph: Graph, sizes: DimSizes): Graph {
  return { ...graph, nodes: graph.nodes.map((node) => specializeNode(node, sizes)) };
}

function specializeNode(node: Node, sizes: DimSizes): Node {
  const dim = (from: Dim) => substituteSizes(from, sizes);
  const shape = (from: Shape) => from.map(dim);
  const aval = specializeAval(node.aval, sizes);
  switch (node.op) {
    case "input":
      return { ...node, aval, attrs: { ...node.attrs, aval } };
    case "iota":
    case "reshape":
    case "broadcast":
      return { ...node, aval, attrs: { ...node.attrs, shape: shape(node.attrs.shape) } } as Node;
    case "slice":
    case "pad":
      return { ...node, aval, attrs: { ...node.attrs, size: dim(node.attrs.size) } };
    case "dimSize": {
      const size = dim(node.attrs.dim);
      return typeof size === "number"
        ? { op: "constant", operands: [], attrs: { value: size, dtype: "f32" }, aval }
        : { ...node, attrs: { dim: size } };
    }
    case "customGradient":
      return { ...node, aval, attrs: { ...node.attrs, vjp: specialize(node.attrs.vjp, sizes) } };
    case "scan":
      return {
        ...node,
        aval,
        attrs: { ...node.attrs, length: dim(node.attrs.length), body: specialize(node.attrs.body, sizes) },
      };
    default:
      return { ...node, aval };
  }
}

function specializeAval(aval: Aval, sizes: DimSizes): Aval {
  return { dtype: aval.dtype, shape: aval.shape.map((dim) => substituteSizes(dim, sizes)) };
}
