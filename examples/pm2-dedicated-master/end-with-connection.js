/**
 * Ends this process when its connection to the IPC server ends, so that its supervisor starts a fresh one.
 *
 * AceBase itself would stay, but not as part of the cluster: refused by the IPC server it closes the database and
 * answers nothing any more, and after a lost connection it has missed locks and changes of other processes.
 *
 * It is also how the process ends after `db.close()`: the IPC server then closes the connection.
 *
 * @param db the AceBase database
 * @param stopListening closes the HTTP port of this process, if it has one. A connection that pm2 or a Node.js
 * cluster hands to a process that has just ended is lost: its client waits for an answer for ever.
 */
exports.endWithConnection = (db, stopListening = () => {}) => {
  let stopping = false;
  process.once('SIGINT', () => {
    stopping = true;
  });
  // If the file cannot be opened, AceBase throws where nobody looks. Node.js ends a process then; pm2 prevents that,
  // and the process would wait for its database for ever.
  const failed = (error) => {
    console.error(error);
    process.exit(1);
  };
  process.on('unhandledRejection', failed);
  db.ready(() => process.off('unhandledRejection', failed));

  const ended = () => {
    if (stopping) process.exit(0);
    console.error('Not connected to the IPC server. This process ends; a new one should take its place.');
    stopListening();
    // Nothing new is begun, and what is being written to the file has the time to get there.
    db.close().catch(() => {});
    setTimeout(() => process.exit(1), 500);
  };
  // AceBase opens the connection a moment after it has made the database object.
  setImmediate(() => {
    const { ipc } = db.api.storage;
    // With the client of acebase-ipc-server a lost connection comes back by itself: what counts is the end of the database.
    if (ipc.ws) ipc.ws.once('close', ended);
    else ipc.once('exit', ended);
  });
};
