/** @file The README's example runs. Its lists and figures are those of docs/, where tests compare them with the sources. */
import { expect, test } from "vitest";
import { blocks, logged, page, replaced } from "./pages.ts";

const readme = page("README.md");

test("the example trains, as it stands but for fewer epochs and units", async () => {
  const [example = ""] = blocks(readme, "ts");
  const short = replaced(replaced(example, "epoch <= 10", "epoch <= 2"), "units: 32", "units: 8");
  const lines = await logged(short);
  const losses = lines.map((line) => Number(/^epoch \d+: held-out loss (\d\.\d\d)$/.exec(line)?.[1]));
  expect(losses).toHaveLength(2);
  const [first = Number.NaN, second = Number.NaN] = losses;
  expect(first).toBeLessThan(Math.log(57));
  expect(second).toBeLessThan(first);
});

test("the test command is npm test", () => {
  expect(readme).toMatch(/npm test/);
});
