// The load generator, a process of its own: frames are made beforehand, so that the client is the bottleneck.
import { createHash, randomUUID } from "node:crypto";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { HANDSHAKE_GUID, type LoadOptions } from "./load-process.ts";

const options = JSON.parse(process.argv[2] ?? "") as LoadOptions;
const METHODS = ["GET", "POST", "PUT", "DELETE"];
const PATHS = ["/list", "/items/42", "/login", "/orders"];
/** Frames made beforehand and sent over and over: 3 MB, far more than any cache of branches remembers. */
const BLOCK_MESSAGES = 20_000;

const children = Array.from({ length: options.children }, () => randomUUID());
const parents = Array.from({ length: options.parents }, () => randomUUID());
const associations = children.map((child, at) => ({ parent: parents[at % parents.length], child }));

function frame(text: string): Buffer {
  const body = Buffer.from(text);
  const head = Buffer.alloc(body.length < 126 ? 2 : body.length < 65_536 ? 4 : 10);
  head[0] = 0x81;
  if (head.length === 2) head[1] = body.length;
  else if (head.length === 4) {
    head[1] = 126;
    head.writeUInt16BE(body.length, 2);
  } else {
    head[1] = 127;
    head.writeBigUInt64BE(BigInt(body.length), 2);
  }
  return Buffer.concat([head, body]);
}

function pick<T>(list: readonly T[]): T {
  return list[Math.floor(Math.random() * list.length)]!;
}

function message(source: string, destination: string): Buffer {
  const httpStatus = 200 + Math.floor(Math.random() * 300);
  const fields = { source, destination, method: pick(METHODS), path: pick(PATHS), httpStatus };
  return frame(JSON.stringify(fields));
}

/** Blocks of messages: random pairs for ever, or every pair of children once. */
function* blocks(): Generator<{ readonly bytes: Buffer; readonly messages: number }> {
  if (options.everyPairOnce) {
    for (const source of children) {
      const row = children.map((destination) => message(source, destination));
      yield { bytes: Buffer.concat(row), messages: row.length };
    }
    return;
  }
  const frames = Array.from({ length: BLOCK_MESSAGES }, () =>
    message(pick(children), pick(children)),
  );
  const bytes = Buffer.concat(frames);
  for (let sent = 0; sent < options.messages; sent += BLOCK_MESSAGES) {
    yield { bytes, messages: BLOCK_MESSAGES };
  }
}

async function serve(socket: Socket): Promise<void> {
  socket.on("error", () => socket.destroy());
  socket.setNoDelay();
  const key = await readKey(socket);
  const accept = createHash("sha1").update(`${key}${HANDSHAKE_GUID}`).digest("base64");
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
  );
  socket.resume();
  socket.write(frame(JSON.stringify(associations)));
  for (const { bytes } of blocks()) {
    if (socket.destroyed) return;
    if (!socket.write(bytes)) await new Promise((resolve) => socket.once("drain", resolve));
  }
}

function readKey(socket: Socket): Promise<string> {
  return new Promise((resolve) => {
    let head = "";
    const onData = (data: Buffer): void => {
      head += data.toString("latin1");
      if (!head.includes("\r\n\r\n")) return;
      socket.off("data", onData);
      resolve(/sec-websocket-key: *(\S+)/i.exec(head)?.[1] ?? "");
    };
    socket.on("data", onData);
  });
}

const server = createServer((socket) => void serve(socket));
server.listen(0, "127.0.0.1", () => {
  process.send?.({ url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}/ws` });
});
process.once("disconnect", () => process.exit(0));
