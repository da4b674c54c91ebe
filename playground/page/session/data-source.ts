/** @file What the worker is given for a choice of data. */
import type { DataSource } from "../../shared/protocol.ts";
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
  }
}
