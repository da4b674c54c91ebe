/** @file Every printed command can be pasted into a shell and does what the output says. */
import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { afterAll, expect, test } from "vitest";
import { invocation, quoted } from "../../cli/invocation.ts";
import { ndarray } from "../../compiler/graph/ndarray.ts";
import { encodeTensors } from "../../entries/files.ts";
import { fewOf, slow } from "../support/some-of.ts";
import { run, start, TEXT, TINY, Workspace } from "./run.ts";

const table = (separator: string, value: (t: number) => string) =>
  `date${separator}price${separator}note\n${Array.from({ length: 60 }, (_, t) => `2024-01-${(t % 28) + 1}${separator}${value(t)}${separator}ok`).join("\n")}\n`;
const filled = (shape: readonly number[]) =>
  ndarray(
    shape,
    Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => (i % 5) / 9),
  );
const rnn = { "rnn.weight_ih_l0": filled([2, 2]), "rnn.weight_hh_l0": filled([2, 2]) };
const dict = (tensors: Parameters<typeof encodeTensors>[0]["tensors"]) => encodeTensors({ tensors, metadata: {} });

const space = new Workspace({
  "text.txt": TEXT,
  "-shop.csv": table(",", (t) => `${100 + (t % 7)}.5`),
  "commas.csv": table(";", (t) => (t % 9 === 4 ? "NA" : `1,${100 + (t % 7)}`)),
  "numbers.csv": `a,b\n${Array.from({ length: 20 }, (_, t) => `${t % 3},${t % 5}`).join("\n")}\n`,
  "text.st": dict({
    ...rnn,
    "embedding.weight": filled([3, 2]),
    "head.weight": filled([3, 2]),
    "head.bias": filled([3]),
  }),
  "numbers.st": dict({ ...rnn, "head.weight": filled([2, 2]), "head.bias": filled([2]) }),
  "symbols.json": '["a", "b", "\\n"]',
  "wrong cell.ts":
    'import { cell, dense, stopGradient, tanh } from "cellgrad";\nexport default cell("wrong", { state: ({ units }) => ({ h: [units] }) }, ({ x, h, units }) => {\n  const next = tanh(dense("d", [x, stopGradient(h)], units));\n  return { state: { h: next }, output: next };\n});\n',
});
afterAll(() => space.remove());
const at = (name: string) => space.file(name);
const numbers = TINY.filter((word, i) => word !== "--embed" && TINY[i - 1] !== "--embed");

/** The words of every command in a text, as a shell splits them; FILE.csv is a placeholder for a table. */
function commandsIn(text: string, file = at("numbers.csv")): string[][] {
  const found = [...text.matchAll(/(?:npx cellgrad|node \S*cellgrad\.mjs) ([^\n]*)/g)];
  return found.map(([, command = ""]) => {
    const words = execFileSync("sh", ["-c", `printf '%s\\0' ${command.replace("FILE.csv", quoted(file))}`], {
      encoding: "utf8",
    });
    return words.split("\0").slice(0, -1);
  });
}

const series = ["--columns", "price", "--out"];
fewOf<readonly [string, string[], number?]>(
  [
    ["a text that was trained on", ["train", at("text.txt"), ...TINY, "--out", at("a text.model")]],
    ["one column of a table", ["train", at("-shop.csv"), ...numbers, ...series, at("shop's.model")]],
    [
      "a table that had to be explained",
      ["train", at("commas.csv"), ...numbers, ...series, at("commas.model"), "--decimal", "comma", "--missing", "last"],
    ],
    [
      "an imported model of text",
      ["import", at("text.st"), "--from", "pytorch", "--vocabulary", at("symbols.json"), "--out", at("imported text")],
    ],
    [
      "an imported model of numbers",
      ["import", at("numbers.st"), "--from", "pytorch", "--columns", "a,b", "--out", at("imported numbers")],
    ],
    ["a text that is to be forecast", ["forecast", at("imported text"), at("numbers.csv")]],
    ["numbers that are to be sampled", ["sample", at("imported numbers")]],
    ["a wrong gradient", ["check", at("wrong cell.ts"), "--cases", "3", "--units", "2"], 1],
  ],
  ([title]) => title !== "a wrong gradient",
)("%s", async (_title, args, code = 0) => {
  const printed = await run(...args);
  const commands = commandsIn(printed.stdout + printed.stderr);
  expect(commands).toHaveLength(1);
  for (const [name = "", ...words] of commands) {
    const again = await run(name, ...words, ...(name === "check" ? [] : ["--device", "interpreter"]));
    expect(again, [name, ...words].join(" ")).toMatchObject({ code, stderr: "" });
    expect(again.stdout.length).toBeGreaterThan(10);
  }
});

test("in a folder with spaces, from the program itself, through a shell", slow, async () => {
  const folder = at("my folder");
  mkdirSync(folder);
  space.write(
    "my folder/it's 1.csv",
    table(",", (t) => String(t % 7)),
  );
  const { stdout } = await start(folder, [
    "train",
    "it's 1.csv",
    ...numbers,
    "--columns",
    "price",
    "--out",
    "my model.st",
  ]);
  const [, command = ""] = /use it with: (.*)\n/.exec(stdout) ?? [];
  expect(command).toMatch(/^node .*bin\/cellgrad\.mjs forecast 'my model\.st' 'it'\\''s 1\.csv'$/);
  const forecast = execFileSync("sh", ["-c", `${command} --device interpreter --horizon 2`], {
    cwd: folder,
    encoding: "utf8",
  });
  expect(forecast).toMatch(/^price\n\S+\n\S+\n$/);
});

test("the program is called as it was started", () => {
  const script = (path: string) => path.replaceAll("/", process.platform === "win32" ? "\\" : "/");
  expect(invocation(script("/home/me/project/node_modules/.bin/cellgrad"))).toBe("npx cellgrad");
  expect(invocation(script("/home/me/project/node_modules/cellgrad/bin/cellgrad.mjs"))).toBe("npx cellgrad");
  expect(invocation(script("/usr/local/bin/cellgrad"))).toBe("cellgrad");
  expect(invocation(script("/home/my clone/bin/cellgrad.mjs"))).toBe("node '/home/my clone/bin/cellgrad.mjs'");
  expect(invocation(undefined)).toBe("npx cellgrad");
  expect(quoted("a b", "win32")).toBe('"a b"');
});

fewOf(["train", "sample", "forecast", "inspect", "check", "import", "export"], (name) => name !== "inspect")(
  "the examples of %s --help use only existing options and values, except for files",
  async (name) => {
    const help = (await run(name, "--help")).stdout;
    const commands = commandsIn(help.replaceAll(/ > \S+$/gm, ""));
    expect(commands.length).toBeGreaterThan(0);
    for (const words of commands) {
      const { code, stderr } = await run(...words);
      if (code !== 0) expect(stderr, words.join(" ")).toMatch(/^cellgrad: \S+: no such file\n$/);
    }
  },
);
