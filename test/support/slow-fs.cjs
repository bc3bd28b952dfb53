/**
 * Preload (`node --require`): a slow disk. Opening, reading and writing a database file takes 150 ms longer, as it
 * does on network storage. The work itself is done at once; only the news of it comes late, and a late `open` also
 * delays everything that needs it. `SLOW_FS_FILES` is a regular expression of the paths that are slow, `SLOW_FS_CALLS`
 * says which of the calls are.
 */
'use strict';

const fs = require('node:fs');

const latency = Number(process.env.SLOW_FS_MILLISECONDS ?? 150);
const slowCalls = (process.env.SLOW_FS_CALLS ?? 'open,read,write').split(',');
const slowPaths = new RegExp(process.env.SLOW_FS_FILES ?? '\\.acebase');
/** Where records begin in a database file of AceBase. */
const RECORDS_AT = 131_072;
/** By descriptor: what is open under it now. */
const slowFiles = new Map();

function late(callback) {
  return (...results) => setTimeout(callback, latency, ...results);
}

const { open, close } = fs;
fs.open = (path, ...rest) => {
  const callback = rest.pop();
  const isDatabase = slowPaths.test(String(path));
  const opened = (error, file) => {
    if (!error && isDatabase) slowFiles.set(file, {});
    callback(error, file);
  };
  open.call(fs, path, ...rest, isDatabase && slowCalls.includes('open') ? late(opened) : opened);
};
fs.close = (file, ...rest) => {
  slowFiles.delete(file);
  close.call(fs, file, ...rest);
};
for (const name of ['read', 'write'].filter((call) => slowCalls.includes(call))) {
  const original = fs[name];
  fs[name] = (file, ...rest) => {
    const opened = slowFiles.get(file);
    if (opened === undefined) return original.call(fs, file, ...rest);
    const callback = rest.pop();
    // The data is read or written after the delay, so that a read sees what was written meanwhile.
    const act = () => {
      if (slowFiles.get(file) === opened) original.call(fs, file, ...rest, callback);
      else callback(Object.assign(new Error(`EBADF: bad file descriptor, ${name}`), { code: 'EBADF' }));
    };
    return setTimeout(act, latency);
  };
}

// What is read or written at once holds up the whole process; whoever does so is to notice, and to leave it to threads.
const standStill = new Int32Array(new SharedArrayBuffer(4));
for (const name of ['read', 'write'].filter((call) => slowCalls.includes(call))) {
  const original = fs[`${name}Sync`];
  fs[`${name}Sync`] = (file, ...rest) => {
    const isRecord = typeof rest[3] === 'number' && rest[3] >= RECORDS_AT;
    if (isRecord && slowFiles.has(file)) Atomics.wait(standStill, 0, 0, latency);
    return original.call(fs, file, ...rest);
  };
}
