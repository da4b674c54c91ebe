/** @file The result of a search for a tuning in a model file: the tuning and the conditions of the search; reading validates it. */
import { UserError } from "../../compiler/graph/errors.ts";
import { checkedTuning, type Tuning } from "../../compiler/plan/tuning.ts";

/** A tuning, and the adapter and sizes for which it was found. */
export interface Tuned {
  /** The choices of the search. */
  readonly tuning: Tuning;
  /** Name of the adapter that was measured. On others results are just as correct, but the speed may not be optimal. */
  readonly adapter: string;
  /** Rows of the batch that was measured. */
  readonly batch: number;
  /** Time steps of the batch that was measured. */
  readonly time: number;
  /** Speedup over the defaults; 1 if nothing faster was found. */
  readonly speedup: number;
}

const fields: readonly string[] = ["tuning", "adapter", "batch", "time", "speedup"] satisfies (keyof Tuned)[];
const longestName = 200;

/** Reads a tuning from a file. Throws a UserError of one line if it is invalid. */
export function checkedTuned(value: unknown): Tuned {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return damaged("an object");
  const record: Readonly<Record<string, unknown>> = { ...value };
  if (Object.keys(record).some((key) => !fields.includes(key))) damaged(`${fields.join(", ")}, and nothing else`);
  const { adapter, batch, time, speedup } = record;
  // The name is printed on terminals, which interpret control characters.
  if (typeof adapter !== "string" || adapter.length > longestName || /\p{C}/u.test(adapter))
    return damaged("the name of an adapter");
  if (!isCount(batch) || !isCount(time)) return damaged("a batch and a time above 0");
  if (typeof speedup !== "number" || !(speedup > 0 && speedup < Number.POSITIVE_INFINITY))
    return damaged("a speedup above 0");
  return { tuning: checkedTuning(record.tuning), adapter, batch, time, speedup };
}

/** Drops the other results of a search. */
export function onlyTuned({ tuning, adapter, batch, time, speedup }: Tuned): Tuned {
  // A driver can have any name, but a file stores only printable ones.
  const shown = adapter.replace(/\p{C}/gu, "?");
  const name = [...shown].slice(0, shown.length > longestName ? longestName / 2 : longestName).join("");
  return { tuning, adapter: name, batch, time, speedup };
}

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) > 0;

function damaged(expected: string): never {
  throw new UserError(`its tuning is damaged; expected ${expected}`);
}
