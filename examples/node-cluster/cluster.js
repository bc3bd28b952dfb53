// One machine, one program: AceBase finds its peers through Node's own cluster. No IPC server is needed.
const cluster = require('node:cluster');
const { AceBase } = require('acebase');
const { AceBaseServer } = require('acebase-server');

const DB_NAME = process.env.DB_NAME ?? 'mydb';
const DB_PATH = process.env.DB_PATH ?? __dirname;
const HTTP_PORT = Number(process.env.HTTP_PORT ?? 5757);
const WORKERS = Number(process.env.DB_SERVERS ?? 2);

if (cluster.isPrimary) {
  const db = new AceBase(DB_NAME, { logLevel: 'warn', storage: { path: DB_PATH } });
  let stopping = false;

  // The file is there before a worker looks for it.
  db.ready(() => {
    if (stopping) return db.close();
    for (let i = 0; i < WORKERS; i++) cluster.fork();
  });
  cluster.on('exit', () => {
    if (!stopping) cluster.fork();
    else if (Object.keys(cluster.workers).length === 0) db.close();
  });
  // At SIGINT, AceBase would close the database at once. The workers still need it for their last requests.
  process.removeAllListeners('SIGINT');
  process.once('SIGINT', () => {
    stopping = true;
    for (const worker of Object.values(cluster.workers)) worker.process.kill('SIGINT');
  });
} else {
  const server = new AceBaseServer(DB_NAME, {
    logLevel: 'warn',
    host: 'localhost',
    port: HTTP_PORT,
    path: DB_PATH,
    authentication: { enabled: false }, // for localhost only: see the README
  });
  // acebase-server closes the database at SIGINT, but the channel to the primary would keep the process.
  server.once('shutdown', () => process.exit(0));
  // It does so once it is ready. A process that is still starting would stay for ever.
  process.once('SIGINT', () => {
    if (!server.isReady) process.exit(0);
  });
}
