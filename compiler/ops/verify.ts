/**
 * @file Checks that a graph is valid: operands exist before they are used, every aval is the one that the op's shape
 * rule gives, scans and their bodies agree. Run after every pass in tests, and on every graph that is read from a file.
 */
import { at, messageOf, UserError } from "../graph/errors.ts";
import { formFault } from "../graph/form.ts";
import { type Aval, formatAval, type Graph, type Node, type ScanNode, sameAval, scanResults } from "../graph/graph.ts";
import { bodyInputs } from "./scan.ts";
import { entryOf, type TableOp } from "./table.ts";

/** Throws a UserError that names the graph, the node and the fault. */
export function verify(graph: Graph): Graph {
  const fault = formFault(graph);
  if (fault !== undefined)
    throw new UserError(`graph ${(graph as Partial<Graph> | null)?.name ?? "without a name"}: ${fault}`);
  const seen = new Set<string>();
  for (const [id, node] of graph.nodes.entries()) {
    const fail = (fault: string): never => {
      throw new UserError(`graph ${graph.name}, node %${id} (${node.op}): ${fault}`);
    };
    if (node.operands.some((operand) => !(Number.isInteger(operand) && operand >= 0 && operand < id))) {
      fail("an operand does not come before it");
    }
    const operands = node.operands.map((operand) => at(graph.nodes, operand));
    if (operands.some(({ op }) => op === "scan") && node.op !== "result") fail("only a result reads a scan");
    try {
      const aval = expectedAval(node, operands);
      if (!sameAval(aval, node.aval)) fail(`it is ${formatAval(node.aval)}, but its op gives ${formatAval(aval)}`);
    } catch (error) {
      fail(messageOf(error));
    }
    if (node.op === "input") {
      if (!graph.inputs.includes(id)) fail(`input ${node.attrs.name} is not among the graph's inputs`);
      if (seen.has(node.attrs.name)) fail(`the name ${node.attrs.name} is taken`);
      seen.add(node.attrs.name);
    }
  }
  if (new Set(graph.inputs).size !== graph.inputs.length)
    throw new UserError(`graph ${graph.name}: an input is listed twice`);
  for (const id of graph.inputs)
    if (graph.nodes[id]?.op !== "input") throw new UserError(`graph ${graph.name}: input %${id} is not an input node`);
  for (const id of graph.outputs)
    if (graph.nodes[id] === undefined) throw new UserError(`graph ${graph.name}: output %${id} does not exist`);
  return graph;
}

function expectedAval(node: Node, operands: readonly Node[]): Aval {
  if (node.op === "scan") {
    verifyScan(node, operands);
    // A scan without results has no aval to check.
    return scanResults(node.attrs)[0] ?? node.aval;
  }
  if (node.op === "result") {
    const scan = operands[0];
    const results = scan?.op === "scan" ? scanResults(scan.attrs) : [];
    const aval = results[node.attrs.index];
    if (aval === undefined) throw new UserError(`result ${node.attrs.index} does not exist`);
    return aval;
  }
  if (node.op === "customGradient") verify(node.attrs.vjp);
  return entryOf(node.op as TableOp).aval(
    operands.map(({ aval }) => aval),
    node.attrs as never,
  );
}

function verifyScan({ attrs }: ScanNode, operands: readonly Node[]): void {
  verify(attrs.body);
  const avalOf = (id: number) => at(attrs.body.nodes, id).aval;
  const expect = (what: string, wanted: Aval, got: Aval | undefined) => {
    if (got === undefined || !sameAval(wanted, got)) {
      throw new UserError(
        `${what} is ${got === undefined ? "missing" : formatAval(got)}, expected ${formatAval(wanted)}`,
      );
    }
  };
  const { consts, carries, xs } = bodyInputs(attrs);
  if (operands.length !== attrs.body.inputs.length)
    throw new UserError(`${operands.length} operands for ${attrs.body.inputs.length} inputs`);
  if (attrs.consts + attrs.carries > operands.length)
    throw new UserError(`${attrs.consts} consts and ${attrs.carries} carries of ${operands.length} operands`);
  consts.forEach((id, i) => {
    expect(`const ${i}`, avalOf(id), operands[i]?.aval);
  });
  carries.forEach((id, i) => {
    expect(`carry ${i}`, avalOf(id), operands[attrs.consts + i]?.aval);
    const out = attrs.body.outputs[i];
    expect(`next carry ${i}`, avalOf(id), out === undefined ? undefined : avalOf(out));
  });
  xs.forEach((id, i) => {
    const { dtype, shape } = avalOf(id);
    expect(`x ${i}`, { dtype, shape: [attrs.length, ...shape] }, operands[attrs.consts + attrs.carries + i]?.aval);
  });
}
