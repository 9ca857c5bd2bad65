/** The dns2 package as a server: it answers every A query with one address. */

import dns2 from "dns2";

const port = Number(process.argv[2]);
const server = dns2.createServer({
  udp: true,
  handle: (request, send) => {
    const response = dns2.Packet.createResponseFromRequest(request);
    const [question] = request.questions;
    if (question !== undefined) {
      response.answers.push({
        name: question.name,
        type: dns2.Packet.TYPE.A,
        class: dns2.Packet.CLASS.IN,
        ttl: 5,
        address: "192.0.2.1",
      });
    }
    send(response);
  },
});
await server.listen({ udp: { port, address: "127.0.0.1" } });
