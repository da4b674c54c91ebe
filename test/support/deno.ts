/** @file Runs Deno, which comes from npm. It may not load code from the network. */
import { execFile } from "node:child_process";
import { createRequire } from "node:module";
import { promisify } from "node:util";

const bin = createRequire(import.meta.url).resolve("deno/bin.cjs");

export interface DenoOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** `deno ...args`; standard output. Rejects, with standard error in the message, where it fails. */
export async function deno(args: readonly string[], options: DenoOptions = {}): Promise<string> {
  const { stdout } = await promisify(execFile)(process.execPath, [bin, ...args], {
    cwd: options.cwd,
    env: { ...process.env, NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1", ...options.env },
    maxBuffer: 2 ** 26,
  });
  return stdout;
}
