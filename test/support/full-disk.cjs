/**
 * Preload, before all others (`NODE_OPTIONS=--require …`): when a record with the text `FULL_DISK_AFTER` has been written, the disk is full for
 * the next record, once.
 */
'use strict';

const fs = require('node:fs');

/** Where records begin in a database file of AceBase. */
const RECORDS_AT = 131072;

const text = process.env.FULL_DISK_AFTER;
let isFull = false;
let wasFull = false;

const { write } = fs;
fs.write = (file, buffer, offset, length, position, callback) => {
  const isRecord = Buffer.isBuffer(buffer) && typeof position === 'number' && position >= RECORDS_AT;
  if (!isRecord || wasFull) return write.call(fs, file, buffer, offset, length, position, callback);
  if (isFull) {
    wasFull = true;
    const error = Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
    return process.nextTick(callback, error);
  }
  isFull = buffer.subarray(offset, offset + length).includes(text);
  return write.call(fs, file, buffer, offset, length, position, callback);
};
