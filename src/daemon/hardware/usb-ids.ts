import { readFile } from "node:fs/promises";

/** Where distributions put the list of linux-usb.org; it need not be there. */
const PLACES = ["/usr/share/misc/usb.ids", "/usr/share/hwdata/usb.ids", "/var/lib/usbutils/usb.ids"];

/** Vendor and product of each `VID:PID` that the list knows. */
export async function usbNames(ids: readonly string[]): Promise<ReadonlyMap<string, string>> {
  if (ids.length === 0) return new Map();
  for (const place of PLACES) {
    // oxlint-disable-next-line no-await-in-loop -- the first that is there
    const text = await readFile(place, "latin1").catch(() => undefined);
    if (text !== undefined) return findNames(text, new Set(ids));
  }
  return new Map();
}

/** Far more than are ever plugged in. */
const KNOWN = 1_000;

/** Names by the list, which is read for devices that were not asked for before. */
export class UsbNames {
  readonly #known = new Map<string, string | undefined>();

  async of(ids: readonly string[]): Promise<readonly (string | undefined)[]> {
    const unknown = ids.filter((id) => !this.#known.has(id));
    if (unknown.length > 0) {
      const found = await usbNames(unknown);
      if (this.#known.size + unknown.length > KNOWN) this.#known.clear();
      for (const id of unknown) this.#known.set(id, found.get(id));
    }
    return ids.map((id) => this.#known.get(id));
  }
}

/** Lines `vvvv  Vendor`, and below each `\tpppp  Product`; behind the vendors stand other lists. */
export function findNames(text: string, ids: ReadonlySet<string>): ReadonlyMap<string, string> {
  const names = new Map<string, string>();
  const vendors = new Set(Array.from(ids, (id) => id.slice(0, 4)));
  let vendor: { readonly vid: string; readonly name: string } | undefined;
  for (const line of text.split("\n")) {
    const [, vid, vendorName] = /^([0-9a-f]{4})\s+(\S.*)$/.exec(line) ?? [];
    if (vid !== undefined) {
      vendor = vendors.has(vid) ? { vid, name: vendorName!.trim() } : undefined;
    } else if (/^[A-Z]/.test(line)) break;
    if (vendor === undefined) continue;
    const [, pid, product] = /^\t([0-9a-f]{4})\s+(\S.*)$/.exec(line) ?? [];
    const id = `${vendor.vid}:${pid}`;
    if (pid !== undefined && ids.has(id)) names.set(id, `${vendor.name} ${product!.trim()}`);
  }
  return names;
}
