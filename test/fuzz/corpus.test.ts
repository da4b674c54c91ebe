/**
 * @file The corpus: plans of random cells and training runs that once failed, or that once showed a broken compiler, each
 * replayed on every executor, and in the host in which it failed. `npm run fuzz` adds what it finds.
 */
import { expect, test } from "vitest";
import { cpu } from "../support/cpu-executors.ts";
import { device } from "../support/executors.ts";
import { long, someOf } from "../support/some-of.ts";
import { corpus } from "./corpus.ts";
import { replay } from "./fuzz.ts";
import { drivers } from "./hosts.ts";
import type { FuzzEvent } from "./protocol.ts";

const entries = Object.entries(corpus());

/** The interpreter takes seconds for each of these. */
const tooLarge = /^(training-(sign|many|divided)|dropout|nested-loop)/;
someOf(
  entries,
  ([file]) => !tooLarge.test(file),
  (_, i) => [0, 8, 9, 10, 12].includes(i),
)("%s", async (_file, entry) => {
  expect(entry.found).not.toBe("");
  await replay(entry, [cpu]);
});

test.each(entries)("%s on WebGPU", long, (_file, entry) => replay(entry, [device]));

const elsewhere = entries.flatMap(([file, entry]) =>
  entry.host === undefined || entry.host === "node" ? [] : [{ file, entry, host: entry.host }],
);

test.each(elsewhere)("$file in $host", long, async ({ entry, host }) => {
  const events: FuzzEvent[] = [];
  await drivers[host]({ replay: entry }, (event) => events.push(event));
  expect(events).toEqual([{ event: "replayed" }]);
});
