/**
 * @file What `numbers.test.ts` holds in Node, in Deno and headless Chromium.
 *
 * @module-tag slow
 */
import { beforeAll, describe } from "vitest";
import { measureIn } from "./hosts.ts";
import type { Measured } from "./protocol.ts";
import { holdToTable } from "./table.ts";

describe.each(["deno", "chromium"] as const)("%s", (host) => {
  let found: Measured;
  beforeAll(async () => {
    found = await measureIn(host, { device: "software" });
  });
  holdToTable(host, () => found);
});
