/**
 * @file Installs the dependencies of the benchmark (the libraries that cellgrad is compared with), once. Runs before
 * `npm run bench`, so it uses only Node's built-in modules.
 */
import { installOnce } from "../scripts/install-once.mjs";

process.exitCode = installOnce(new URL(".", import.meta.url), "bench", "the libraries that cellgrad is compared with");
