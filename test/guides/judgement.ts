/** What is written in a guide, and what stands in its place where it is played. */
export interface Substitution {
  readonly written: string | RegExp;
  /** `{folder}` is a folder of the test, `{port}` a free port of TCP, `{vsock}` and so on what the bed has. */
  readonly played: string;
  readonly why: string;
}

/** How a page is judged: every command of it is played, or stands in `notRun`. */
export interface Judgement {
  /** Of lines of each side. */
  readonly host?: readonly Substitution[];
  readonly guest?: readonly Substitution[];
  /** Commands by their beginning, and why they are not played. Calls of usbferry in them are parsed all the same. */
  readonly notRun?: Readonly<Record<string, string>>;
  /** Started at the host before the page is: what the reader has already. */
  readonly before?: readonly string[];
  /** Its sections are one story: what was started goes on to the end of the page. */
  readonly isOneStory?: true;
  /** Languages of blocks that are files, with who judges them. */
  readonly files?: Readonly<Record<string, string>>;
}

const PLACES: readonly Substitution[] = [
  { written: "/run/", played: "{folder}/", why: "a folder of the test" },
  { written: "/dev/shm/", played: "{folder}/", why: "a folder of the test" },
  { written: /\b(tcp:(?:[\w.$]+:)?)3240/g, played: "$1{port}", why: "tests run side by side" },
  {
    written: "usbferry serve --gadget",
    played: "usbferry serve --listen tcp:127.0.0.1:{port} --gadget",
    why: "tests run side by side",
  },
];

const AT_HOST: readonly Substitution[] = [
  { written: /\b(tcp:(?:10\.0\.2\.2|\$WINDOWS):)3240/g, played: "$1{port}", why: "tests run side by side" },
  { written: "tcp:192.0.2.7:3240", played: "tcp:10.0.2.2:{port}", why: "where the guest finds the host" },
];

const BOARD: Pick<Judgement, "before"> = {
  before: ["usbferry serve --gadget serial,vid=2341,pid=8036"],
};

const NO_DOCKER = "no machine of the tests runs Docker";
const NO_WINDOWS = "no Windows takes part in the tests";
const NO_MODULE =
  "the machine of the tests has no module vhost_vsock; test/vm/links.vm.ts judges vsock: addresses";

export const JUDGEMENTS: Readonly<Record<string, Judgement>> = {
  "qemu.md": {
    host: [
      ...PLACES,
      { written: "size=4G", played: "size=768M", why: "the memory that guests of the bed have" },
    ],
    guest: AT_HOST,
    notRun: {
      "sudo modprobe vhost_vsock": NO_MODULE,
      "qemu-system-x86_64 -device vhost-vsock-pci": NO_MODULE,
      "usbferry policy add allow client=vsock:3": NO_MODULE,
    },
  },
  "cloud-hypervisor.md": {
    host: [
      { written: "/run/vm1-usb", played: "{folder}/ch-usb", why: "that of qemu.md has a guest" },
      ...PLACES,
    ],
    notRun: {
      "cloud-hypervisor ": "it needs KVM, and is no package of Debian's; vhost-device-vsock takes its part",
      "ch-remote ": "likewise; test/controller has a client that does as its source does",
    },
  },
  "firecracker.md": {
    host: PLACES,
    notRun: {
      "curl --unix-socket":
        "Firecracker needs KVM, and is no package of Debian's; vhost-device-vsock takes its part",
    },
    files: { kconfig: "the kernel of the guest has the same options" },
  },
  "wsl.md": {
    ...BOARD,
    host: PLACES,
    guest: [...AT_HOST, { written: "1-2", played: "serial", why: "bus id of the simulated board" }],
    notRun: {
      "winget ": NO_WINDOWS,
      "usbipd ": NO_WINDOWS,
    },
  },
  "containers.md": {
    ...BOARD,
    host: [
      {
        written: "usbferry serve --gadget keyboard",
        played: "usbferry serve --listen tcp:127.0.0.1:0 --gadget keyboard",
        why: "the host of the board has the port",
      },
      ...PLACES,
    ],
    guest: AT_HOST,
    notRun: { "docker ": NO_DOCKER },
    files: { json: "its devices are those of the docker lines" },
  },
  "github-actions.md": {
    files: { yaml: "its steps are played in the guest" },
  },
  "flashing.md": {
    host: [
      {
        written: "usbferry serve --listen tcp:0.0.0.0:3240",
        played: "usbferry serve --listen tcp:0.0.0.0:{port} --gadget serial,vid=2341,pid=8036",
        why: "no board is plugged into the machine of the tests",
      },
    ],
    guest: [
      ...AT_HOST,
      { written: "/usr/local/bin/go-on", played: "/tmp/go-on", why: "the guest's /usr is read-only" },
    ],
    isOneStory: true,
    files: { udev: "udevadm verify" },
  },
};

/** Steps of the job of github-actions.md that are not played. */
export const STEPS_NOT_RUN: Readonly<Record<string, string>> = {
  "actions/checkout@v4": "an action of GitHub's",
  "Install usbferry": "it fetches this repository; README.md says the same, and the guest has it already",
  "Fetch the kernel's modules": "it fetches packages of Ubuntu's",
};

export function whyNotRun({ notRun = {} }: Judgement, text: string): string | undefined {
  const key = Object.keys(notRun).find((beginning) => text.startsWith(beginning));
  return key === undefined ? undefined : notRun[key];
}

/** What is played in the place of a line. */
export function played(
  text: string,
  substitutions: readonly Substitution[] = [],
  values: Readonly<Record<string, string>>,
): string {
  const line = substitutions.reduce((last, { written, played: by }) => last.replaceAll(written, by), text);
  return line.replaceAll(/\{(\w+)\}/g, (_, name: string) => values[name] ?? `{${name}}`);
}
