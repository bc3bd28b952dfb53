/**
 * Preload, before all others (`NODE_OPTIONS=--require …`): when a record with the text `FULL_DISK_AFTER` has been written, the disk is full for
 * the next record, once. For records with the text `FULL_DISK_FOR` it always is; for what is written at the place
 * `FULL_DISK_AT`, `FULL_DISK_TIMES` times.
 */
'use strict';

const fs = require('node:fs');

/** Where records begin in a database file of AceBase. */
const RECORDS_AT = 131072;

const text = process.env.FULL_DISK_AFTER;
const refused = process.env.FULL_DISK_FOR;
const place = Number(process.env.FULL_DISK_AT);
let times = Number(process.env.FULL_DISK_TIMES);
let isFull = false;
let wasFull = false;

/** Whether there is no room for that, now; notes when the text was written. */
function isRefused(buffer, offset, length, position) {
  const isRecord = Buffer.isBuffer(buffer) && typeof position === 'number' && position >= RECORDS_AT;
  if (position === place && times > 0) {
    times -= 1;
    return true;
  }
  if (!isRecord) return false;
  if (refused !== undefined && buffer.subarray(offset, offset + length).includes(refused)) return true;
  if (text === undefined || wasFull) return false;
  if (isFull) {
    wasFull = true;
    return true;
  }
  isFull = buffer.subarray(offset, offset + length).includes(text);
  return false;
}

const noSpace = () =>
  Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC', syscall: 'write' });

const { write, writeSync } = fs;
fs.write = (file, buffer, offset, length, position, callback) => {
  if (isRefused(buffer, offset, length, position)) return process.nextTick(callback, noSpace());
  return write.call(fs, file, buffer, offset, length, position, callback);
};
fs.writeSync = (file, buffer, offset, length, position) => {
  if (isRefused(buffer, offset, length, position)) throw noSpace();
  return writeSync.call(fs, file, buffer, offset, length, position);
};
