/** DEL and the C1 controls, which JSON allows and a terminal obeys. The strings may be a stranger's. */
const CONTROLS = /[\u007f-\u009f]/g;

/** Prints one JSON document, the only thing on standard output. */
export function printJson(document: object): void {
  const text = JSON.stringify(document, undefined, 2).replaceAll(
    CONTROLS,
    (control) => `\\u${control.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
  process.stdout.write(`${text}\n`);
}
