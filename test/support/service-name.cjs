/**
 * Preload (`node --require`): a network in which the IPC server is found by the name that its service has, as in those that compose and
 * Kubernetes make. Here that is this machine.
 */
'use strict';

const dns = require('node:dns');
const { syncBuiltinESMExports } = require('node:module');

const { lookup } = dns;
dns.lookup = (name, ...rest) =>
  lookup(name === process.env['ACEBASE_IPC_HOST'] ? '127.0.0.1' : name, ...rest);
syncBuiltinESMExports();
