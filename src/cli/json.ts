/** Prints one JSON document, the only thing on standard output. */
export function printJson(document: object): void {
  process.stdout.write(`${JSON.stringify(document, undefined, 2)}\n`);
}
