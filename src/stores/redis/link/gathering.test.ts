// What is written in one turn of the event loop goes out together.
import { Writable } from "node:stream";
import { expect, test } from "vitest";
import { Gathering } from "./gathering.ts";

/** A connection that notes what each write to the system had. */
function connection(): { readonly socket: Writable; readonly writes: readonly string[] } {
  const writes: string[] = [];
  const socket = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      writes.push(chunk.toString());
      done();
    },
    writev: (chunks, done) => {
      writes.push(chunks.map(({ chunk }) => String(chunk)).join(""));
      done();
    },
  });
  return { socket, writes };
}

function send(gathering: Gathering, socket: Writable, text: string): void {
  gathering.join(socket);
  socket.write(text);
}

test("what is written until the promises of the turn have settled is one write", async () => {
  const gathering = new Gathering();
  const { socket, writes } = connection();
  await Promise.resolve();
  gathering.begin();
  send(gathering, socket, "words ");
  for (let hops = 0; hops < 20; hops += 1) await Promise.resolve();
  gathering.begin();
  send(gathering, socket, "claims");
  await new Promise(setImmediate);
  expect(writes).toEqual(["words claims"]);
});

test("each connection gets its own, and later writes wait for nothing", async () => {
  const gathering = new Gathering();
  const one = connection();
  const other = connection();
  await Promise.resolve();
  gathering.begin();
  send(gathering, one.socket, "a");
  send(gathering, other.socket, "b");
  send(gathering, one.socket, "c");
  await new Promise(setImmediate);
  send(gathering, one.socket, "d");
  expect(one.writes).toEqual(["ac", "d"]);
  expect(other.writes).toEqual(["b"]);
});
