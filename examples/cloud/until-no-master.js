const { setTimeout: delay } = require('node:timers/promises');

/**
 * Resolves when the IPC server is there and no process is connected to it as the master of this database.
 *
 * A master opens the file at once, connected or not, and hands out locks and free space from what it read then. So
 * it must not open it before the last master has closed it, nor be cut off while it makes a new file.
 *
 * @param name name of the database
 * @param ipc the `ipc` settings of AceBase
 */
exports.untilNoMaster = async (name, { host, port, ssl, token }) => {
  const url = `http${ssl ? 's' : ''}://${host}:${port}/${name}_data/clients`;
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  for (;;) {
    try {
      const response = await fetch(url, { headers });
      const peers = response.ok ? await response.json() : undefined;
      if (peers?.every((peer) => peer.id !== '[master]')) return;
    } catch {
      // The IPC server cannot be reached yet.
    }
    await delay(100);
  }
};
