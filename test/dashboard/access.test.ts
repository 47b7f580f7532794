import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, test } from "node:test";
import axe from "axe-core";
import type { Browser, Page } from "playwright-core";
import { call } from "../api/api-client.ts";
import { ApiDaemon } from "../api/api-daemon.ts";
import { Peer } from "../hostile/peer.ts";
import { SteadySession } from "../hostile/steady-session.ts";
import { openBrowser } from "./chromium.ts";
import { ServedDashboard } from "./served-dashboard.ts";
import { visit } from "./visit.ts";

let browser: Browser;
before(async () => {
  browser = await openBrowser();
});
after(() => browser.close());

const PHONE = { width: 360, height: 780 };
const DESK = { width: 1280, height: 900 };
const PAGES = ["Devices", "Guests", "Rules", "Events", "Ports"];

test("without the token nothing is shown, and a wrong one does not help", async (context) => {
  const served = await ServedDashboard.start(context, ["--gadget", "zero"]);
  assert(!served.running.stdout.includes(served.token), "a log is no place for the token");
  const page = await visit(context, browser, served.url);
  await page.getByRole("heading", { name: "Enter the token" }).waitFor();
  assert.equal(await page.getByText("Gadget zero").count(), 0);
  await page.getByLabel("Token").fill("wrong");
  await page.keyboard.press("Enter");
  await page.getByRole("alert").waitFor();
  await page.getByLabel("Token").fill(served.token);
  await page.getByRole("button", { name: "Open the dashboard" }).click();
  await page.getByRole("article", { name: "Gadget zero" }).waitFor();
  await page.reload();
  await page.getByRole("article", { name: "Gadget zero" }).waitFor();
});

test("the page may load its own files alone, and is served by its own name alone", async (context) => {
  const served = await ServedDashboard.start(context, []);
  const { port } = new URL(served.url);
  const place = { host: "127.0.0.1", port: Number(port) };
  const host = `127.0.0.1:${port}`;
  for (const path of ["/", "/main.js", "/page.css", "/icon.svg"]) {
    const { status, headers } = await call(place, { method: "GET", path, headers: { host } });
    assert.equal(status, 200, path);
    const policy = headers["content-security-policy"] as string;
    assert.match(policy, /^default-src 'none'; script-src 'self'; style-src 'self'; /);
    assert.match(policy, /frame-ancestors 'none'/);
    assert.doesNotMatch(policy, /unsafe|\*|http|data:/);
    assert.equal(headers["x-content-type-options"], "nosniff");
    assert.equal(headers["cross-origin-resource-policy"], "same-origin");
    const elsewhere = await call(place, { method: "GET", path, headers: { host: `evil.example:${port}` } });
    assert.equal(elsewhere.status, 403, path);
  }
  for (const path of ["/../package.json", "/%2e%2e/package.json", "/main.js/", "/index.html", "//"]) {
    const { status } = await call(place, { method: "GET", path, headers: { host } });
    assert([401, 404].includes(status), `${path}: ${status}`);
  }
  for (const [method, path] of [
    ["GET", "/v1/state"],
    ["POST", "/v1/gadgets"],
    ["DELETE", "/v1/sessions/s1"],
    ["GET", "/agent/v1/ports"],
    ["POST", "/"],
  ] as const) {
    const headers = { host, "content-type": "application/json" };
    const { status, text } = await call(place, { method, path, headers, body: '{"gadget":"zero"}' });
    assert.equal(status, 401, text);
  }
});

test("the agent of this user answers through it, and says what stands in the way of attaching", async (context) => {
  const agent = await ApiDaemon.start(context, "agent");
  const { USBFERRY_AGENT } = agent.environment;
  const served = await ServedDashboard.start(context, [], { USBFERRY_AGENT });
  const page = await visit(context, browser, served.link);
  const answer = (await page.evaluate(async () => {
    const authorization = `Bearer ${sessionStorage.getItem("usbferry-token")}`;
    return (await fetch("/agent/v1/state", { headers: { authorization } })).json();
  })) as { role: string; pid: number };
  assert.deepEqual([answer.role, answer.pid], ["agent", agent.running.process.pid]);
  await page.getByRole("link", { name: "Ports" }).click();
  if (existsSync("/sys/devices/platform/vhci_hcd.0"))
    await page.getByText("Attach a device of a host").waitFor();
  else await page.getByText("Load it with `sudo modprobe vhci-hcd`").waitFor();
  await agent.stop();
  await page.getByText("No agent runs here.").waitFor();
});

