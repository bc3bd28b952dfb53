/**
 * Preload, before all others (`NODE_OPTIONS=--require …`): the disk is full for the redo log of a database when it is to hold the text `FULL_LOG_FOR`,
 * or for the database file when the bytes of that text are written to it with `FULL_LOG_THEN=file`.
 */
'use strict';

const fs = require('node:fs');

const text = process.env.FULL_LOG_FOR;
const place = process.env.FULL_LOG_THEN === 'file' ? /data\.db$/ : /data\.redo$/;
const files = new Set();

const { open, openSync, close, closeSync, writeSync } = fs;
fs.open = (path, ...rest) => {
  const callback = rest.pop();
  return open.call(fs, path, ...rest, (error, file) => {
    if (error === null && place.test(String(path))) files.add(file);
    callback(error, file);
  });
};
fs.openSync = (path, ...rest) => {
  const file = openSync.call(fs, path, ...rest);
  if (place.test(String(path))) files.add(file);
  return file;
};
fs.close = (file, ...rest) => {
  files.delete(file);
  return close.call(fs, file, ...rest);
};
fs.closeSync = (file) => {
  files.delete(file);
  return closeSync.call(fs, file);
};
fs.writeSync = (file, data, ...rest) => {
  if (files.has(file) && typeof data !== 'string' && Buffer.from(data).includes(text)) {
    throw Object.assign(new Error('ENOSPC: no space left on device, write'), {
      code: 'ENOSPC',
      syscall: 'write',
    });
  }
  return writeSync.call(fs, file, data, ...rest);
};
