import { type AddressInfo, createServer } from "node:net";
import { report } from "./collections.ts";

/** What Node's sockets can do when nothing is done with the bytes. */
const server = createServer({ noDelay: true }, (socket) => {
  socket.on("data", (bytes) => socket.write(bytes));
  socket.on("error", () => socket.destroy());
});
server.listen(0, "127.0.0.1", () => report((server.address() as AddressInfo).port));
