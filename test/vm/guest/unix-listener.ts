import { once } from "node:events";
import { createServer, type Server } from "node:net";

const servers = new Map<string, Server>();

/** Listens at a path and says nothing. */
export async function listenAt(path: string): Promise<void> {
  const server = createServer().listen(path);
  await once(server, "listening");
  servers.set(path, server);
}

/** Removes the file, too. */
export async function stopListeningAt(path: string): Promise<void> {
  const server = servers.get(path)!;
  server.close();
  await once(server, "close");
}
