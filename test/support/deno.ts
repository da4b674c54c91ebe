/** @file Runs Deno, which comes from npm. */
import { execFile } from "node:child_process";
import { createRequire } from "node:module";

/** The script that runs Deno, for Node. */
export const denoProgram = createRequire(import.meta.url).resolve("deno/bin.cjs");

export interface DenoOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
}

export interface DenoOutput {
  readonly failed: boolean;
  readonly stdout: string;
  readonly stderr: string;
}

/** `deno ...args`, whatever its exit code. */
export function denoOutput(args: readonly string[], options: DenoOptions = {}): Promise<DenoOutput> {
  const env = { ...process.env, NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1", ...options.env };
  const settings = { cwd: options.cwd, env, maxBuffer: 2 ** 26 };
  return new Promise((resolve) => {
    execFile(process.execPath, [denoProgram, ...args], settings, (error, stdout, stderr) =>
      resolve({ failed: error !== null, stdout, stderr }),
    );
  });
}

/** Standard output of `deno ...args`. Rejects, with standard error in the message, where it fails. */
export async function deno(args: readonly string[], options: DenoOptions = {}): Promise<string> {
  const { failed, stdout, stderr } = await denoOutput(args, options);
  if (failed) throw new Error(`deno ${args.join(" ")}: ${stderr}`);
  return stdout;
}
