/** @file Writes several files into a folder, which is made if there is none. */
import { mkdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { UserError } from "../compiler/graph/errors.ts";
import { fileFault } from "../disk/file-faults.ts";
import { prepareOutput } from "./model-output.ts";

/** Writes the files by name, none of which may be `input`; returns their paths. */
export async function writeFolder(
  out: string,
  contents: Readonly<Record<string, Uint8Array>>,
  input: string,
): Promise<string[]> {
  await makeFolder(out);
  // All output paths are checked before the first file is written.
  const files = await Promise.all(
    Object.entries(contents).map(async ([name, bytes]) => ({
      output: await prepareOutput(join(out, name), input),
      bytes,
    })),
  );
  for (const { output, bytes } of files) await output.write(bytes);
  return files.map(({ output }) => output.path);
}

async function makeFolder(path: string): Promise<void> {
  if (path === "") throw new UserError("--out is empty; give the name of a folder");
  const found = await stat(path).catch(() => undefined);
  if (found?.isDirectory()) return;
  if (found !== undefined) throw new UserError(`--out ${path} is not a folder; give the name of one`);
  await mkdir(path, { recursive: true }).catch((error: unknown) => {
    throw fileFault(`--out ${path}`, error);
  });
}
