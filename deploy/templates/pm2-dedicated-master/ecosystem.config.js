// Every setting is explained in docs/OPERATIONS.md of acebase-ipc-server, under "pm2".
const { dirname, join } = require('node:path');

// What can be changed from outside, and its default. Where the IPC server listens, TLS and the token are in ipc.json.
const env = {
  DB_NAME: process.env.DB_NAME ?? 'mydb',
  DB_PATH: process.env.DB_PATH ?? __dirname,
  HTTP_PORT: process.env.HTTP_PORT ?? '5757',
};

const everyApp = {
  cwd: __dirname,
  env,
  // A process that has lost the IPC server ends, and comes back as often as it takes. With this delay pm2 never
  // counts the 16 restarts in 16 seconds after which it would give up.
  restart_delay: 1000,
  // The scripts say when they are ready. A reload ends the old process only then.
  wait_ready: true,
  listen_timeout: 10_000,
  // How long a process may take to finish its requests and close the database. pm2's default is 1.6 seconds.
  kill_timeout: 10_000,
};

// A reload starts the new process, and then ends the old one. There is never more than one at work: the new one waits.
const oneAtATime = { ...everyApp, exec_mode: 'cluster', instances: 1 };

module.exports = {
  apps: [
    {
      ...oneAtATime,
      name: 'ipc-server',
      // The command acebase-ipc-server itself: its variables, reload and log are those of the documentation.
      script: join(dirname(require.resolve('acebase-ipc-server/package.json')), 'dist/cli/main.js'),
      args: '--config ipc.json',
    },
    { ...oneAtATime, name: 'db-master', script: 'start-db-master.js' },
    {
      ...everyApp,
      name: 'db-server',
      script: 'start-db-server.js',
      exec_mode: 'cluster', // all instances share HTTP_PORT
      instances: Number(process.env.DB_SERVERS ?? 2), // -2 is one for each CPU, less two
    },
  ],
};
