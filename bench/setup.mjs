/**
 * @file Installs the benchmark's own dependencies (the libraries that cellgrad is compared with), once. Runs before
 * `npm run bench`, so it is limited to what Node itself has.
 */
import { installOnce } from "../scripts/install-once.mjs";

process.exitCode = installOnce(new URL(".", import.meta.url), "bench", "what cellgrad is compared with");
