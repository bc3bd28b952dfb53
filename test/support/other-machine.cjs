/**
 * Preload (`node --require`): another machine, as far as Linux's boot id tells them apart. Numbers of files on two machines say
 * nothing of each other.
 */
'use strict';

const fs = require('node:fs');
const { syncBuiltinESMExports } = require('node:module');

const { readFileSync } = fs;
fs.readFileSync = (path, ...rest) =>
  String(path) === '/proc/sys/kernel/random/boot_id' ? 'another machine\n' : readFileSync(path, ...rest);
syncBuiltinESMExports();
