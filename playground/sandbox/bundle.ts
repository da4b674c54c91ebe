/**
 * @file Makes the sandbox's worker, the library included, into one script, and gives the page its text: the sandbox has
 * no network, so the script is handed to it.
 */
import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build, type Plugin, type UserConfig } from "vite";

const NAME = "virtual:sandbox-script";
const at = (path: string) => fileURLToPath(new URL(path, import.meta.url));

/** `resolve` is how the page itself finds the library. */
export function sandboxBundle(resolve: UserConfig["resolve"]): Plugin {
  return {
    name: "sandbox-script",
    resolveId: (id) => (id === NAME ? `\0${NAME}` : undefined),
    async load(id) {
      if (id !== `\0${NAME}`) return undefined;
      for (const folder of ["../../compiler", "../../cells", "../../shaders", "../../devices", "../../train", "."]) {
        for (const file of readdirSync(at(folder), { recursive: true, encoding: "utf8" })) {
          if (file.endsWith(".ts")) this.addWatchFile(at(`${folder}/${file}`));
        }
      }
      return `export default ${JSON.stringify(await bundle(resolve))};`;
    },
  };
}

/** One module that imports nothing: where it runs, there is nowhere to import from. */
async function bundle(resolve: UserConfig["resolve"]): Promise<string> {
  const result = await build({
    configFile: false,
    logLevel: "warn",
    ...(resolve && { resolve }),
    build: {
      write: false,
      target: "es2022",
      lib: { entry: at("./worker.ts"), formats: ["es"], fileName: "sandbox" },
      rolldownOptions: { output: { codeSplitting: false } },
    },
  });
  const output = [result].flat().flatMap((one) => ("output" in one ? one.output : []));
  const [chunk, ...others] = output.filter((one) => one.type === "chunk");
  if (chunk === undefined || others.length > 0)
    throw new Error(`the sandbox's script is of ${output.length} pieces, not one`);
  return chunk.code;
}
