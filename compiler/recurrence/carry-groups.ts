/**
 * @file Which carries of a loop depend on each other. Carries whose next values need each other, directly or through
 * others, form a group and must be computed together. Groups come in an order in which each needs only those before it:
 * a loop of several groups could run as one loop per group, one after the other.
 */
import { at } from "../graph/errors.ts";
import { ancestorsOf, type ScanAttrs } from "../graph/graph.ts";
import { bodyInputs } from "../ops/scan.ts";

/** Positions of carries, in ascending order. */
export type CarryGroup = readonly number[];

/** The strongly connected components of the carries, each after those that it reads (Tarjan 1972). */
export function carryGroups(attrs: ScanAttrs): CarryGroup[] {
  const readBy = readCarries(attrs);
  const order = new Map<number, number>();
  const lowest = new Map<number, number>();
  const open: number[] = [];
  const groups: CarryGroup[] = [];
  const visit = (carry: number): void => {
    const mine = order.size;
    order.set(carry, mine);
    lowest.set(carry, mine);
    open.push(carry);
    for (const read of at(readBy, carry)) {
      if (!order.has(read)) visit(read);
      const reached = open.includes(read) ? lowest.get(read) : undefined;
      lowest.set(carry, Math.min(lowest.get(carry) ?? mine, reached ?? mine));
    }
    if (lowest.get(carry) === mine) groups.push(open.splice(open.indexOf(carry)).sort((a, b) => a - b));
  };
  for (let carry = 0; carry < attrs.carries; carry++) if (!order.has(carry)) visit(carry);
  return groups;
}

/** Whether the next values of a group need the group itself: without that, it is a delay of earlier values. */
export function readsItself(attrs: ScanAttrs, group: CarryGroup): boolean {
  const readBy = readCarries(attrs);
  return group.some((carry) => at(readBy, carry).some((read) => group.includes(read)));
}

/** For each carry, the carries that its next value reads. */
function readCarries(attrs: ScanAttrs): number[][] {
  const { body, carries } = attrs;
  const inputs = bodyInputs(attrs).carries;
  return body.outputs.slice(0, carries).map((next) => {
    const read = ancestorsOf(body, [next]);
    return inputs.flatMap((input, carry) => (read.has(input) ? [carry] : []));
  });
}
