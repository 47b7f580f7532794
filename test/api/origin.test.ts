import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { call, type Place, talk } from "./api-client.ts";
import { ApiDaemon } from "./api-daemon.ts";

type Headers = Readonly<Record<string, string>>;

async function answer(place: Place, headers: Headers, method = "GET", path = "/v1/devices"): Promise<string> {
  const body = method === "POST" ? { body: '{"gadget":"mouse"}' } : {};
  const { status, text } = await call(place, { method, path, headers, ...body });
  return status === 200 ? "ok" : `${status} ${(JSON.parse(text) as { code: string }).code}`;
}

async function start(context: TestContext): Promise<ApiDaemon> {
  return ApiDaemon.start(context, "serve", "--gadget", "zero");
}

test("a unix socket answers programs, and no web page", async (context) => {
  const daemon = await start(context);
  const { place } = daemon;
  assert.equal(await answer(place, {}), "ok");
  for (const headers of [
    { origin: "http://evil.example" },
    { origin: "null" },
    { origin: "http://localhost" },
    { "sec-fetch-site": "cross-site" },
    { "sec-fetch-site": "same-origin" },
  ]) {
    assert.equal(await answer(place, headers), "403 FORBIDDEN_ORIGIN", JSON.stringify(headers));
  }
  await daemon.stop();
});

test("over TCP the token is needed, and only the right one will do", async (context) => {
  const daemon = await start(context);
  const { tcp, token } = daemon;
  assert.match(token, /^[\w-]{43}$/);
  assert.equal(await answer(tcp, { authorization: `Bearer ${token}` }), "ok");
  for (const authorization of [
    "",
    "Bearer",
    "Bearer ",
    `Bearer ${token.slice(1)}`,
    `Bearer ${token}x`,
    `Basic ${token}`,
    token,
    `Bearer ${"x".repeat(4_000)}`,
  ]) {
    assert.equal(await answer(tcp, { authorization }), "401 UNAUTHORIZED", authorization);
  }
  assert.equal(await answer(tcp, {}, "GET", "/openapi.json"), "401 UNAUTHORIZED");
  assert.equal(await answer(tcp, {}, "POST", "/v1/gadgets"), "401 UNAUTHORIZED");
  await daemon.stop();
});

test("over TCP a name that was pointed here is refused, and so is another origin", async (context) => {
  const daemon = await start(context);
  const { tcp, token } = daemon;
  const authorization = `Bearer ${token}`;
  const { port } = tcp;
  for (const host of [`localhost:${port}`, `127.0.0.1:${port}`, `[::1]:${port}`, `LOCALHOST:${port}`]) {
    assert.equal(await answer(tcp, { host, authorization }), "ok", host);
    const origin = `http://${host.toLowerCase()}`;
    assert.equal(await answer(tcp, { host, origin, authorization }), "ok", origin);
    assert.equal(await answer(tcp, { host, "sec-fetch-site": "same-origin", authorization }), "ok");
  }
  const host = `127.0.0.1:${port}`;
  for (const headers of [
    { host: `evil.example:${port}` },
    { host: "localhost" },
    { host: `localhost:${port + 1}` },
    { host: `localhost.evil.example:${port}` },
    { host: `127.0.0.1:${port}.evil.example` },
    { host, origin: "http://evil.example" },
    { host, origin: "null" },
    { host, origin: `https://127.0.0.1:${port}` },
    { host, origin: `http://localhost:${port}` },
    { host, origin: "http://127.0.0.1" },
    { host, "sec-fetch-site": "cross-site" },
    { host, "sec-fetch-site": "same-site" },
  ]) {
    assert.equal(
      await answer(tcp, { ...headers, authorization }),
      "403 FORBIDDEN_ORIGIN",
      JSON.stringify(headers),
    );
  }
  const withoutHost = await talk(tcp, `GET /v1/devices HTTP/1.0\r\nauthorization: ${authorization}\r\n\r\n`);
  assert.match(withoutHost, /^HTTP\/1\.1 403 .*"FORBIDDEN_ORIGIN"/s);
  await daemon.stop();
});

test("what a page may send unasked changes nothing", async (context) => {
  const daemon = await start(context);
  const { place } = daemon;
  for (const type of ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=b"]) {
    assert.equal(await answer(place, { "content-type": type }, "POST", "/v1/gadgets"), "415 NOT_JSON", type);
  }
  assert.equal(await answer(place, {}, "POST", "/v1/gadgets"), "415 NOT_JSON");
  const { text } = await call(place, { method: "GET", path: "/v1/devices" });
  assert.deepEqual(
    (JSON.parse(text) as { busid: string }[]).map(({ busid }) => busid),
    ["zero"],
  );
  assert.equal(
    await answer(place, { "content-type": "application/json; charset=utf-8" }, "POST", "/v1/gadgets"),
    "ok",
  );
  await daemon.stop();
});
