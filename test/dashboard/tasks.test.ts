import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { Browser, Page } from "playwright-core";
import { HEADER, submit } from "../fuzz/usbip-message.ts";
import { Peer, to } from "../hostile/peer.ts";
import { SteadySession } from "../hostile/steady-session.ts";
import { HUB, KEYBOARD, SysfsTree } from "../support/sysfs-tree.ts";
import { usbferry } from "../support/usbferry.ts";
import { openBrowser } from "./chromium.ts";
import { ServedDashboard } from "./served-dashboard.ts";
import { tabTo, visit } from "./visit.ts";

let browser: Browser;
before(async () => {
  browser = await openBrowser();
});
after(() => browser.close());

function device(page: Page, name: string) {
  return page.getByRole("article", { name, exact: true });
}

function told(page: Page, text: string) {
  return page.getByRole("status").getByText(text);
}

test("whoever comes first is led to a device in a guest, by keyboard alone", async (context) => {
  const served = await ServedDashboard.start(context, []);
  const page = await visit(context, browser, served.link);
  await page.getByRole("heading", { name: "Next: share a device" }).waitFor();
  assert.equal(new URL(page.url()).hash, "", "the token does not stay in the address");
  await tabTo(page, "Plug in a simulated keyboard");
  await page.keyboard.press("Enter");
  await page.getByRole("dialog", { name: "Plug in a simulated device" }).waitFor();
  await tabTo(page, "Plug it in");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Next: take Keyboard in a guest" }).waitFor();
  await page.getByText(`sudo usbferry attach tcp:127.0.0.1:${served.port} keyboard`).first().waitFor();

  const peer = await Peer.connect(served.port);
  const devid = await peer.import("keyboard");
  peer.send(to(devid, submit({ seqnum: 1, ep: 0, length: 0, setup: "0009010000000000" })));
  await peer.read(HEADER);
  await device(page, "Keyboard").getByText("In use by this machine").waitFor();
  await tabTo(page, "Type ... on Keyboard");
  await page.keyboard.press("Enter");
  await page.getByLabel("Text, of a US keyboard").waitFor();
  await page.keyboard.type("q");
  await tabTo(page, "Type it");
  await page.keyboard.press("Enter");
  await told(page, "Typed 2 keys on keyboard.").waitFor();
  const keys: string[] = [];
  for (let seqnum = 2; seqnum < 6; seqnum++) {
    peer.send(to(devid, submit({ seqnum, ep: 1, in: true, length: 8 })));
    keys.push((await peer.read(HEADER + 8)).toString("hex", HEADER + 2, HEADER + 3));
  }
  assert.deepEqual(keys, ["14", "00", "28", "00"]);
  await page.keyboard.press("Escape");
  await page.getByRole("dialog").waitFor({ state: "detached" });

  await tabTo(page, "Disconnect Keyboard");
  await page.keyboard.press("Enter");
  await page.getByRole("dialog", { name: "Take Keyboard from this machine?" }).waitFor();
  await tabTo(page, "Disconnect");
  await page.keyboard.press("Enter");
  await peer.closed();
  await device(page, "Keyboard").getByText("Shared, free").waitFor();
});