test("the agent is asked through it for no more than a person does there", async (context) => {
  const served = await ServedDashboard.start(context, []);
  const { port } = new URL(served.url);
  const ask = (method: string, path: string, body = "{}") =>
    call(
      { host: "127.0.0.1", port: Number(port) },
      {
        method,
        path,
        headers: { authorization: `Bearer ${served.token}`, "content-type": "application/json" },
        body,
      },
    );
  const { status, text } = await ask("GET", "/agent/v1/ports");
  assert.deepEqual([status, (JSON.parse(text) as { code: string }).code], [404, "NO_AGENT"]);
  for (const [method, path] of [
    ["POST", "/agent/v1/wishes"],
    ["POST", "/agent/v1/waiting"],
    ["DELETE", "/agent/v1/ports"],
    ["GET", "/agent/v1/../v1/ports"],
    ["GET", "/agent/openapi.json"],
    ["GET", "/agent//v1/ports"],
  ] as const) {
    const refused = JSON.parse((await ask(method, path)).text) as { code: string };
    assert.equal(refused.code, "NOT_FOUND", path);
  }
});

/** What a page of another origin may try, with what it got. */
const ATTACKS = `<!doctype html><title>evil</title><script>
const target = new URLSearchParams(location.search).get("target");
const tries = {
  read: () => fetch(target + "v1/state").then((r) => r.text()),
  plug: () => fetch(target + "v1/gadgets", { method: "POST", headers: { "content-type": "application/json" }, body: '{"gadget":"mouse"}' }).then((r) => r.text()),
  plugAsText: () => fetch(target + "v1/gadgets", { method: "POST", mode: "no-cors", body: '{"gadget":"mouse"}' }).then((r) => "sent " + r.type),
  unplug: () => fetch(target + "v1/gadgets/zero", { method: "DELETE" }).then((r) => r.text()),
  page: () => fetch(target, { mode: "no-cors" }).then((r) => "sent " + r.type),
  script: () => new Promise((done, failed) => { const s = document.createElement("script"); s.onload = () => done("loaded"); s.onerror = () => failed(new Error("blocked")); s.src = target + "main.js"; document.head.append(s); }),
  frame: () => new Promise((done) => { const f = document.createElement("iframe"); f.onload = () => { try { done("frame " + f.contentDocument.title); } catch { done("frame opaque"); } }; f.src = target; document.body.append(f); }),
  opener: () => new Promise((done) => { const w = open(target); const look = () => { try { if (w.closed) done("window gone"); else if (w.document.title !== "") done("window open"); else setTimeout(look, 20); } catch { done("window opaque"); } }; look(); }),
};
window.results = (async () => { const results = {}; for (const [name, attack] of Object.entries(tries)) results[name] = await attack().catch((error) => "failed " + error.message); return results; })();
</script><body><form method="post" enctype="text/plain"><input name='{"gadget":"mouse","x":"' value='"}'></form>`;

test("a page of another origin can neither read nor act", async (context) => {
  const served = await ServedDashboard.start(context, ["--gadget", "zero"]);
  // The person is let in, in the same browser.
  const session = await browser.newContext();
  context.after(() => session.close());
  const page = await session.newPage();
  await page.goto(served.link);
  await page.getByRole("article", { name: "Gadget zero" }).waitFor();

  const evil = createServer((_request, response) => {
    response.writeHead(200, { "content-type": "text/html" }).end(ATTACKS);
  }).listen(0, "127.0.0.1");
  context.after(() => evil.close());
  await once(evil, "listening");
  const { port } = evil.address() as AddressInfo;
  for (const name of ["127.0.0.1", "localhost"]) {
    const attacker = await session.newPage();
    await attacker.goto(`http://${name}:${port}/?target=${encodeURIComponent(served.url)}`);
    const results = (await attacker.evaluate("window.results")) as Record<string, string>;
    for (const [attack, result] of Object.entries(results)) {
      assert.match(
        result,
        /^(failed|sent opaque|frame (opaque|$)|window (gone|opaque))/,
        `${attack}: ${result}`,
      );
    }
    // A form needs no permission to be sent.
    await attacker.evaluate((target) => {
      const form = document.querySelector("form")!;
      form.action = `${target}v1/gadgets`;
      form.submit();
    }, served.url);
    await attacker.getByText("FORBIDDEN_ORIGIN").waitFor();
    await attacker.close();
  }
  const { text } = await call(
    { host: "127.0.0.1", port: Number(new URL(served.url).port) },
    { method: "GET", path: "/v1/devices", headers: { authorization: `Bearer ${served.token}` } },
  );
  assert.deepEqual(
    (JSON.parse(text) as { busid: string }[]).map(({ busid }) => busid),
    ["zero"],
  );
});

