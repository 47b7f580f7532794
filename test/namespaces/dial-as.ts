/**
 * Dials tls: as a client that asks nobody for leave: `node dial-as.js STATE HOST PORT [nobody]`. STATE is a folder like that of
 * usbferry, whose certificate is shown although its time may be over; `nobody` shows none. Prints what it was told.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { connect } from "node:tls";

const [state = "", host = "", port, nobody] = process.argv.slice(2);
const { key, certificate } = JSON.parse(readFileSync(join(state, "identity.json"), "utf8")) as {
  readonly key: string;
  readonly certificate: string;
};
const shown = nobody === undefined ? { key, cert: certificate } : {};
const socket = connect({ host, port: Number(port), rejectUnauthorized: false, ...shown });
socket.on("error", (error) => console.log(error.message));
socket.on("data", (bytes: Buffer) => console.log(bytes.toString().trim()));
socket.on("close", () => console.log("closed"));
