/**
 * @file `npm run grammar`: makes the parser of .cell files from interchange/equations/cell.grammar. With `--check` only
 * compares it; the tests do.
 */
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { buildParserFile } from "@lezer/generator";

const folder = new URL("../interchange/equations/", import.meta.url);
const file = (name) => fileURLToPath(new URL(name, folder));

/** The texts of parser.ts and parser.terms.ts. */
function madeOfGrammar() {
  const grammar = readFileSync(file("cell.grammar"), "utf8");
  const { parser, terms } = buildParserFile(grammar, { typeScript: true, warn: (warning) => console.error(warning) });
  const about = (what) =>
    `/** @file ${what} of .cell files, which \`npm run grammar\` makes of cell.grammar; do not edit. */\n`;
  const body = (text) => text.replace(/^\/\/ .*\n/gm, "").replace(/"\.\/parser\.terms(?=")/g, '"./parser.terms.ts');
  return {
    "parser.ts": formatted("parser.ts", about("The parser") + body(parser)),
    "parser.terms.ts": formatted("parser.terms.ts", about("The terms") + body(terms)),
  };
}

/** As `npm run format` leaves it. */
function formatted(name, text) {
  const biome = fileURLToPath(new URL("../node_modules/@biomejs/biome/bin/biome", import.meta.url));
  const args = [biome, "check", "--write", `--stdin-file-path=${file(name)}`];
  const { stdout, stderr } = spawnSync(process.execPath, args, { input: text, encoding: "utf8" });
  if (stdout === "") throw new Error(stderr);
  return stdout;
}

const isCheck = process.argv[2] === "--check";
for (const [name, text] of Object.entries(madeOfGrammar())) {
  if (!isCheck) writeFileSync(file(name), text);
  else if (readFileSync(file(name), "utf8") !== text) {
    console.error(`grammar: ${name} is not made of cell.grammar as it is now; run npm run grammar`);
    process.exitCode = 1;
  }
}
