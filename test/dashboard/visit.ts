import type { TestContext } from "node:test";
import type { Browser, BrowserContextOptions, Page } from "playwright-core";

/** A tab of its own, closed with the test. What the page complains of fails the test. */
export async function visit(
  context: TestContext,
  browser: Browser,
  url: string,
  options: BrowserContextOptions = {},
): Promise<Page> {
  const session = await browser.newContext(options);
  const page = await session.newPage();
  page.setDefaultTimeout(30_000);
  const complaints: string[] = [];
  page.on("pageerror", ({ message }) => complaints.push(message));
  page.on("console", (message) => {
    // A refused request is an answer.
    if (message.type() === "error" && !message.text().startsWith("Failed to load resource")) {
      complaints.push(message.text());
    }
  });
  context.after(async () => {
    await session.close();
    if (complaints.length > 0) throw new Error(`the page complained: ${complaints.join("; ")}`);
  });
  await page.goto(url);
  return page;
}

/** Presses Tab until the focus is on what bears the name; a person without a mouse gets there so. */
export async function tabTo(page: Page, name: string): Promise<void> {
  for (let i = 0; i < 60; i++) {
    await page.keyboard.press("Tab");
    const focused = await page.evaluate(() => {
      const element = document.activeElement as HTMLElement;
      const label = (element as HTMLInputElement).labels?.[0]?.innerText;
      return (label ?? element.innerText).replaceAll(/\s+/g, " ").trim();
    });
    if (focused === name) return;
  }
  throw new Error(`Tab does not lead to "${name}"`);
}
