import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { parse } from "yaml";
import { commandsOf, guidePages, readGuide } from "./guide.ts";
import { JUDGEMENTS, played, STEPS_NOT_RUN, whyNotRun } from "./judgement.ts";
import { simpleCommands } from "./shell-words.ts";
import { stepsOf } from "./workflow.ts";

const readme = readFileSync(fileURLToPath(new URL("../../../README.md", import.meta.url)), "utf8");
const guides = guidePages().map(readGuide);

test("every guide is judged, and README leads to it", () => {
  assert.deepEqual(guidePages(), Object.keys(JUDGEMENTS).toSorted());
  for (const page of guidePages()) assert(readme.includes(`(docs/guides/${page})`), page);
});

for (const guide of guides) {
  const judgement = JUDGEMENTS[guide.page]!;
  const blocks = guide.sections.flatMap((section) => section.blocks);

  test(`${guide.page}: every block is something to type, or a file that somebody judges`, () => {
    for (const { at, language, commands } of blocks)
      assert(language === "" ? commands.length > 0 : judgement.files?.[language] !== undefined, at);
    for (const language of Object.keys(judgement.files ?? {}))
      assert(
        blocks.some((block) => block.language === language),
        language,
      );
  });

  test(`${guide.page}: what is not played is said by name, and what is substituted is there`, () => {
    const commands = commandsOf(guide);
    for (const beginning of Object.keys(judgement.notRun ?? {}))
      assert(
        commands.some(({ text }) => text.startsWith(beginning)),
        `nothing begins with ${beginning}`,
      );
    for (const { at, who, text } of commands)
      if (who === "windows") assert(whyNotRun(judgement, text) !== undefined, at);
    const typed = commands.filter(({ who }) => who === "host").map(({ text }) => text);
    for (const { written } of judgement.host ?? [])
      if (
        typeof written === "string" &&
        !written.startsWith("/") &&
        !written.startsWith("usbferry serve --gadget")
      )
        assert(
          typed.some((text) => text.includes(written)),
          `the host types no ${written}`,
        );
  });
}

test("a line is played with what stands for its places", () => {
  const { host } = JUDGEMENTS["qemu.md"]!;
  const values = { folder: "/tmp/x", port: "4000" };
  assert.equal(
    played("usbferry serve --listen fc-vsock:/run/vm1.vsock:3240 --gadget zero", host, values),
    "usbferry serve --listen fc-vsock:/tmp/x/vm1.vsock:3240 --gadget zero",
  );
  assert.equal(
    played("usbferry serve --gadget keyboard", host, values),
    "usbferry serve --listen tcp:127.0.0.1:4000 --gadget keyboard",
  );
});

test("firecracker.md: what Firecracker is sent is JSON, and names the socket that usbferry is given", () => {
  const commands = commandsOf(readGuide("firecracker.md"));
  const [put] = simpleCommands(commands.find(({ text }) => text.startsWith("curl"))!.text);
  const body = JSON.parse(put!.at(-1)!) as { guest_cid: number; uds_path: string };
  assert.deepEqual(Object.keys(body), ["guest_cid", "uds_path"]);
  const served = commands.filter(({ text }) => text.includes("fc-vsock:"));
  assert.equal(served.length, 2);
  for (const { text } of served) assert(text.includes(`fc-vsock:${body.uds_path}:`), text);
});

test("cloud-hypervisor.md: its options name the sockets that usbferry is given", () => {
  const texts = commandsOf(readGuide("cloud-hypervisor.md")).map(({ text }) => text);
  const ours = texts.filter((text) => text.startsWith("usbferry")).join("\n");
  const theirs = texts.filter((text) => /^(cloud-hypervisor|ch-remote) /.test(text));
  const sockets = theirs.map((text) => /socket=(\S+)/.exec(text)![1]!);
  assert.equal(sockets.length, 3);
  for (const socket of sockets) assert(ours.includes(`:${socket}:`) || ours.includes(` ${socket} `), socket);
});

test("containers.md: a dev container has the devices that docker is given", () => {
  const guide = readGuide("containers.md");
  const file = guide.sections.flatMap(({ blocks }) => blocks).find(({ language }) => language === "json")!;
  const { runArgs } = JSON.parse(file.text) as { runArgs: string[] };
  const given = commandsOf(guide)
    .filter(({ text }) => text.startsWith("docker run"))
    .flatMap(({ text }) => simpleCommands(text)[0]!.join(" "));
  for (const argument of runArgs)
    assert(
      given.some((text) => text.includes(argument.replace("=", " "))),
      argument,
    );
});

test("github-actions.md: the workflow is one, and every step is played or named", () => {
  const guide = readGuide("github-actions.md");
  const file = guide.sections.flatMap(({ blocks }) => blocks).find(({ language }) => language === "yaml")!;
  const workflow = parse(file.text) as Record<string, unknown>;
  assert.deepEqual(Object.keys(workflow), ["name", "on", "jobs"]);
  const steps = stepsOf(file.text);
  for (const name of Object.keys(STEPS_NOT_RUN))
    assert(
      steps.some((step) => step.name === name),
      name,
    );
  for (const { name, script } of steps)
    assert(script !== undefined || STEPS_NOT_RUN[name] !== undefined, name);
  assert(steps.filter(({ name }) => STEPS_NOT_RUN[name] === undefined).length >= 4);
});