test("devices of this machine stand below their hubs, and are shared and kept by mouse", async (context) => {
  const tree = new SysfsTree();
  context.after(() => tree.remove());
  tree.plug({
    name: "1-1",
    devnum: 2,
    descriptors: HUB,
    product: "Hub",
    interfaces: { 0: "hub" },
    speed: "12",
  });
  tree.plug({
    name: "1-1.2",
    devnum: 3,
    descriptors: KEYBOARD,
    manufacturer: "Acme",
    product: "Keys",
    interfaces: { 0: "usbhid" },
  });
  tree.plug({ name: "1-1.4", devnum: 4, product: "Stick\u202e<b>", serial: "A1" });
  const served = await ServedDashboard.start(context, [], { USBFERRY_ROOT: tree.folder });
  const page = await visit(context, browser, served.link);
  const stick = device(page, "Stick<b>");
  await page
    .locator("li:has(> article[aria-label='Hub'])")
    .getByRole("article", { name: "Stick<b>" })
    .waitFor();

  await stick.getByRole("button", { name: "Share Stick<b>" }).focus();
  await page.keyboard.press("Enter");
  await told(page, "Stick<b> is shared from now on.").waitFor();
  await stick.getByText("Shared, free").waitFor();
  // The button that had the focus is gone, and what comes next is not at the top of the page.
  await page.waitForFunction(() => document.activeElement!.closest("article")?.ariaLabel === "Stick<b>");
  await stick.getByRole("button", { name: "Stick<b>", exact: true }).click();
  await stick.getByText("you share it (bound)").waitFor();
  await stick.getByLabel("Nickname").fill("2 sticks");
  await stick.getByRole("button", { name: "Save the nickname" }).click();
  await told(page, '"2 sticks" is no nickname').waitFor();
  await stick.getByLabel("Nickname").fill("archive");
  await page.keyboard.press("Enter");
  await stick.locator(".tag").getByText("archive").waitFor();
  assert.match(
    usbferry(["nickname", "list"], { USBFERRY_STATE: join(served.folder, "state") }).stdout,
    /^archive +46f4:0001:A1$/m,
  );
  await stick.getByLabel("Nickname").fill("");
  await page.keyboard.press("Enter");
  await stick.locator(".tag").waitFor({ state: "detached" });
  await stick.getByRole("button", { name: "Stop sharing Stick<b>" }).click();
  await stick.getByText("In use here (usb-storage)").waitFor();

  const keys = device(page, "Acme Keys");
  await keys.getByRole("button", { name: "Share Acme Keys" }).click();
  const question = page.getByRole("dialog", { name: "Share Acme Keys all the same?" });
  await question.getByText("is the last keyboard of this machine").waitFor();
  await question.getByRole("button", { name: "Share it" }).click();
  await keys.getByText("Shared, free").waitFor();
});

test("the image of a disk is chosen among the files of the host", async (context) => {
  const served = await ServedDashboard.start(context, []);
  writeFileSync(join(served.folder, "stick.img"), new Uint8Array(4096));
  writeFileSync(join(served.folder, "letter.txt"), "hello");
  const page = await visit(context, browser, served.link);
  await page.getByRole("button", { name: "Plug in a simulated device" }).click();
  await page.getByLabel("Kind").selectOption("disk");
  await page.getByRole("button", { name: "The folder above" }).waitFor();
  assert.equal(await page.getByText("letter.txt").count(), 0);
  await page.getByRole("button", { name: /^stick\.img/ }).click();
  assert.equal(await page.getByLabel("Path").inputValue(), join(served.folder, "stick.img"));
  await page.getByText("Options").click();
  await page.getByLabel("Write protected.").check();
  await page.getByRole("button", { name: "Plug it in" }).click();
  await told(page, "disk is plugged in and shared.").waitFor();
  await device(page, "Disk").getByText("Shared, free").waitFor();
});

test("rules are added, moved and removed, and a wrong one is explained", async (context) => {
  const served = await ServedDashboard.start(context, ["--gadget", "zero"]);
  const page = await visit(context, browser, served.link);
  await page.getByRole("link", { name: "Rules" }).click();
  await page.getByLabel("Guest").fill("192.168.7.0/24");
  await page.getByLabel("Device").selectOption("0525:a4a0");
  await page.getByRole("button", { name: "Add the rule" }).click();
  await page.getByText("allow device=0525:a4a0 client=192.168.7.0/24").waitFor();
  await page.getByLabel("The rule").fill("deny serial=X*");
  await page.getByRole("button", { name: "Add the rule" }).click();
  await page.getByRole("button", { name: "Move rule r2 up" }).click();
  await told(page, "Rule r2 is number 1.").waitFor();
  await page.locator("ol.rules > li:first-child").getByText("deny serial=X*").waitFor();
  assert.deepEqual(await page.locator("ol.rules code").allInnerTexts(), [
    "deny serial=X*",
    "allow device=0525:a4a0 client=192.168.7.0/24",
  ]);
  await page.getByRole("button", { name: "Remove rule r2" }).click();
  await told(page, "Rule r2 holds no longer").waitFor();
  await page.getByLabel("The rule").fill("permit");
  await page.getByRole("button", { name: "Add the rule" }).click();
  await told(page, '"permit" is no action: a rule begins with allow').waitFor();
});

