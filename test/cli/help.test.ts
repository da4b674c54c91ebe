/** @file Help and version: available for every command, on standard output, with exit code 0. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { slow } from "../support/some-of.ts";
import { run, start } from "./run.ts";

test("without arguments, and with --help, the commands are listed", async () => {
  const [bare, help] = [await run(), await run("--help")];
  expect(bare).toEqual(help);
  expect(help).toMatchObject({ code: 0, stderr: "" });
  for (const command of ["train", "sample", "forecast", "inspect", "check", "import", "export", "compile", "start"])
    expect(help.stdout).toMatch(new RegExp(`^  ${command} `, "m"));
});

test.each(["train", "sample", "forecast", "inspect", "check", "import", "export", "compile", "start"])(
  "%s --help has examples",
  async (command) => {
    const help = await run(command, "--help");
    expect(help).toMatchObject({ code: 0, stderr: "" });
    expect(help.stdout).toMatch(new RegExp(`^Usage: cellgrad ${command} `));
    expect(help.stdout).toMatch(/\nExamples:\n {2}npx cellgrad /);
    expect(await run("help", command)).toEqual(help);
  },
);

test("defaults are shown", async () => {
  const { stdout } = await run("train", "--help");
  const unbroken = stdout.replace(/\s+/g, " ");
  for (const text of ['(default: "lstm")', "(default: 128)", '(default: "auto")']) expect(unbroken).toContain(text);
});

test("--version is the package's", async () => {
  const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"));
  const outcome = await start("/", ["--version"]);
  expect(outcome).toEqual({ code: 0, stdout: `${version}\n`, stderr: "" });
});

test("a reader that stops early causes no error", slow, async () => {
  const { code, stderr } = await start("/", ["inspect"], (child) => {
    child.stdout?.once("data", () => child.stdout?.destroy());
  });
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
});
