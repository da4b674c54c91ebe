/** @file The lock file pins every installed package: one version, by its hash, from the registry. */
import { expect, test } from "vitest";
import { page } from "../docs/pages.ts";

interface Locked {
  readonly version?: string;
  readonly integrity?: string;
  readonly resolved?: string;
  readonly link?: boolean;
}

const { packages } = JSON.parse(page("package-lock.json")) as { packages: Record<string, Locked> };
const { "": root, ...installed } = packages;

test("every package is pinned to one version by its hash, and none comes from elsewhere", () => {
  expect(Object.keys(installed).length).toBeGreaterThan(100);
  const loose = Object.entries(installed).filter(([, { version, integrity, resolved, link }]) => {
    const isFromRegistry = resolved === undefined || resolved.startsWith("https://registry.npmjs.org/");
    return link || !/^\d+\.\d+\.\d+/.test(version ?? "") || !integrity?.startsWith("sha512-") || !isFromRegistry;
  });
  expect(loose).toEqual([]);
});

test("the lock file matches package.json", () => {
  const kinds = ["dependencies", "devDependencies", "peerDependencies"] as const;
  const stated = JSON.parse(page("package.json"));
  for (const kind of kinds) expect((root as Record<string, unknown>)[kind], kind).toEqual(stated[kind]);
});
