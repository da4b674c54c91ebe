/**
 * @file What the playground shows, in Chromium: equations, legends, examples, messages; for everyone, on any screen.
 *
 * @module-tag slow
 */
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { launchBrowser } from "../support/browser.ts";
import { buildPlayground, figureOf, openPlayground, type Site, writeSource } from "../support/playground.ts";
import { long } from "../support/some-of.ts";

let site: Site;
let browser: Browser;

beforeAll(async () => {
  [site, browser] = await Promise.all([buildPlayground(), launchBrowser()]);
});

afterAll(() => browser?.close());

const mine = `import { add, cell, dense, mul, oneMinus, sigmoid, tanh } from "cellgrad";

export default cell("mine", { state: ({ units }) => ({ h: [units] }) }, ({ x, h, units }) => {
  const f = sigmoid(dense("forget", [h, x], units));
  const n = tanh(dense("candidate", [mul(f, h), x], units));
  const next = add(mul(oneMinus(f), h), mul(f, n));
  return { state: { h: next }, output: next };
});
`;

const press = (page: Page, name: string | RegExp) => page.getByRole("button", { name, exact: true }).click();
/** What comes to hold, though a busy machine takes its time. */
const eventually = <T>(look: () => T | Promise<T>) => expect.poll(look);

test("the cell's equations are typeset beside the drawing, in its gates' colours, and follow what is typed", async () => {
  const { page, complaints } = await openPlayground(browser, site);
  const tex = page.locator(".formula annotation");
  await eventually(() => tex.textContent()).toContain("\\circ \\tanh(c_t)");
  await writeSource(page, mine);
  await eventually(() => tex.textContent()).toMatch(
    /U_\{\\mathrm\{forget\}\} h_\{t-1\} \+ W_\{\\mathrm\{forget\}\} x_t/,
  );
  const inks = (place: string) =>
    page.locator(`${place} [style*="color: color-mix"]`).evaluateAll((all) => all.map((one) => one.textContent));
  const gates = ["forget", "candidate", "forget", "forget", "forget", "candidate"];
  expect(await inks(".formula .katex-html")).toEqual(gates.map((name) => expect.stringContaining(name)));
  // Its letters are there: the page's policy lets its own fonts load.
  expect(await page.evaluate("document.fonts.check('16px KaTeX_Math')")).toBe(true);
  await writeSource(page, mine.replace("mul(f, n)", "mul(f, "));
  await eventually(() => page.locator(".equations").getAttribute("class")).toContain("outdated");
  expect(complaints).toEqual([]);
  await page.close();
});

