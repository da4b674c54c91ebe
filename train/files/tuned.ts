/** @file A tuning with where it was found: what a model keeps of a search, and reads back with distrust. */
import { UserError } from "../../compiler/graph/errors.ts";
import { checkedTuning, type Tuning } from "../../compiler/plan/tuning.ts";

/** A tuning, and where it was found. */
export interface Tuned {
  /** What the search chose. */
  readonly tuning: Tuning;
  /** Name of the adapter that was measured. Elsewhere the results are as right, and the speed may not be the best. */
  readonly adapter: string;
  /** Sizes that were measured: rows side by side, and steps in time. */
  readonly batch: number;
  /** Steps in time. */
  readonly time: number;
  /** How many times as fast as without a tuning; 1 where nothing faster was found. */
  readonly speedup: number;
}

const fields: readonly string[] = ["tuning", "adapter", "batch", "time", "speedup"] satisfies (keyof Tuned)[];
const longestName = 200;

/** Reads what a file says of a tuning. Throws a UserError of one line where it is none. */
export function checkedTuned(value: unknown): Tuned {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return damaged("an object");
  const record: Readonly<Record<string, unknown>> = { ...value };
  if (Object.keys(record).some((key) => !fields.includes(key))) damaged(`${fields.join(", ")}, and nothing else`);
  const { adapter, batch, time, speedup } = record;
  // The name is shown on terminals, which take orders in control characters.
  if (typeof adapter !== "string" || adapter.length > longestName || /\p{C}/u.test(adapter))
    return damaged("the name of an adapter");
  if (!isCount(batch) || !isCount(time)) return damaged("a batch and a time above 0");
  if (typeof speedup !== "number" || !(speedup > 0 && speedup < Number.POSITIVE_INFINITY))
    return damaged("a speedup above 0");
  return { tuning: checkedTuning(record.tuning), adapter, batch, time, speedup };
}

/** Without what else a search tells of. */
export function onlyTuned({ tuning, adapter, batch, time, speedup }: Tuned): Tuned {
  // A driver may call itself anything, and a file keeps what can be shown.
  const shown = adapter.replace(/\p{C}/gu, "?");
  const name = [...shown].slice(0, shown.length > longestName ? longestName / 2 : longestName).join("");
  return { tuning, adapter: name, batch, time, speedup };
}

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) > 0;

function damaged(expected: string): never {
  throw new UserError(`its tuning is damaged; expected ${expected}`);
}
