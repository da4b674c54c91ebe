/** @file Runs the command line in tests: in this process, which is fast, or as a child process. */
import { type ChildProcess, execFile } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Writable } from "node:stream";
import { fileURLToPath } from "node:url";
import { main } from "../../cli/main.ts";

export interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** `cellgrad ...args` in this process. */
export async function run(...args: string[]): Promise<Outcome> {
  const [stdout, stderr] = [new Collected(), new Collected()];
  const code = await main(args, { stdout, stderr });
  return { code, stdout: stdout.text, stderr: stderr.text };
}

/** A stream that records its output. */
export class Collected extends Writable {
  text = "";
  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.text += chunk.toString();
    done();
  }
}

const bin = fileURLToPath(new URL("../../bin/cellgrad.mjs", import.meta.url));

/** The program itself, as a process in `cwd`; `watch` gets the process while it runs. */
export function start(cwd: string, args: readonly string[], watch?: (child: ChildProcess) => void): Promise<Outcome> {
  return new Promise((resolve) => {
    const child = execFile(process.execPath, [bin, ...args], { cwd }, (error, stdout, stderr) => {
      const code = typeof error?.code === "number" ? error.code : error === null ? 0 : -1;
      resolve({ code, stdout, stderr });
    });
    watch?.(child);
  });
}

/** The JSON lines of an output; every line must be JSON. */
export function jsonLines(text: string): Record<string, unknown>[] {
  return text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

/** A directory outside the clone, with files in it. */
export class Workspace {
  readonly path = mkdtempSync(join(tmpdir(), "cellgrad-test-"));

  constructor(files: Readonly<Record<string, string | Uint8Array>> = {}) {
    for (const [name, content] of Object.entries(files)) this.write(name, content);
  }

  file(name: string): string {
    return join(this.path, name);
  }

  write(name: string, content: string | Uint8Array): string {
    writeFileSync(this.file(name), content);
    return this.file(name);
  }

  /** Names of all files. */
  list(): string[] {
    return readdirSync(this.path, { recursive: true, encoding: "utf8" }).sort();
  }

  remove(): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

/** Sizes that the interpreter trains quickly. */
export const TINY = [
  ...["--device", "interpreter", "--units", "4", "--embed", "3", "--batch", "4", "--time", "6"],
  ...["--steps", "4", "--lr", "0.05"],
];

export const TEXT = "the cat sat on the mat. ".repeat(30);

export const SERIES = `a,b\n${Array.from({ length: 90 }, (_, t) => `${Math.sin(t / 4).toFixed(4)},${Math.cos(t / 4).toFixed(4)}`).join("\n")}\n`;
