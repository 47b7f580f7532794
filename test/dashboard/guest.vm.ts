import assert from "node:assert/strict";
import { test } from "node:test";
import type { Locator, Page } from "playwright-core";
import { ATTACH_LINES, attach, LINK_LOST_LINES } from "../vm/attachment.ts";
import { blockDevice } from "../vm/disk.ts";
import type { Guest } from "../vm/guest.ts";
import { inputEvents } from "../vm/input-events.ts";
import { play } from "../vm/scenario.ts";
import { keyEvents } from "../vm/scenarios/typing.ts";
import { prepareTestBed } from "../vm/test-bed.ts";
import { openBrowser } from "./chromium.ts";
import { ServedDashboard } from "./served-dashboard.ts";
import { visit } from "./visit.ts";

const GADGETS = ["disk,size=64M,serial=disk", "keyboard,serial=keyboard"];
const EV_KEY = 1;
/** What it takes to type it, Enter behind it. */
const TEXT = "usb Ferry!";

test("the dashboard shows what a real guest does, and acts on it", async (context) => {
  const browser = await openBrowser();
  context.after(() => browser.close());
  const bed = await prepareTestBed((line) => context.diagnostic(line));
  const served = await ServedDashboard.start(
    context,
    GADGETS.flatMap((gadget) => ["--gadget", gadget]),
  );
  const page = await visit(context, browser, served.link);
  const guest = await bed.boot({ kernel: "6.12", modules: ["vhci-hcd"] });
  try {
    await play(
      {
        name: "a guest in the dashboard",
        timeoutMs: 240_000,
        expected: [
          ...ATTACH_LINES,
          ...LINK_LOST_LINES,
          { pattern: /^sd .*: \[sd\w+\] /, reason: "the disk is taken away" },
        ],
        run: () => use(guest, page, served.port),
      },
      guest,
    );
  } finally {
    await guest.stop();
  }
});

function device(page: Page, name: string): Locator {
  return page.getByRole("article", { name, exact: true });
}

async function use(guest: Guest, page: Page, port: number): Promise<void> {
  const [disk, keyboard] = await attach(guest, port, ["disk", "keyboard"]);
  await device(page, "Disk").getByText("In use by this machine").waitFor();
  await figuresMove(guest, page, await blockDevice(guest, disk!.sysfsName));

  const { events, stop } = await inputEvents(guest, keyboard!);
  await page.getByRole("button", { name: "Type ... on Keyboard" }).click();
  await page.getByLabel("Text, of a US keyboard").fill(TEXT);
  await page.getByRole("button", { name: "Type it" }).click();
  const expected = keyEvents(`${TEXT}\n`);
  const seen = (): [number, number][] =>
    events.filter(({ type }) => type === EV_KEY).map(({ code, value }) => [code, value]);
  await guest.waitFor("the last key", () => seen().length >= expected.length, 20_000).finally(stop);
  assert.deepEqual(seen(), expected);
  await page.keyboard.press("Escape");

  await page.getByRole("button", { name: "Disconnect Disk" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Disconnect" }).click();
  await isGone(guest, disk!.sysfsName);
  await device(page, "Disk").getByText("Shared, free").waitFor();

  await page.getByRole("button", { name: "Unplug Keyboard" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Unplug" }).click();
  await isGone(guest, keyboard!.sysfsName);
  await device(page, "Keyboard").waitFor({ state: "detached" });
}

async function isGone(guest: Guest, sysfsName: string): Promise<void> {
  await guest.waitFor(`${sysfsName} to be gone`, `! test -e /sys/bus/usb/devices/${sysfsName}`);
}

/** While it is read its rates are above nothing, its URBs count up, and their latencies are told. */
async function figuresMove(guest: Guest, page: Page, node: string): Promise<void> {
  const disk = device(page, "Disk");
  const reading = await guest.spawn(
    ["sh", "-c", `while dd if=${node} of=/dev/null bs=64k iflag=direct 2>/dev/null; do :; done`],
    () => {},
  );
  try {
    await disk.getByText(/^[1-9][\d.]* [KM]B\/s$/).waitFor();
    await disk.getByText(/^[1-9][\d.,]* URB\/s$/).waitFor();
    await disk.getByRole("button", { name: "Disk", exact: true }).click();
    const row = disk.getByRole("row", { name: /^Endpoint 1 IN/ });
    await row.waitFor();
    const cells = await row.getByRole("cell").allInnerTexts();
    assert.match(cells.slice(2, 5).join(" "), /^[\d.]+ (µs|ms) [\d.]+ (µs|ms) [\d.]+ (µs|ms)$/);
    const count = Number(cells[5]!.replaceAll(",", ""));
    assert(count > 0);
    await page.waitForFunction((last) => {
      const all = document.querySelectorAll<HTMLElement>("table tbody tr td:nth-child(7)");
      return Array.from(all).some((cell) => Number(cell.innerText.replaceAll(",", "")) > last);
    }, count);
    await disk.getByRole("img", { name: /^At most [\d.]+ [KM]B\/s in the last minute$/ }).waitFor();
  } finally {
    await reading.kill("SIGKILL");
    await reading.exit;
  }
  await disk.getByText("0 B/s").first().waitFor();
}
