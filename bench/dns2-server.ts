/** The dns2 package as a server: it answers every A query with one address. */

import dns2 from "dns2";

const port = Number(process.argv[2]);
const server = dns2.createServer({
  udp: true,
  handle: (request, send) => {
    const response = dns2.Packet.createResponseFromRequest(request);
    const [question] = request.questions;
    if (question !== undefined) {
      const { A } = dns2.Packet.TYPE;
      const rr = new dns2.Packet.Resource(question.name, A, dns2.Packet.CLASS.IN, 5);
      rr.address = "192.0.2.1";
      response.answers.push(rr);
    }
    send(response);
  },
});
await server.listen({ udp: { port, address: "127.0.0.1" } });