/** What axe-core finds that keeps people out. */
async function faults(page: Page): Promise<readonly string[]> {
  await page.evaluate(axe.source);
  const { violations } = (await page.evaluate("axe.run()")) as axe.AxeResults;
  return violations
    .filter(({ impact }) => impact === "serious" || impact === "critical")
    .map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" ")}`);
}

/** Names of what is too small for a finger or too wide for its place, on a page that must not be wider than its window. */
async function misfits(page: Page): Promise<readonly string[]> {
  return page.evaluate(() => {
    const pressed = Array.from(document.querySelectorAll("button, a, select, summary"));
    const small = pressed.filter(
      (element) => element.checkVisibility() && element.getBoundingClientRect().height < 24,
    );
    const excess = document.documentElement.scrollWidth - innerWidth;
    const main = document.querySelector("main")!;
    const edge = main.getBoundingClientRect().right - Number.parseFloat(getComputedStyle(main).paddingRight);
    const wide = Array.from(main.querySelectorAll("section, article")).filter(
      (element) => element.getBoundingClientRect().right > edge + 1,
    );
    const narrow = Array.from(document.querySelectorAll("dialog textarea")).filter(
      (element) => element.clientWidth < 0.9 * element.closest("form")!.clientWidth,
    );
    return [
      ...small.map((element) => `too small: ${element.outerHTML}`),
      ...wide.map((element) => `too wide: ${element.className}`),
      ...narrow.map((element) => `too narrow: ${element.outerHTML}`),
      ...(excess > 0 ? [`${excess} pixels too wide`] : []),
    ];
  });
}

test("every page is fit for light and dark, a phone, and a screen reader", async (context) => {
  const served = await ServedDashboard.start(context, [
    "--gadget",
    "zero,pattern=63",
    "--gadget",
    "keyboard",
  ]);
  const load = await SteadySession.start(served.port, "zero");
  // axe is put into the page, which lets no other script in.
  const page = await visit(context, browser, served.url, { bypassCSP: true });
  const look = async (name: string): Promise<void> => {
    for (const colorScheme of ["light", "dark"] as const) {
      await page.emulateMedia({ colorScheme });
      assert.deepEqual(await faults(page), [], `${name}, ${colorScheme}`);
    }
    await page.setViewportSize(PHONE);
    assert.deepEqual(await misfits(page), [], name);
    await page.setViewportSize(DESK);
  };
  await page.getByRole("heading", { name: "Enter the token" }).waitFor();
  await look("Enter the token");
  await page.goto(served.link);
  await page.getByRole("button", { name: "Gadget zero", exact: true }).click();
  await page.getByRole("row", { name: /^Endpoint 1 IN/ }).waitFor();
  for (const name of PAGES) {
    await page.getByRole("link", { name }).click();
    await page.getByRole("heading", { level: 1, name }).waitFor();
    await look(name);
  }
  await page.getByRole("link", { name: "Devices" }).click();
  await page.getByRole("button", { name: "Gadget zero", exact: true }).click();
  await page.getByRole("row", { name: /^Endpoint 1 IN/ }).waitFor();
  await look("Devices, with figures");
  const peer = await Peer.connect(served.port);
  await peer.import("keyboard");
  await page.getByRole("button", { name: "Type ... on Keyboard" }).click();
  await look("Type on a keyboard");
  await page.keyboard.press("Escape");
  peer.socket.destroy();
  await page.getByRole("button", { name: "Plug in a simulated device" }).click();
  await page.getByLabel("Kind").selectOption("disk");
  await page.getByText("Options").click();
  await page.getByRole("button", { name: "The folder above" }).waitFor();
  await look("Plug in a simulated device");
  await load.stop();
});
