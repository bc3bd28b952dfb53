/**
 * Preload (`node --require`): a slow disk. Opening, reading and writing a database file takes 150 ms longer, as it
 * does on network storage. The work itself is done at once; only the news of it comes late, and a late `open` also
 * delays everything that needs it.
 */
'use strict';

const fs = require('node:fs');

const latency = Number(process.env.SLOW_FS_MILLISECONDS ?? 150);
const slowFiles = new Set();

function late(callback) {
  return (...results) => setTimeout(callback, latency, ...results);
}

const { open, close } = fs;
fs.open = (path, ...rest) => {
  const callback = rest.pop();
  const isDatabase = String(path).includes('.acebase');
  const opened = (error, file) => {
    if (!error && isDatabase) slowFiles.add(file);
    callback(error, file);
  };
  open.call(fs, path, ...rest, isDatabase ? late(opened) : opened);
};
fs.close = (file, ...rest) => {
  slowFiles.delete(file);
  close.call(fs, file, ...rest);
};
for (const name of ['read', 'write']) {
  const original = fs[name];
  fs[name] = (file, ...rest) => {
    if (!slowFiles.has(file)) return original.call(fs, file, ...rest);
    const callback = rest.pop();
    // The data is read or written after the delay, so that a read sees what was written meanwhile.
    return setTimeout(() => original.call(fs, file, ...rest, callback), latency);
  };
}
