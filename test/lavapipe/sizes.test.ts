/** @file The sizes of `npm run test:lavapipe` need the lanes that they are for; without lavapipe it says so in a line. */
import { spawnSync } from "node:child_process";
import { tmpdir } from "node:os";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { fewOf } from "../support/some-of.ts";
import { plannedSize, sizes } from "./sizes.ts";

fewOf(sizes, (_, i) => i < 2)("$name", (size) => {
  const { wrong, reasons } = plannedSize(size);
  expect(wrong).toEqual([]);
  expect(reasons.filter((reason) => reason.includes("is a row"))).toHaveLength(size.name.includes("is a row") ? 2 : 0);
});

test("lavapipe is not installed", () => {
  const script = fileURLToPath(new URL("../../scripts/lavapipe.mjs", import.meta.url));
  const nowhere = { XDG_DATA_DIRS: tmpdir(), XDG_DATA_HOME: tmpdir(), XDG_CONFIG_HOME: tmpdir() };
  const env = { ...process.env, ...nowhere };
  const { status, stdout, stderr } = spawnSync(process.execPath, [script, "--cells", "1"], { encoding: "utf8", env });
  expect({ status, stdout, stderr }).toEqual({
    status: 0,
    stdout: "lavapipe: not run: it is not installed (Debian: mesa-vulkan-drivers)\n",
    stderr: "",
  });
});
