# The image of a job service and of a worker: which of the two a container is, its command says.
# Build: docker build -t millrace .

FROM node:24.21.0-bookworm-slim AS build
WORKDIR /app
# The lists of packages first, so that a change of the source installs nothing anew.
COPY package.json package-lock.json .npmrc ./
COPY bench/package.json bench/
RUN npm ci --no-audit --no-fund
COPY tsconfig.json tsconfig.build.json ./
COPY scripts scripts
COPY src src
RUN npm run build

FROM node:24.21.0-bookworm-slim AS packages
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
COPY bench/package.json bench/
# What running needs, ioredis and bullmq included, which are optional peers: nothing of it runs a script at install.
RUN npm ci --omit=dev --no-workspaces --ignore-scripts --no-audit --no-fund

FROM node:24.21.0-bookworm-slim
ENV NODE_ENV=production \
    MILLRACE_HOST=0.0.0.0 \
    MILLRACE_PORT=8000
WORKDIR /app
COPY --from=packages /app/node_modules node_modules
COPY --from=build /app/dist dist
COPY package.json millrace.config.ts ./
# The job types of the config. An application of your own puts its config and its job types here.
COPY examples/jobs examples/jobs
# The image's own user without privileges. Nothing below /app is writable for it.
USER node
EXPOSE 8000
# Of a service: whether it answers, be it that it wants a token. A worker listens nowhere; compose.yaml gives it a check
# of its own.
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=3 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.MILLRACE_PORT}/v1/health`).then(({ status }) => process.exit(status < 500 ? 0 : 1), () => process.exit(1))"]
# Node as the first process gets SIGTERM itself, and drains.
ENTRYPOINT ["node", "dist/cli/main.js"]
CMD ["start"]