test("two browsers stay in step, with each other and with the command line's API", async (context) => {
  const served = await ServedDashboard.start(context, []);
  const one = await visit(context, browser, served.link);
  const other = await visit(context, browser, served.link);
  await other.getByText("Next: share a device").waitFor();
  await one.getByRole("button", { name: "Plug in a simulated device" }).click();
  await one.getByRole("button", { name: "Plug it in" }).click();
  await device(other, "Keyboard").getByText("Shared, free").waitFor();
  await one.getByRole("link", { name: "Rules" }).click();
  await other.getByRole("link", { name: "Rules" }).click();
  await one.getByRole("button", { name: "Add the rule" }).click();
  await other.locator("ol.rules code").getByText("allow").waitFor();

  const peer = await Peer.connect(served.port);
  await peer.import("keyboard");
  for (const page of [one, other]) {
    await page.getByRole("link", { name: "Guests" }).click();
    await page.getByRole("button", { name: "Disconnect session s1" }).waitFor();
    await page.getByRole("link", { name: "Events" }).click();
    await page.getByText("this machine has Keyboard (keyboard).").waitFor();
  }
  await one.getByRole("link", { name: "Guests" }).click();
  await one.getByRole("button", { name: "Disconnect session s1" }).click();
  await one.getByRole("dialog").getByRole("button", { name: "Disconnect" }).click();
  await peer.closed();
  await other
    .getByText("this machine has Keyboard (keyboard) no longer. It was disconnected by hand.")
    .waitFor();
});

test("figures move while a device works, and stand still when it rests", async (context) => {
  const served = await ServedDashboard.start(context, ["--gadget", "zero,pattern=63"]);
  const page = await visit(context, browser, served.link);
  const zero = device(page, "Gadget zero");
  const load = await SteadySession.start(served.port, "zero");
  await zero.getByText(/^[\d.]+ [KM]B\/s$/).waitFor();
  await zero.getByRole("button", { name: "Gadget zero", exact: true }).click();
  const row = zero.getByRole("row", { name: /^Endpoint 1 IN/ });
  await row.waitFor();
  const urbs = async (): Promise<number> => {
    const cells = await row.getByRole("cell").allInnerTexts();
    assert.equal(cells.length, 7);
    assert.match(cells.slice(2, 5).join(" "), /^[\d.]+ (µs|ms) [\d.]+ (µs|ms) [\d.]+ (µs|ms)$/);
    return Number(cells[5]!.replaceAll(",", ""));
  };
  const seen = await urbs();
  await page.waitForFunction((last) => {
    const cell = document.querySelector<HTMLElement>("table tbody tr:last-child td:nth-child(7)")!;
    return Number(cell.innerText.replaceAll(",", "")) > last;
  }, seen);
  const chart = zero.getByRole("img", { name: /^Endpoint 1 IN: how many requests took how long/ });
  assert((await chart.locator("rect").count()) >= 8);
  await zero.getByRole("img", { name: /^At most .*B\/s in the last minute$/ }).waitFor();
  await load.stop();
  await zero.getByText("Shared, free").waitFor();
  assert.equal(await zero.getByRole("row").count(), 0, "nobody has it");
});

test("what fails is told in words", async (context) => {
  const served = await ServedDashboard.start(context, ["--gadget", "zero"]);
  const page = await visit(context, browser, served.link);
  const peer = await Peer.connect(served.port);
  const devid = await peer.import("zero");
  // A string descriptor that it does not have.
  peer.send(to(devid, submit({ seqnum: 1, ep: 0, in: true, length: 8, setup: "8006630309040800" })));
  await peer.read(HEADER);
  const zero = device(page, "Gadget zero");
  await zero.getByRole("button", { name: "Gadget zero", exact: true }).click();
  await zero.getByText(/the device refuses the request/).waitFor();
  peer.socket.destroy();
});

test("a host that ends is told of, and the next one asks for its own token", async (context) => {
  const served = await ServedDashboard.start(context, ["--gadget", "zero"]);
  const { port } = new URL(served.url);
  const page = await visit(context, browser, served.link);
  await device(page, "Gadget zero").waitFor();
  await served.running.end("SIGKILL");
  await page.getByRole("alert").getByText("The host does not answer.").waitFor();
  await ServedDashboard.start(context, ["--dashboard", `tcp:${port}`]);
  await page.getByRole("alert").getByText("It was started again").waitFor();
});
