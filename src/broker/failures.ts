/** Why the server answers a request with an error, in words for who reads it in the log of a worker. */

/** The codes of such answers. */
export type RequestFailure =
  | 'IPC_REQUEST_DRAINING'
  | 'IPC_REQUEST_KEY_TABLE_FULL'
  | 'IPC_REQUEST_LOCK_LOST'
  | 'IPC_REQUEST_MAILBOX_FULL'
  | 'IPC_REQUEST_MASTER_LOST'
  | 'IPC_REQUEST_NO_MEMORY'
  | 'IPC_REQUEST_NO_MASTER'
  | 'IPC_REQUEST_TOO_MANY';

const REASONS: Readonly<Record<RequestFailure, (database: string) => string>> = {
  IPC_REQUEST_DRAINING: (database) =>
    `the IPC server stops, and did not pass this request for database "${database}" on. Try again when it is back.`,
  IPC_REQUEST_KEY_TABLE_FULL: (database) =>
    `the key table of database "${database}" is nearly full. The key is written out in full.`,
  IPC_REQUEST_LOCK_LOST: (database) =>
    `this lock of database "${database}" is held no longer: it has expired, or another process was given it. Try again.`,
  IPC_REQUEST_MAILBOX_FULL: (database) =>
    `no master is ready for database "${database}", and too many requests wait for it. Start the master.`,
  IPC_REQUEST_MASTER_LOST: (database) =>
    `the master of database "${database}" went away before it answered. Try again.`,
  IPC_REQUEST_NO_MEMORY: (database) =>
    `the IPC server has no memory left to keep requests, and database "${database}" has its share of it. Try again later, or raise maxTotalBuffered.`,
  IPC_REQUEST_NO_MASTER: (database) =>
    `no master is connected for database "${database}". Start the process with role "master".`,
  IPC_REQUEST_TOO_MANY: (database) =>
    `this process has asked for more of database "${database}" at one time than the IPC server can keep. Write in smaller parts, or raise maxMailPerPeer.`,
};

/** The reason as it stands in the answer, with its code in front. */
export function reasonFor(failure: RequestFailure, database: string): string {
  return `${failure}: ${REASONS[failure](database)}`;
}
