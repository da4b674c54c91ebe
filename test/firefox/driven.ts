/** @file The parts of a driven browser that are used, as its client library has them, and how long anything is waited for. */
import { patience } from "../support/patience.ts";

export interface DrivenPage {
  goto(address: string): Promise<unknown>;
  evaluate(text: string): Promise<unknown>;
  on(event: "pageerror", hear: (error: { message: string }) => void): unknown;
  locator(selector: string): { click(): Promise<void> };
  readonly keyboard: {
    down(key: "Control"): Promise<void>;
    up(key: "Control"): Promise<void>;
    press(key: "a"): Promise<void>;
  };
  screenshot(options: { path: string }): Promise<unknown>;
  setViewport(size: { width: number; height: number }): Promise<void>;
  setDefaultTimeout(milliseconds: number): void;
  close(): Promise<void>;
}

export interface DrivenBrowser {
  newPage(): Promise<DrivenPage>;
  process(): { readonly pid?: number | undefined } | null;
}

/** A page, and its uncaught errors. */
export async function openDriven(browser: DrivenBrowser): Promise<{ page: DrivenPage; complaints: string[] }> {
  const page = await browser.newPage();
  page.setDefaultTimeout(patience);
  const complaints: string[] = [];
  page.on("pageerror", ({ message }) => complaints.push(message));
  return { page, complaints };
}

/** What is seen once it is as wanted; a busy machine takes its time. */
export async function until<T>(look: () => T | Promise<T>, isWanted: (seen: T) => boolean, what: string): Promise<T> {
  const end = performance.now() + patience;
  for (;;) {
    const seen = await look();
    if (isWanted(seen)) return seen;
    if (performance.now() > end) throw new Error(`${what}: it never came; last seen: ${JSON.stringify(seen)}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
