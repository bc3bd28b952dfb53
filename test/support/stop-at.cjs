/**
 * Preload, before all others (`NODE_OPTIONS=--require …`): while there is a file `STOP_AT`, the process is stopped right before it reads a record,
 * or, if that says `root`, before it writes where the root is; the file is gone then.
 */
'use strict';

const fs = require('node:fs');

/** Where the address of the root is in a database file of AceBase, and where records begin. */
const ROOT_AT = 12;
const ROOT_BYTES = 6;
const RECORDS_AT = 131_072;
const file = process.env.STOP_AT;

function stopping(name, what, isPlace) {
  const original = fs[name];
  fs[name] = (descriptor, buffer, offset, length, position, ...rest) => {
    if (isPlace(position) && fs.existsSync(file) && fs.readFileSync(file, 'utf8') === what) {
      fs.unlinkSync(file);
      process.kill(process.pid, 'SIGSTOP');
    }
    return original.call(fs, descriptor, buffer, offset, length, position, ...rest);
  };
}

const isRecord = (position) => typeof position === 'number' && position >= RECORDS_AT;
stopping('readSync', 'record', isRecord);
// Where the disk is slow.
stopping('read', 'record', isRecord);
// A journal writes only what has changed of it.
stopping('writeSync', 'root', (position) => position >= ROOT_AT && position < ROOT_AT + ROOT_BYTES);
