/** PROCESS of a test: clients that hold, waste or break connections, until it is killed. Arguments: kind, port, how many. */

import { connect, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { encodeQuery } from "./dns.ts";

const [kind = "", port = "", many = ""] = process.argv.slice(2);
/** Connections that are being opened at a time: fewer than fit the backlog. */
const OPENING_MAX = 200;
/** What begins a TLS handshake, and is not the whole of it. */
const HALF_HELLO = Buffer.from("1603010200010001fc0303", "hex");

const QUERY = encodeQuery(7, "longer.gslb.example", "TXT");
const FRAMED = Buffer.concat([Buffer.of(0, QUERY.length), QUERY]);

const SHORT = encodeQuery(8, "www.gslb.example", "A");
const SHORT_ONES = Buffer.concat(new Array(1_000).fill([Buffer.of(0, SHORT.length), SHORT]).flat());

/** What one client does once it is connected. */
const deeds: Readonly<Record<string, (socket: Socket, i: number) => void>> = {
  idle: () => {},
  "one octet a second": (socket) => {
    let sent = 0;
    setInterval(() => socket.write(FRAMED.subarray(sent, ++sent)), 1_000);
  },
  "never reading": (socket) => {
    socket.pause();
    for (let i = 0; i < 100; i += 1) socket.write(Buffer.concat(Array.from({ length: 20 }, () => FRAMED)));
  },
  "asking all the time": (socket) => {
    // Never fewer than a thousand open queries: as many octets are asked as are answered.
    const ask = (): boolean => socket.write(SHORT_ONES);
    let received = 0;
    socket.on("data", (chunk: Buffer) => {
      received += chunk.length;
      if (received < SHORT_ONES.length / 2) return;
      received = 0;
      ask();
    });
    ask();
  },
  "half a handshake": (socket) => socket.write(HALF_HELLO),
  "bad lengths": (socket, i) => {
    socket.once("close", () => open(i));
    socket.write(Buffer.concat([FRAMED, Buffer.of(0xff, 0xff)]));
  },
  "bad lengths in TLS": (socket, i) => {
    const tls = connectTls({ socket, rejectUnauthorized: false });
    tls.on("error", () => {});
    tls.on("close", () => open(i));
    tls.write(Buffer.concat([FRAMED, Buffer.of(0xff, 0xff)]));
  },
  "connecting and leaving": (socket, i) => {
    socket.once("close", () => open(i));
    socket.destroy();
  },
  handshakes: (socket, i) => {
    const tls = connectTls({ socket, rejectUnauthorized: false });
    tls.on("error", () => {});
    tls.on("close", () => open(i));
    tls.once("secureConnect", () => tls.destroy());
  },
  renegotiating: (socket, i) => {
    const tls = connectTls({ socket, rejectUnauthorized: false, maxVersion: "TLSv1.2" });
    tls.on("error", () => {});
    tls.on("close", () => open(i));
    tls.once("secureConnect", () => {
      for (let again = 0; again < 5; again += 1) tls.renegotiate({ rejectUnauthorized: false }, () => {});
      setTimeout(() => tls.destroy(), 1_000);
    });
  },
};

let connected = 0;
let next = 0;

/** Opens a connection from an address of its own: a client's limit is not what is tried here. */
function open(i: number): void {
  const localAddress = `127.1.${(i >> 8) & 0xff}.${i & 0xff || 1}`;
  const socket = connect({ host: "127.0.0.1", port: Number(port), localAddress, noDelay: true });
  socket.on("error", () => {});
  if (kind !== "never reading") socket.resume();
  socket.once("connect", () => {
    deeds[kind]?.(socket, i);
    connected += 1;
    if (connected === Number(many)) process.stdout.write(`ready: ${connected}\n`);
    if (next < Number(many)) open(next++);
  });
}

if (many === "0") process.stdout.write("ready: 0\n");
while (next < Math.min(OPENING_MAX, Number(many))) open(next++);
// Sockets that do not read keep no process alive.
setInterval(() => {}, 60_000);
