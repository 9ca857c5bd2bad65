# One image for node and agent: Node's own slim image, production packages, our sources as they are.
FROM node:26-slim AS packages
WORKDIR /meridian
COPY package.json package-lock.json ./
# The image brings Node 26; the optional packages that carry one for older machines stay out.
RUN npm ci --omit=dev --ignore-scripts --engine-strict=false \
 && rm -rf node_modules/node-linux-* node_modules/node-bin-* node_modules/.bin

FROM node:26-slim
WORKDIR /meridian
COPY --from=packages /meridian/node_modules node_modules
COPY package.json ./
COPY src src
# State (book, store, tokens) lives in a volume; everything else is read-only to the server.
RUN mkdir -p /etc/meridian /var/lib/meridian && chown node:node /var/lib/meridian
USER node
VOLUME /var/lib/meridian
# Unprivileged ports: publish 53 to 5300, or grant CAP_NET_BIND_SERVICE and listen on 53.
EXPOSE 5300/udp 5300/tcp 8053/tcp
ENTRYPOINT ["node", "src/cli.ts"]
CMD ["serve", "--config", "/etc/meridian"]
