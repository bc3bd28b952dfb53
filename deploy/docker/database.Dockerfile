# The AceBase processes: the master and the acebase-servers, from the example "cloud". Build it in a copy of that folder:
#
#   cp -r node_modules/acebase-ipc-server/examples/cloud shop && cd shop
#   docker build -f ../database.Dockerfile -t registry.example.com/shop-database:1 .

FROM node:22-bookworm-slim AS install
WORKDIR /app
COPY package.json ./
RUN npm install --omit=dev --no-audit --no-fund

FROM node:22-bookworm-slim
ENV NODE_ENV=production \
    NODE_OPTIONS="--import acebase-ipc-server/register"
WORKDIR /app
COPY --from=install /app ./
COPY *.js ./
USER 1000
EXPOSE 5757
ENTRYPOINT ["node", "start-db.js"]
