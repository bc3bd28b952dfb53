// Every setting is explained in docs/OPERATIONS.md of acebase-ipc-server, under "pm2".
const { dirname, join } = require('node:path');

const everyApp = {
  cwd: __dirname,
  exec_mode: 'cluster',
  // A process that has lost its place in the cluster ends, and comes back as often as it takes. With this delay pm2 never
  // counts the 16 restarts in 16 seconds after which it would give up.
  restart_delay: 1000,
  // The programs say when they are ready. A reload ends the old process only then.
  wait_ready: true,
  listen_timeout: 10_000,
};

module.exports = {
  apps: [
    {
      ...everyApp,
      name: 'ipc-server',
      // It runs the master of mydb, too. Where it listens, TLS, the token and the folder are in ipc.json.
      script: join(dirname(require.resolve('acebase-ipc-server/package.json')), 'dist/cli/main.js'),
      args: '--config ipc.json',
      // There is never more than one at work: a reload starts the new one, which waits until the old one has left the port.
      instances: 1,
      // It lets all finish, and closes the database: more than drainTimeout and stopTimeout together.
      kill_timeout: 20_000,
    },
    {
      ...everyApp,
      name: 'db-server',
      script: 'start-db-server.js',
      env: { HTTP_PORT: process.env.HTTP_PORT ?? '5757' }, // all instances share it
      instances: Number(process.env.DB_SERVERS ?? 2), // -2 is one for each CPU, less two
      // pm2's default of 1.6 seconds is too short to finish requests and close the database.
      kill_timeout: 10_000,
    },
  ],
};
