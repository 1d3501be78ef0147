import { once } from "node:events";
import { type AddressInfo, type Socket, connect, createServer } from "node:net";
import { afterEach, beforeEach, expect, test } from "vitest";
import { TcpProxy } from "./tcp-proxy.ts";

const received: string[] = [];
const server = createServer((socket) => {
  socket.on("error", () => {});
  socket.on("data", (bytes) => {
    received.push(bytes.toString());
    socket.write(bytes);
  });
});
let proxy: TcpProxy;
const clients: Socket[] = [];

beforeEach(async () => {
  received.length = 0;
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  proxy = await TcpProxy.start({
    host: "127.0.0.1",
    port: (server.address() as AddressInfo).port,
  });
});

afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy();
  await proxy[Symbol.asyncDispose]();
  server.close();
  await once(server, "close");
});

function open(): Socket {
  const client = connect(proxy.port, "127.0.0.1");
  client.on("error", () => {});
  clients.push(client);
  return client;
}

async function join(): Promise<Socket> {
  const client = open();
  await once(client, "connect");
  return client;
}

/** A reset counts as an end like any other. */
function untilClosed(client: Socket): Promise<unknown> {
  return new Promise((resolve) => client.once("close", resolve));
}

async function ask(client: Socket, text: string): Promise<string> {
  const reply = once(client, "data") as Promise<[Buffer]>;
  client.write(text);
  return (await reply)[0].toString();
}

test("passes both ways", async () => {
  expect(await ask(await join(), "hello")).toBe("hello");
});

test("a cut breaks connections, new ones too, until mended", async () => {
  const client = await join();
  await ask(client, "hello");
  const broken = untilClosed(client);
  proxy.cut();
  await broken;
  await untilClosed(open());
  proxy.mend();
  expect(await ask(await join(), "again")).toBe("again");
});

test("a stalled connection stays up, says nothing, and goes on when mended", async () => {
  const client = await join();
  await ask(client, "one");
  proxy.stall();
  let isAnswered = false;
  const answer = ask(client, "two").then((text) => {
    isAnswered = true;
    return text;
  });
  // A second connection, past the proxy, shows that time for an answer went by.
  const direct = connect((server.address() as AddressInfo).port, "127.0.0.1");
  clients.push(direct);
  await ask(direct, "beside");
  expect(isAnswered).toBe(false);
  proxy.mend();
  expect(await answer).toBe("two");
});

test("a lost reply is one whose request went through", async () => {
  const client = await join();
  await ask(client, "one");
  proxy.loseReplies(1);
  const broken = untilClosed(client);
  client.write("two");
  await broken;
  expect(received).toEqual(["one", "two"]);
  expect(await ask(await join(), "three")).toBe("three");
});
