/**
 * @file The cells to start from: all of the zoo, in its order. Their sources are the library's own files, read as the page
 * is built (see zoo-sources.ts), so there is one copy of each.
 */
import zoo from "virtual:zoo";
import type { Preset } from "./preset.ts";

export type { Preset } from "./preset.ts";

export const presets: readonly Preset[] = zoo;

export const firstPreset = "lstm";
