/**
 * @file A Python with pinned packages, for checks against programs that are written in it: a virtual environment below
 * node_modules/.cache, made once.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));

/** A Python that the pinned versions run on. */
function findPython() {
  for (const name of ["python3", "python3.13", "python3.12", "python3.11", "python"]) {
    const { status, stdout } = spawnSync(
      name,
      ["-c", "import sys, venv, ensurepip; print(sys.version_info >= (3, 11))"],
      {
        encoding: "utf8",
      },
    );
    if (status === 0 && stdout.trim() === "True") return name;
  }
  return undefined;
}

/**
 * The interpreter of a virtual environment `name` with the packages of a requirements file. Where that cannot be had,
 * `notRun`, which must not return, is told why.
 */
export function pythonWith(name, requirements, notRun) {
  const text = readFileSync(requirements, "utf8");
  const cache = join(root, "node_modules/.cache");
  const folder = join(cache, `${name}-${createHash("sha256").update(text).digest("hex").slice(0, 12)}`);
  const inside = (at) => join(at, process.platform === "win32" ? "Scripts/python.exe" : "bin/python");
  if (existsSync(join(folder, "complete"))) return inside(folder);
  const python = findPython();
  if (python === undefined)
    notRun("there is no Python 3.11 or later with venv; install one, or name one with --python FILE");
  console.log(`installing ${text.trim().split("\n").join(", ")} into ${folder}, once …`);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(cache, { recursive: true });
  const made = spawnSync(python, ["-m", "venv", folder], { encoding: "utf8" });
  if (made.status !== 0) notRun(`${python} -m venv failed: ${lastLine(made)}`);
  const pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--retries", "2", "-r", requirements];
  const installed = spawnSync(inside(folder), pip, { encoding: "utf8" });
  if (installed.status !== 0) {
    rmSync(folder, { recursive: true, force: true });
    notRun(`pip could not install the packages: ${lastLine(installed)}`);
  }
  writeFileSync(join(folder, "complete"), "");
  return inside(folder);
}

function lastLine({ stderr, error }) {
  return error?.message ?? (stderr ?? "").trim().split("\n").at(-1) ?? "";
}
