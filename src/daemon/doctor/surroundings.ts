import type { SystemRoot } from "./system-root.ts";

/** What kind of system this is, as far as advice depends on it. */
export interface Surroundings {
  /** uname -r */
  readonly release: string;
  readonly isWsl2: boolean;
  readonly isContainer: boolean;
  /** ID of os-release: "debian", "ubuntu"; empty where there is none. */
  readonly distribution: string;
  /** dpkg's word for the processor of a Debian system. */
  readonly architecture: string;
}

export function surroundings(root: SystemRoot): Surroundings {
  const release = root.text("proc/sys/kernel/osrelease") ?? "";
  const version = root.text("proc/version") ?? "";
  const osRelease = root.text("etc/os-release") ?? root.text("usr/lib/os-release") ?? "";
  return {
    release,
    isWsl2: /microsoft/i.test(`${release} ${version}`),
    isContainer: isContainer(root),
    distribution: /^ID="?([^"\n]+)"?$/m.exec(osRelease)?.[1] ?? "",
    architecture: process.arch === "x64" ? "amd64" : process.arch,
  };
}

/** Docker, Podman, Kubernetes, LXC and systemd-nspawn each leave one of these. */
function isContainer(root: SystemRoot): boolean {
  return (
    root.exists(".dockerenv") ||
    root.exists("run/.containerenv") ||
    root.exists("run/systemd/container") ||
    /(^|\0)container=/.test(root.bytes("proc/1/environ")?.toString("latin1") ?? "") ||
    /\/(docker|kubepods|lxc|libpod|containerd)\b/.test(root.text("proc/1/cgroup") ?? "")
  );
}

/** A kernel that a cloud's image brings, or a provider built for its machines, by its name. */
export function isCloudKernel(release: string): boolean {
  return /-(cloud|aws|azure|gcp|gke|oracle|kvm|virtual|linuxkit|fc)\b/.test(release);
}
