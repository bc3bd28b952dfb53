/**
 * Preload for stock AceBase (`NODE_OPTIONS=--require …`): while there is a file `LATE_LINE`, the process does not begin to connect. It opens its
 * database meanwhile.
 */
'use strict';

const fs = require('node:fs');
const { RemoteIPCPeer } = require('../../node_modules/acebase/dist/cjs/ipc/remote.js');

const { connect } = RemoteIPCPeer.prototype;
RemoteIPCPeer.prototype.connect = async function (...details) {
  while (fs.existsSync(process.env.LATE_LINE)) await new Promise((resolve) => setTimeout(resolve, 20));
  return await connect.apply(this, details);
};
