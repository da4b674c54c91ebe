/**
 * @file Trees of tensors: a tensor, a list of trees, or a record of trees. Functions that are differentiated or
 * compiled take and return them; records are walked in the order of their sorted keys.
 */
import { inWords, UserError } from "../graph/errors.ts";
import { Tensor } from "./tensor.ts";

/** A leaf, or a list or record of trees. */
export type Tree<Leaf> = Leaf | readonly Tree<Leaf>[] | { readonly [key: string]: Tree<Leaf> };

/** Returns the tree with each leaf replaced; a `path` is, for example, `layers/0/kernel`. */
export function mapTree<A, B>(
  tree: Tree<A>,
  isLeaf: (x: unknown) => x is A,
  replace: (leaf: A, path: string) => B,
  path = "",
): Tree<B> {
  if (isLeaf(tree)) return replace(tree, path);
  const below = (key: string | number) => (path === "" ? String(key) : `${path}/${key}`);
  if (Array.isArray(tree)) return tree.map((child, i) => mapTree<A, B>(child, isLeaf, replace, below(i)));
  if (typeof tree !== "object" || tree === null) {
    throw new UserError(
      `${path === "" ? "the value" : `the value at ${path}`} is ${inWords(tree)}; expected a tensor, or a list or record of them`,
    );
  }
  const entries = Object.entries(tree as Record<string, Tree<A>>).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([key, child]) => [key, mapTree(child, isLeaf, replace, below(key))]));
}

export function isTensor(x: unknown): x is Tensor {
  return x instanceof Tensor;
}

/** The leaves with their paths, in the order of the walk. */
export function leavesOf<A>(tree: Tree<A>, isLeaf: (x: unknown) => x is A): { path: string; leaf: A }[] {
  const leaves: { path: string; leaf: A }[] = [];
  mapTree(tree, isLeaf, (leaf, path) => leaves.push({ path, leaf }));
  return leaves;
}

/** A tree of the same structure with other leaves, given in the order of the walk. */
export function withLeaves<A, B>(tree: Tree<A>, isLeaf: (x: unknown) => x is A, leaves: readonly B[]): Tree<B> {
  let next = 0;
  return mapTree(tree, isLeaf, () => leaves[next++] as B);
}
