/** @file What the worker is given for a choice of data. */
import type { DataSource } from "../../shared/protocol.ts";
import { byteSize } from "../numbers.ts";
import type { DataChoice } from "./workspace.ts";

export const documentationName = "this project's documentation";

export async function sourceOf(choice: DataChoice): Promise<DataSource> {
  switch (choice.kind) {
    case "documentation": {
      const { documentation } = await import("./documentation.ts");
      return { kind: "text", name: documentationName, text: documentation };
    }
    case "task":
      return { kind: "task", name: choice.name, parameters: choice.parameters };
    case "text":
    case "csv":
      return { kind: choice.kind, name: choice.name, text: choice.text };
    case "missing":
      throw new Error(missingInWords(choice));
  }
}

/** Which data are asked for, and why they are not here. */
export function missingInWords({ name, size, from }: Extract<DataChoice, { kind: "missing" }>): string {
  const why = {
    link: `This link was made with ${name} (${byteSize(size)}), which is too large for a link`,
    visit: `You last learned from ${name} (${byteSize(size)}), which is too large to be kept`,
  };
  return `${why[from]}: choose that file below, or something else to learn from.`;
}
