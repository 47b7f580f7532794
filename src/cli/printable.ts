/** Hosts, guests and devices have names of their own making; none of them shall speak to the terminal. */
export function printable(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, "?");
}
