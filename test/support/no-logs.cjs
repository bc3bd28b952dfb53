/** Preload, before all others (`NODE_OPTIONS=--require …`): the logs of a journal cannot be made; those that are there can be written. */
'use strict';

const fs = require('node:fs');

const { openSync } = fs;
fs.openSync = (path, flags, ...rest) => {
  const isMade = typeof flags === 'number' && (flags & fs.constants.O_CREAT) !== 0;
  if (isMade && /\.redo2?$/.test(String(path)) && !fs.existsSync(path))
    throw Object.assign(new Error(`EACCES: permission denied, open '${path}'`), { code: 'EACCES' });
  return openSync.call(fs, path, flags, ...rest);
};
