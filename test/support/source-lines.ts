/** @file The lines of the built-in cells; lines of tests are not shown. */
import { sourceLines as linesOnDisk } from "../../disk/source-lines.ts";

const lineAt = linesOnDisk();

/** The text of the line at a site such as `cells/gru.ts:12`. */
export function sourceLines(site: string): string | undefined {
  return site.startsWith("cells/") ? lineAt(site) : undefined;
}