test("a cell becomes equations, whose faults are underlined; by a link they run without a question", async () => {
  const { page, complaints } = await openPlayground(browser, site);
  const source = page.getByLabel("Source of the cell");
  await eventually(() => page.locator(".formula annotation").textContent()).toContain("\\circ \\tanh(c_t)");
  await press(page, "As equations");
  await eventually(() => source.innerText()).toContain("h_t = o_t ∘ tanh(c_t)");
  await eventually(() => page.locator(".diagram .part-gate").count()).toBe(4);
  await eventually(() => page.getByRole("button", { name: "As equations" }).count()).toBe(0);
  await writeSource(page, "# gated: two equations\nz_t = σ(W_z [x_t, h_{t-1}] + b_z\nh_t = z_t ∘ h_{t-1}\n");
  await eventually(() => page.locator(".faults").textContent()).toBe("Line 2: this bracket is not closed");
  await writeSource(page, "# gated: two equations\nz_t = σ(W_z [x_t, h_{t-1}] + b_z)\nh_t = z_t ∘ k_{t-1}\n");
  await eventually(() => page.locator(".cm-lintRange-error").allTextContents()).toEqual(["k_"]);
  await writeSource(page, "# gated: two equations\nz_t = σ(W_z [x_t, h_{t-1}] + b_z)\nh_t = z_t ∘ h_{t-1} + W x_t\n");
  await eventually(() => page.locator(".faults").textContent()).toBe("");
  await press(page, "Share");
  await eventually(() => page.url()).toMatch(/#cell=gated\.[\w-]+$/);
  const { hash } = new URL(page.url());
  expect(complaints).toEqual([]);
  await page.close();

  const { page: other, complaints: others } = await openPlayground(browser, site, { hash });
  await other.locator(".diagram .part-gate").first().waitFor();
  expect(await other.getByRole("button", { name: "Run it" }).count()).toBe(0);
  await press(other, "Train");
  await eventually(() => figureOf(other, "Step")).toBeGreaterThanOrEqual(1);
  expect(others).toEqual([]);
  await other.close();
});

test("an operator on tensors and a misspelt name are told with what to write instead", async () => {
  const { page } = await openPlayground(browser, site);
  const fault = page.locator(".faults");
  const underlined = page.locator(".cm-lintRange-error");
  await writeSource(page, mine.replace("add(mul(oneMinus(f), h), mul(f, n))", "(1 - f) * h + f * n"));
  await eventually(() => fault.textContent()).toBe(
    "Line 6: (1 - f) * h + f * n: operators of JavaScript know no tensors; write add(mul(sub(1, f), h), mul(f, n))",
  );
  await eventually(() => underlined.allTextContents()).toEqual(["(1 - f) * h + f * n"]);
  await writeSource(page, mine.replace("f = sigmoid(", "f = sigmod("));
  await eventually(() => fault.textContent()).toBe("Line 4: sigmod is not defined; did you mean sigmoid?");
  await writeSource(page, mine.replace("sigmoid,", "sigmod,"));
  await eventually(() => fault.textContent()).toBe("Line 1: cellgrad has no export sigmod; did you mean sigmoid?");
  await writeSource(page, mine.replace('forget", [h, x], units)', 'forget", [h, x], units, { bais: 1 })'));
  await eventually(() => fault.textContent()).toMatch(/^Line 4: .*there is no option bais; did you mean bias\?$/);
  await page.close();
});

test("a file that looks like a table is offered as a series, and too few rows are reported in the page's words", async () => {
  const { page } = await openPlayground(browser, site);
  await page.getByLabel("Learn from").selectOption("own");
  const rows = Array.from({ length: 60 }, (_, i) => `${i},${Math.sin(i).toFixed(3)}`).join("\n");
  const file = { name: "measured.txt", mimeType: "", buffer: Buffer.from(`step,height\n${rows}\n`) };
  await page.getByLabel("File to learn from").setInputFiles(file);
  await eventually(() => page.locator(".notice").allTextContents()).toContainEqual(
    expect.stringMatching(/^measured\.txt looks like a table/),
  );
  await page.getByRole("button", { name: "Use it as a series" }).click();
  await eventually(() => page.locator(".data .about").first().textContent()).toBe("60 rows of step, height");
  await page.getByRole("button", { name: "Train", exact: true }).click();
  await eventually(() => page.locator(".training-panel .problem").textContent()).toMatch(
    /too few for “Batch” 16 × “Steps back” 32.*make “Batch” or “Steps back” smaller$/,
  );
  await page.close();
});

test("an example opens its cells, and one press brings one's own work back", async () => {
  const { page, complaints } = await openPlayground(browser, site);
  await writeSource(page, mine);
  await eventually(() => page.locator(".cell-tab").allTextContents()).toEqual(["mine"]);
  const cards = page.locator("button.example");
  await press(page, "Examples");
  await cards.nth(1).click();
  await eventually(() => page.locator(".cell-tab").count()).toBe(2);
  await press(page, "Undo");
  await eventually(() => page.locator(".cell-tab").allTextContents()).toEqual(["mine"]);
  expect(await page.getByLabel("Learn from").inputValue()).toBe("documentation");
  expect(complaints).toEqual([]);
  await page.close();
});

test("each example opens its cells with their data and settings and trains", long, async () => {
  const { page, complaints } = await openPlayground(browser, site);
  const cards = page.locator("button.example");
  const count = await cards.count();
  expect(count).toBeGreaterThan(5);
  for (let i = 0; i < count; i++) {
    await press(page, "Examples");
    const [names = "", data = ""] = ((await cards.nth(i).locator("small").textContent()) ?? "").split(" · ");
    // A sentence that ends as one.
    expect(await cards.nth(i).locator("span").textContent()).toMatch(/^[A-Z].*\.$/);
    await cards.nth(i).click();
    await eventually(async () =>
      (await page.locator(".cell-tab > button:first-child").allTextContents()).join(", "),
    ).toBe(names);
    await eventually(() => page.locator(".faults").textContent()).toBe("");
    const learnsFrom = await page.getByLabel("Learn from").inputValue();
    expect(learnsFrom).toBe(data === "text" ? "documentation" : data);
    await press(page, /^Train( the changes)?$/);
    const last = page.locator(".figures tbody tr").last();
    await eventually(() => last.textContent()).toContain(names.split(", ").at(-1));
    await eventually(() => last.locator("td").nth(2).textContent()).toMatch(/\d/);
    if (i < count - 1) await press(page, "Pause");
  }
  expect(await page.locator(".training-panel .problem").textContent()).toBe("");
  expect(complaints).toEqual([]);
  await page.close();
});

test("curves, columns and gates have legends, and losses their units", async () => {
  const { page } = await openPlayground(browser, site);
  const unit = page.locator(".curves h3 small").first();
  await press(page, "Train");
  await eventually(() => figureOf(page, "Step")).toBeGreaterThan(0);
  await eventually(() => unit.textContent()).toBe("nats per character");
  const lines = page.getByLabel("Lines of the plot").locator("li");
  await eventually(() => lines.allTextContents()).toEqual([
    "in training",
    "held out from training",
    expect.stringMatching(/^knowing nothing4\.\d+$/),
  ]);
  await page.getByLabel("Length", { exact: true }).fill("12");
  await press(page, "Write");
  await page.locator(".heat-map figcaption").first().waitFor();
  const scales = await page.locator(".heat-map .scale").allTextContents();
  expect(scales).toEqual(expect.arrayContaining(["gate, 01", "gate, -11", expect.stringMatching(/^state, -?[\d.]+/)]));
  // What the bar of a gate says at its end is the colour of its dot.
  const ramp = page.locator(".heat-map figure", { hasText: "forget" }).locator(".ramp");
  expect(await ramp.getAttribute("style")).toMatch(/var\(--gate-1\) 0%.*var\(--gate-1\) 100%/);

  await page.getByLabel("Learn from").selectOption("noisy-sine");
  await eventually(() => page.locator(".data .about").first().textContent()).toMatch(/sine/);
  await press(page, /^Train( the changes)?$/);
  await eventually(() => unit.textContent()).toBe("mean squared error, in variances of each column");
  await press(page, "Write");
  const columns = page.getByLabel("Columns of the data").locator("li");
  await eventually(() => columns.allTextContents()).toEqual(["y, read", "y, forecast"]);
  await page.getByRole("tab", { name: "Gradient flow" }).click();
  await eventually(() => page.getByLabel("Curves of the plot").locator("li").count()).toBe(2);
  // Places in the IR are lines of the cell, and not of the page's scripts.
  await page.getByRole("tab", { name: "Compiled" }).click();
  const ir = page.locator(".code .cm-content");
  await eventually(() => ir.textContent()).toMatch(/\/\/ cell\.ts:\d+/);
  expect(await ir.textContent()).not.toContain("http:");
  await page.close();
});
