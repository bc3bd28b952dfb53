/**
 * Preload, before all others (`NODE_OPTIONS=--require …`): while there is a file `HOLD_WRITES`, a thread takes its time for records with the text
 * `HOLD_TEXT`.
 */
'use strict';

const fs = require('node:fs');

/** Where records begin in a database file of AceBase. */
const RECORDS_AT = 131_072;
const { HOLD_WRITES: file, HOLD_TEXT: text } = process.env;

const { existsSync, write } = fs;
fs.write = (descriptor, buffer, offset, length, position, callback) => {
  const isRecord = typeof position === 'number' && position >= RECORDS_AT && typeof buffer !== 'string';
  const isHeld = isRecord && Buffer.from(buffer.subarray(offset, offset + length)).includes(text);
  const go = () => {
    if (isHeld && existsSync(file)) setTimeout(go, 20);
    else write.call(fs, descriptor, buffer, offset, length, position, callback);
  };
  go();
};
