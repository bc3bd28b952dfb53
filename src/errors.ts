/**
 * Every error that this package throws, answers a request with, or closes a connection with.
 *
 * `docs/ERRORS.md` is held equal to this table by a test. A code is never reused for another meaning.
 */

/** What one error code stands for. */
export interface ErrorDefinition {
  /** One sentence: what is wrong. */
  readonly summary: string;
  /** One sentence: what to do about it. */
  readonly remedy: string;
  /** The HTTP status that a refused upgrade or a failed request is answered with. */
  readonly status?: number;
  /** The WebSocket close code (RFC 6455 section 7.4) that a connection is ended with. */
  readonly closeCode?: number;
  /** The exit code of the command, where it ends because of this error. */
  readonly exitCode?: number;
}

/**
 * The table. Close codes of our own follow the rule that clients may decide by range:
 * 4000–4499 come back, 4500–4999 stay away.
 */
export const ERRORS = {
  // Options, and files. Thrown by `new AceBaseIPCServer()` and `init`; the command prints them and exits.
  IPC_OPTION_INVALID: {
    summary: 'An option has a value that is not allowed.',
    remedy: 'The message names the option, where it came from, what was given and what is allowed.',
    exitCode: 2,
  },
  IPC_OPTION_UNKNOWN: {
    summary: 'An option, flag or key of the config file is not known.',
    remedy: 'The message names the nearest known one; `acebase-ipc-server --help` lists all.',
    exitCode: 2,
  },
  IPC_OPTION_INSECURE: {
    summary: 'The server would listen on a host that is not loopback, with no token: anyone could join.',
    remedy:
      'Set `token` or `tokenFile`, or listen on localhost, or say `allowAnonymous` if the network is trusted.',
    exitCode: 2,
  },
  IPC_CONFIG_UNREADABLE: {
    summary: 'The config file cannot be read, or is not JSON.',
    remedy: 'Check the path, its permissions, and the place in the file that the message names.',
    exitCode: 2,
  },
  IPC_TOKEN_FILE_UNREADABLE: {
    summary: 'The token file cannot be read, or holds no token.',
    remedy: 'Check the path and its permissions; the file holds one token per line.',
    exitCode: 2,
  },
  IPC_INIT_FILE_EXISTS: {
    summary: 'A file that `init` would write is there already; nothing was written.',
    remedy: 'Choose another folder with `--folder`, or overwrite the files with `--force`.',
    exitCode: 2,
  },

  // The command `check`.
  IPC_CHECK_NO_DATABASE: {
    summary: 'There is no database of that name in that folder.',
    remedy: 'Give the folder that has the folder `<database>.acebase` in it as `--path`.',
    exitCode: 2,
  },
  IPC_CHECK_NOT_PERMITTED: {
    summary:
      'This user may not use the files of the database: `check` reads them, `backup` opens them for writing.',
    remedy: 'Run it as the user that the processes of the database run as, who owns the files.',
    exitCode: 2,
  },
  IPC_CHECK_NO_ACEBASE: {
    summary: 'No acebase package is found from the working directory.',
    remedy:
      'Run it in the folder of the program that uses the database, or in any other where `npm install acebase@1` was run.',
    exitCode: 2,
  },
  IPC_CHECK_UNKNOWN_ACEBASE: {
    summary: 'The acebase package that is found cannot read the records of a file one by one.',
    remedy:
      'Run `npm install acebase@1` (1.29.11 or later) in an empty folder, and run it there: older versions have the same file format.',
    exitCode: 2,
  },
  IPC_CHECK_IN_USE: {
    summary: 'A process has the database open, or wrote to it meanwhile.',
    remedy:
      'Stop all processes of the database, also on other machines, and run it again; a managed master stops with its server.',
    exitCode: 2,
  },
  IPC_CHECK_NO_ROOM: {
    summary: 'There is no room for the copy that `--repair` makes before it changes anything.',
    remedy:
      'Make room beside the folder of the database, or move that to a larger disk. Nothing was changed.',
    exitCode: 2,
  },

  // The command `backup`.
  IPC_BACKUP_NO_CLUSTER: {
    summary: 'No master of the database is connected to the server.',
    remedy:
      'Start the master, or check the name, and `--port` or `--url`. With all processes of the database stopped, copy its folder by any means.',
    exitCode: 2,
  },
  IPC_BACKUP_OLD_ACEBASE: {
    summary: 'The acebase package that is found cannot lock the transaction log of a cluster.',
    remedy: 'Run `npm install acebase@1` (1.28.1 or later) in an empty folder, and run it there.',
    exitCode: 2,
  },
  IPC_BACKUP_FOLDER: {
    summary:
      'The folder for the copies is inside the folder to be copied, cannot be created, or may not be read and written by this user.',
    remedy:
      'Give another folder as `--to`, best on another disk, that the user of this command may write to.',
    exitCode: 2,
  },
  IPC_BACKUP_NO_ROOM: {
    summary: 'There is no room for the copy.',
    remedy: 'Make room in the folder that `--to` names, or let `--keep` remove older copies.',
    exitCode: 2,
  },
  IPC_BACKUP_TIMEOUT: {
    summary: 'The cluster did not let the backup in, or did not give it the lock, in the time of `--wait`.',
    remedy:
      'Check that the server and the master are running (`doctor`), and who holds a lock (`locks`). Run it again, with a longer `--wait` if locks are held for so long.',
    exitCode: 1,
  },
  IPC_BACKUP_LOST: {
    summary: 'Others may have written to the database while it was copied.',
    remedy:
      'Run it again. If copying takes too long for a lock, take a snapshot of the file system while nothing writes (docs/OPERATIONS.md, "Backup").',
    exitCode: 1,
  },
  IPC_BACKUP_UNSOUND: {
    summary: 'The copy is not sound, and was removed.',
    remedy: 'The database itself may be damaged: keep older copies, stop its processes, and run `check`.',
    exitCode: 1,
  },

  // Starting. `server.start()` rejects with IPC_LISTEN_*; the constructor throws IPC_TLS_*.
  IPC_LISTEN_PORT_IN_USE: {
    summary: 'Another program listens on that port already.',
    remedy:
      'Stop the program that has the port (perhaps another IPC server), or choose another `port` here and in every client.',
    exitCode: 1,
  },
  IPC_LISTEN_NOT_PERMITTED: {
    summary: 'The system does not let this user listen on that port.',
    remedy: 'Choose a port of 1024 or above, or give the process the right to bind low ports.',
    exitCode: 1,
  },
  IPC_LISTEN_BAD_ADDRESS: {
    summary: 'The host is not an address of this machine, or its name cannot be resolved.',
    remedy: 'Use localhost, 0.0.0.0, ::, or an address or name that belongs to this machine.',
    exitCode: 1,
  },
  IPC_LISTEN_FAILED: {
    summary: 'The server cannot listen.',
    remedy: 'The message carries the reason the system gave.',
    exitCode: 1,
  },
  IPC_TLS_FILE_UNREADABLE: {
    summary: 'A certificate, key or PFX file cannot be read.',
    remedy: 'Check the path in `ssl` and its permissions.',
    exitCode: 1,
  },
  IPC_TLS_BAD_PASSPHRASE: {
    summary: 'The passphrase does not open the key or the PFX.',
    remedy: 'Set `ssl.passphrase` to the passphrase that the key or PFX was written with.',
    exitCode: 1,
  },
  IPC_TLS_BAD_CERTIFICATE: {
    summary: 'The certificate and key cannot be used: not PEM or PFX, or they do not belong together.',
    remedy: 'Check that the files are what their option says, and that the key belongs to the certificate.',
    exitCode: 1,
  },
  IPC_SERVER_STOPPED: {
    summary: 'The server was stopped; it cannot be started again.',
    remedy: 'Create a new AceBaseIPCServer.',
  },
  IPC_MASTER_NO_ACEBASE: {
    summary: 'No acebase package is found from the working directory, or beside this package.',
    remedy:
      'Run `npm install acebase@1` in the folder that the server is started in, or start it in the folder of the program.',
    exitCode: 2,
  },
  IPC_MASTER_UNKNOWN_ACEBASE: {
    summary: 'The acebase package that is found cannot be a managed master.',
    remedy: 'Use acebase 1.18 to 1.29.',
    exitCode: 2,
  },
  IPC_MASTER_NO_PROGRAM: {
    summary: 'The program of managed masters is not beside the code of this server.',
    remedy:
      'Install the package as npm does, not bundled into another file; in a clone, run `npm run build`.',
    exitCode: 1,
  },
  IPC_MASTER_RUNTIME: {
    summary: 'Managed masters need Node.js.',
    remedy: 'Start the server with Node.js, or leave `masters` out and start a process with role `master`.',
    exitCode: 2,
  },
  IPC_MASTER_NO_FILE: {
    summary:
      'There is no database file for a managed master, and it is not to make one (`create: false`); or what is there is not a plain file, or has lost its end.',
    remedy: 'Check `path` of that master, and whether the volume is mounted.',
  },
  IPC_NODE_TOO_OLD: {
    summary: 'This version of Node.js is too old for the server and the client.',
    remedy: 'Use Node.js 20.19 or later, or 22.12 or later; best, one that is still maintained.',
    exitCode: 1,
  },

  // Refused connections: the HTTP status of the upgrade (docs/PROTOCOL.md, section 2).
  IPC_REFUSED_ORIGIN: {
    summary: 'The request came from a web page of another origin.',
    remedy: 'If that page may talk to this server, add its origin to `allowedOrigins`.',
    status: 403,
  },
  IPC_REFUSED_HOST: {
    summary: 'The Host header names neither loopback nor an allowed host, and no token protects this server.',
    remedy: 'Set a token, or add the name that clients use to `allowedHosts`.',
    status: 421,
  },
  IPC_REFUSED_TOKEN: {
    summary: 'The token is missing or wrong.',
    remedy: 'Set `ipc.token` of the client to the token that the server was given for this database.',
    status: 403,
  },
  IPC_REFUSED_DATABASE: {
    summary: 'This server does not serve that database.',
    remedy: 'Add the database to `databases`.',
    status: 403,
  },
  IPC_REFUSED_VERSION: {
    summary: 'The client speaks another major version of the IPC protocol, or names none.',
    remedy: 'Use an AceBase client that speaks IPC version 1 (acebase 1.12 and later).',
    status: 409,
  },
  IPC_REFUSED_DATABASE_NAME: {
    summary:
      'The database name is not allowed: 1 to 128 printable ASCII characters without space and / ? # ; %.',
    remedy: 'Rename the database.',
    status: 500,
  },
  IPC_REFUSED_PEER_ID: {
    summary: 'The peer id is missing or not allowed: it must be [master], or 5 to 64 of A–Z a–z 0–9 _ -.',
    remedy: 'Use an unmodified AceBase client; it makes its own id.',
    status: 500,
  },
  IPC_REFUSED_INVARIANT: {
    summary: 'The server ended this database while the process connected, since an invariant was broken.',
    remedy:
      'Nothing to do: clients connect again by themselves. Report the line `broken-invariant` of its log.',
    status: 503,
  },
  IPC_REFUSED_PEER_GONE: {
    summary: 'A process with this id said goodbye already; its id is not used again.',
    remedy: 'Nothing to do: the process is closing. A restarted process has a new id.',
    status: 500,
  },
  IPC_REFUSED_UNSAFE_RETURN: {
    summary:
      'The line of this process broke while it held a lock or waited for an answer; it may not go on with what it believes.',
    remedy: 'Let a supervisor start it again: a fresh process joins at once. The log says what was in doubt.',
    status: 500,
  },
  IPC_REFUSED_OLD_MASTER: {
    summary:
      'The line of this master broke while locks were held; what it remembers of them is not true any more.',
    remedy:
      'Nothing to do with the client, which comes again by itself as a new master. Else let a supervisor start it again: a fresh master is let in at once.',
    status: 500,
  },
  IPC_REFUSED_SECOND_MASTER: {
    summary: 'Another process is the master of this database, and it is alive.',
    remedy:
      'Start a master only when the last one has ended, and give no other process that role. If the two have different folders, give one of them another database name, or an IPC server of its own. The log names both addresses.',
    status: 500,
  },
  IPC_REFUSED_MANAGED_MASTER: {
    summary: 'This server runs the master of that database itself.',
    remedy: "Use `role: 'worker'` in all processes of that database.",
    status: 500,
  },
  IPC_REFUSED_NO_TRANSACTION_LOG: {
    summary: 'The master that this server runs for that database keeps no transaction log.',
    remedy:
      'Set `transactions: { log: true }` for that database in `masters`, or leave it out in the process.',
    status: 500,
  },
  IPC_REFUSED_OTHER_FILE: {
    summary:
      'The database file of this process is another one than that of the processes that are connected.',
    remedy:
      'Give all processes of a database the same folder. Give another database another name, or an IPC server of its own. The log names both folders.',
    status: 500,
  },
  IPC_REFUSED_MASTER_AWAY: {
    summary:
      'The connection of the present master is broken, or it does not answer. It may still write to the file.',
    remedy:
      'Nothing to do: the client tries again, and is let in when that process has ended, or `reconnectGrace` after its connection.',
    status: 503,
  },
  IPC_REFUSED_MASTER_EXPECTED: {
    summary:
      'Another master was at the server before this one, and may be on its way here. It may still write to the file.',
    remedy:
      'Nothing to do: the client tries again, and takes its turn when that process has come, or is let in `reconnectGrace` after it heard of it.',
    status: 503,
  },
  IPC_REFUSED_JOURNAL: {
    summary:
      'The connected processes keep a journal, which this one does not read, and none of them could empty it in time.',
    remedy:
      'Nothing to do: the process tries again, and is let in once the journal is empty. If this persists, check that the master answers. Where all processes use the client of this package, none has to wait.',
    status: 503,
  },
  IPC_REFUSED_DRAINING: {
    summary: 'The server is stopping.',
    remedy: 'Nothing to do: clients try again by themselves.',
    status: 503,
  },
  IPC_REFUSED_TOO_MANY_CONNECTIONS: {
    summary:
      'The server has `maxConnections` connections already. One that has shown no token is ended for a newcomer.',
    remedy: 'Raise `maxConnections`, or find out who opens so many.',
    status: 503,
  },
  IPC_REFUSED_NO_DESCRIPTORS: {
    summary: 'The process of the server has hardly any file descriptors left, and each connection takes one.',
    remedy:
      'Raise the limit of open files (`ulimit -n`, `LimitNOFILE`), or find out who opens so many connections.',
    status: 503,
  },
  IPC_REFUSED_TOO_MANY_DATABASES: {
    summary: 'The server has `maxDatabases` databases already.',
    remedy: 'Raise `maxDatabases`, or list the wanted ones in `databases`.',
    status: 503,
  },
  IPC_REFUSED_TOO_MANY_PEERS: {
    summary: 'The database has `maxPeers` peers already.',
    remedy: 'Raise `maxPeers`, or start fewer workers.',
    status: 503,
  },
  IPC_REFUSED_PATH: {
    summary: 'There is nothing at this path.',
    remedy:
      'AceBase clients connect to /<database>/connect; check that `ipc.host` and `ipc.port` point here.',
    status: 404,
  },
  IPC_REFUSED_METHOD: {
    summary: 'This path does not take that HTTP method.',
    remedy: 'docs/PROTOCOL.md lists the endpoints.',
    status: 405,
  },
  IPC_REFUSED_NO_UPGRADE: {
    summary: 'This path is for WebSocket connections; the request asked for no upgrade.',
    remedy: 'If a proxy stands between, let it pass on the Upgrade and Connection headers.',
    status: 426,
  },
  IPC_REFUSED_HANDSHAKE: {
    summary: 'The WebSocket handshake is malformed (RFC 6455 section 4.2.1).',
    remedy: 'Use a client that follows RFC 6455, version 13.',
    status: 400,
  },
  IPC_REFUSED_MALFORMED_HTTP: {
    summary:
      'What was sent is not HTTP, its headers are too long, or more than 8 requests were sent before the first was answered.',
    remedy:
      'Find out by its address what connects: a port scanner, a probe, or a load balancer that sends PROXY headers, which must be turned off.',
    status: 400,
  },
  IPC_REFUSED_TLS_UNTRUSTED: {
    summary: 'The other end does not trust the certificate of this server.',
    remedy:
      'An AceBase process needs the authority that signed it: `ssl: { ca }` with the client of this package, or NODE_EXTRA_CA_CERTS. A browser must trust it, or be told to go on.',
    status: 400,
  },
  IPC_REFUSED_TLS_EXPECTED: {
    summary: 'An HTTP request without TLS was sent to this server, which has a certificate.',
    remedy:
      'Set `ssl: true` in the `ipc` settings of an AceBase process. In a browser or a probe, use https://.',
    status: 400,
  },
  IPC_REFUSED_TLS_UNEXPECTED: {
    summary: 'A TLS connection was begun with this server, which has no certificate.',
    remedy:
      'Remove `ssl` from the `ipc` settings of an AceBase process, or give this server a certificate. In a browser or a probe, use http://.',
    status: 400,
  },
  IPC_REFUSED_TLS_FAILED: {
    summary: 'A TLS handshake failed.',
    remedy:
      'The log has the reason in `detail`: the other end speaks another version of TLS, or shows no certificate where `ssl.ca` asks for one.',
    status: 400,
  },
  IPC_REFUSED_TIMEOUT: {
    summary: 'The request was not complete within `handshakeTimeout`.',
    remedy: 'Look for a stalled network or a proxy that holds requests back.',
    status: 408,
  },

  // HTTP endpoints.
  IPC_HTTP_UNAUTHORIZED: {
    summary: 'The token is missing or wrong, or the server does not serve that database.',
    remedy: 'Send the token of this server, or of that database, as `Authorization: Bearer …` or `t=…`.',
    status: 401,
  },
  IPC_HTTP_NO_PEER: {
    summary: 'No peer with that id is connected.',
    remedy: 'Send the id of a connected peer as `id=…`.',
    status: 401,
  },
  IPC_HTTP_NOT_FOUND: {
    summary: 'That message was picked up already, was never kept, or was kept for 60 s.',
    remedy: 'Pick a message up once, soon after its `get:` came.',
    status: 404,
  },
  IPC_HTTP_NO_DASHBOARD: {
    summary: 'The files of the dashboard are not beside the code of this server.',
    remedy:
      'Install the package as npm does, not bundled into another file; in a clone, run `npm run build`.',
    status: 404,
  },
  IPC_HTTP_TOO_LARGE: {
    summary: 'The body is longer than `maxHttpMessage`.',
    remedy: 'Store smaller values, or raise `maxHttpMessage`.',
    status: 413,
  },
  IPC_HTTP_BAD_MESSAGE: {
    summary:
      'The body is not a message of that peer: not UTF-8, not in the wire grammar, or in another name.',
    remedy: 'docs/PROTOCOL.md, section 3, gives the grammar.',
    status: 400,
  },
  IPC_HTTP_TOO_BUSY: {
    summary:
      'Messages that were still arriving held `maxTotalBuffered` bytes already, all connections together, or those of this database its part of that.',
    remedy: 'Send it again later; if it stays so, raise `maxTotalBuffered`.',
    status: 503,
  },
  IPC_HTTP_TOO_MANY_STREAMS: {
    summary: 'As many as may are watching the status of the server already.',
    remedy: 'Close a dashboard that nobody looks at, or ask `GET /status` now and then.',
    status: 503,
  },

  // Connections that the server ends: the WebSocket close code.
  IPC_CLOSED_GOODBYE: {
    summary: 'The peer said goodbye; the server ends its connection.',
    remedy: 'Nothing to do.',
    closeCode: 1000,
  },
  IPC_CLOSED_STOPPING: {
    summary: 'The server is stopping.',
    remedy: 'Nothing to do: clients connect again by themselves.',
    closeCode: 1001,
  },
  IPC_CLOSED_DRAINING: {
    summary: 'The server is about to stop, and another one is expected at its place.',
    remedy: 'Nothing to do: clients connect again by themselves.',
    closeCode: 4001,
  },
  IPC_CLOSED_CONNECT_AGAIN: {
    summary:
      'This client is to connect again: its folder was checked before it was let in; or it did not say in time which locks it holds from before a restart.',
    remedy: 'Nothing to do: clients connect again by themselves, and are told why if they are refused then.',
    closeCode: 4002,
  },
  IPC_CLOSED_PROTOCOL: {
    summary: 'A frame broke the WebSocket protocol (RFC 6455 section 5).',
    remedy: 'Look for a proxy that changes frames; AceBase clients send correct ones.',
    closeCode: 1002,
  },
  IPC_CLOSED_INVALID_UTF8: {
    summary: 'A text frame or a close reason was not UTF-8.',
    remedy: 'Look for a proxy that changes frames; AceBase clients send correct ones.',
    closeCode: 1007,
  },
  IPC_CLOSED_TOO_MANY_FRAGMENTS: {
    summary: 'A message came in more than 16,384 fragments.',
    remedy: 'Look for a proxy that changes frames; AceBase clients send each message whole.',
    closeCode: 1008,
  },
  IPC_CLOSED_TOO_LARGE: {
    summary: 'A message was longer than three bytes for each unit of `maxPayload`.',
    remedy: 'Store smaller values, or raise `maxPayload`.',
    closeCode: 1009,
  },
  IPC_CLOSED_NO_MEMORY: {
    summary:
      'Messages that were still arriving held `maxTotalBuffered` bytes already, all connections together, or those of this database its part of that.',
    remedy: 'Send fewer large messages at one time, or raise `maxTotalBuffered`.',
    closeCode: 1013,
  },
  IPC_CLOSED_TOO_SLOW: {
    summary: 'The peer did not read its messages: more than `maxBuffered` were waiting for it.',
    remedy:
      'Look for an overloaded or stopped process; raise `maxBuffered` if bursts of that size are normal.',
    closeCode: 1013,
  },
  IPC_CLOSED_OVER_SHARE: {
    summary:
      '`maxTotalBuffered` was used up. Of all databases, that of the peer used most; and in it, the peer: for messages that it had not read, requests that waited, or locks.',
    remedy:
      'Look for an overloaded or stopped process, or one that asks for very much at one time; raise `maxTotalBuffered` if the server has the memory.',
    closeCode: 1013,
  },
  IPC_CLOSED_REPLACED: {
    summary: 'The same process connected again; its older connection was ended.',
    remedy: 'Nothing to do.',
    closeCode: 4500,
  },
  IPC_CLOSED_MASTER_REPLACED: {
    summary:
      'A master whose place another one had taken came back after a restart of the server; it may have written meanwhile.',
    remedy:
      'Let a supervisor start it again: a fresh process joins at once. If it is frequent, look for long pauses of the master, or for broken lines between it and the server.',
    closeCode: 4501,
  },
  IPC_CLOSED_OLD_MASTER: {
    summary: 'A master came back with locks from before its line broke; a fresh process must take its place.',
    remedy: 'Let a supervisor start it again.',
    closeCode: 4502,
  },
  IPC_CLOSED_OTHER_FILE: {
    summary:
      'The database file of this process is another one than that of the processes that are connected.',
    remedy:
      'Give all processes of a database the same folder. Give another database another name, or an IPC server of its own.',
    closeCode: 4503,
  },
  IPC_CLOSED_INVARIANT: {
    summary:
      'The server found that what must always be true of this database is not, and ended it rather than do something wrong.',
    remedy:
      'Nothing to do at once: clients connect again by themselves, as after a restart of the server. It is a fault of the server: report the line `broken-invariant` of its log.',
    closeCode: 1011,
  },
  IPC_CLOSED_SILENT: {
    summary:
      'The peer answered no ping for `heartbeatTimeout`, or for `reconnectGrace` while others waited for it.',
    remedy: 'Look for a stopped process, long synchronous work in it, or a broken line.',
    closeCode: 4000,
  },

  // The client inside of AceBase processes. `install()` throws them; the last two reject operations.
  IPC_CLIENT_NO_ACEBASE: {
    summary: 'No acebase package is found from the working directory, the program, or this package.',
    remedy:
      'Install acebase, or name its folder in `packages`; if a bundler put it into the program, give it to `install({ acebase })`.',
  },
  IPC_CLIENT_RUNTIME: {
    summary: 'The client cannot run in Bun, whose `ws` lacks what it needs.',
    remedy: 'Use Node.js or Deno, or leave the client out: stock AceBase works with the server in Bun.',
  },
  IPC_CLIENT_UNKNOWN_ACEBASE: {
    summary: 'An acebase package is not of a version or shape that this client knows; nothing was changed.',
    remedy: 'Use acebase 1.18 to 1.29, a newer acebase-ipc-server, or go on without the client.',
  },
  IPC_CLIENT_UNPATCHED: {
    summary:
      'A copy of AceBase without the client has opened a database: this process has a stock client there.',
    remedy:
      'Call `install()` before the first `new AceBase()`; if a bundler put AceBase into the program, with `install({ acebase })`.',
  },
  IPC_CLIENT_BAD_OPTION: {
    summary: 'An option of `install()` is not allowed.',
    remedy: 'The message names it, and what is allowed.',
  },
  IPC_CLIENT_BAD_SETTING: {
    summary: 'A setting in `storage.ipc` is not allowed.',
    remedy: 'The message names it, and what is allowed.',
  },
  IPC_CLIENT_GAVE_UP: {
    summary: 'The IPC server does not let this process take part, and will not; the database is closed.',
    remedy: 'The message says why. End the process, and let a supervisor start it again.',
  },
  IPC_CLIENT_NO_ROLE: {
    summary: '`storage.ipc` has no role, and this server does not run the master of the database.',
    remedy:
      "Start the server with `--master mydb`, or give `role: 'master'` to one process and `'worker'` to all others.",
  },
  IPC_CLIENT_STORAGE_DIFFERS: {
    summary: 'A storage setting differs from that of the master that the server runs.',
    remedy: 'The message names the setting, and both values: give both the same.',
  },
  IPC_CLIENT_FOLDER_IN_USE: {
    summary: 'The folder of the database is in use by the master of an IPC server, or may be.',
    remedy:
      'Connect to that server as a worker (`storage.ipc`), or give this database another folder. If that process has ended, wait for as long as the message says; while it runs, end it first.',
  },
  IPC_CLIENT_LEASE_LOST: {
    summary:
      'The IPC server did not hear this process for so long that others may use what it had locked: the operation was not done, or in part.',
    remedy:
      'Try it again when `onStatus` says `came-back`. Look for a process that was stopped or busy for seconds, or a network that breaks.',
  },
  IPC_CLIENT_LOCK_EXPIRED: {
    summary:
      'A transaction took longer than its lock lasts, which others may have got: nothing of it was written.',
    remedy:
      'Write in smaller parts, or give `storage.lockTimeout` of all processes and `lockTimeout` of the server (in milliseconds there) the same, higher value.',
  },
  IPC_CLIENT_OUTCOME_UNKNOWN: {
    summary:
      'A write was committed, and could not be written to the database file: this process reads and writes nothing more. Who opens the database next finds all of it.',
    remedy: 'Look for what is wrong with the disk, which the message says, and restart the process.',
  },
  IPC_CLIENT_NO_JOURNAL: {
    summary:
      'A log of the database cannot be created in its folder, or cannot be written to: no journal is kept, and a process that is killed may leave a write half done.',
    remedy:
      "Give the process permission to write to the folder and the logs in it, and restart it; or set `journal: 'off'`, which is the same without this warning.",
  },
  IPC_CLIENT_NO_TRANSACTION_LOG: {
    summary:
      'The transaction log of the database lacks a write that was committed before a crash or on a full disk, and this process was opened without that log: it reads, and writes nothing, since the entry would be lost.',
    remedy:
      'Open the database once with `transactions: { log: true }`, which adds the entry. If the log is not needed any more, close the database, remove `transaction.db`, and open it again.',
  },
  IPC_CLIENT_CLOSED: {
    summary:
      'The database was closed, and the IPC server had not let this process in yet, or was not there any more: the operation was not done, or in part.',
    remedy: 'Nothing to do, if it was meant to be closed. Else start the IPC server first, or wait longer.',
  },
  IPC_CLIENT_QUEUE_FULL: {
    summary: 'The IPC server is not there, and as much as may be kept waits for it already.',
    remedy: 'Start the IPC server, and try the operation again.',
  },
  IPC_CLIENT_MESSAGE_TOO_LONG: {
    summary: 'The IPC server does not take a message of that length; it is left out.',
    remedy: 'Store smaller values, or raise `maxHttpMessage` of the server.',
  },

  // Answers that the server gives in the master's name (docs/PROTOCOL.md, section 6).
  IPC_REQUEST_DRAINING: {
    summary: 'The server stops, and no master was asked: nothing was done.',
    remedy: 'Try the operation again when the server is back.',
  },
  IPC_REQUEST_NO_MASTER: {
    summary: 'No master was connected for `masterTimeout` while a request waited for it.',
    remedy:
      'Start the process with role `master`, or find out why it cannot connect. Where the server runs the master, its log says why.',
  },
  IPC_REQUEST_MASTER_LOST: {
    summary: 'The master went away before it answered, and the request cannot be asked again safely.',
    remedy: 'Try the operation again.',
  },
  IPC_REQUEST_TOO_MANY: {
    summary:
      'The requests of the worker that wait for their turn, or for locks, and the locks that it holds, take `maxMailPerPeer` bytes.',
    remedy:
      'Write in smaller parts, or raise `maxMailPerPeer` if the server has the memory. Check that the master is not stopped or overloaded.',
  },
  IPC_REQUEST_NO_MEMORY: {
    summary:
      'What the server keeps takes half of `maxTotalBuffered`, and no other database has more of it than this one.',
    remedy:
      'Try the operation again later. Look for processes of this database that are disconnected, do not read, or wait for a master; raise `maxTotalBuffered` if the server has the memory.',
  },
  IPC_REQUEST_LOCK_LOST: {
    summary: 'This lock is not held, or no longer: it has expired, or its holder was given up.',
    remedy: 'Try the operation again. If it took longer than `lockTimeout`, write in smaller parts.',
  },
  IPC_REQUEST_KEY_TABLE_FULL: {
    summary: 'The key table of the database file may be full, so the key is written out in full.',
    remedy: 'Nothing to do. Files with fewer different keys are smaller.',
  },
  IPC_REQUEST_MAILBOX_FULL: {
    summary: 'The requests that wait for the master of the database take `maxMailPerPeer` bytes.',
    remedy: 'Start the master of this database, or find out why it does not answer.',
  },
} as const satisfies Record<string, ErrorDefinition>;

/** A code of the table {@link ERRORS}. */
export type ErrorCode = keyof typeof ERRORS;

/** The codes that refuse a connection or a request with an HTTP status. */
export type RefusalCode = {
  [C in ErrorCode]: (typeof ERRORS)[C] extends { status: number } ? C : never;
}[ErrorCode];

/** The codes that end a WebSocket connection. */
export type ClosureCode = {
  [C in ErrorCode]: (typeof ERRORS)[C] extends { closeCode: number } ? C : never;
}[ErrorCode];

/** What to do about an error of which another process tells; `undefined` if the table has no such code. */
export function remedyOf(code: string | undefined): string | undefined {
  const table: Readonly<Record<string, ErrorDefinition | undefined>> = ERRORS;
  return table[code ?? '']?.remedy;
}

/** An error with a code of the table {@link ERRORS}. */
export class IPCError extends Error {
  override readonly name = 'IPCError';
  /** The code, stable across versions. */
  readonly code: ErrorCode;
  /** What to do about it: one sentence. */
  readonly remedy: string;

  /**
   * @param code a code of the table
   * @param detail what exactly is wrong here; default: the summary of the table
   * @param options `cause`: the error below this one
   */
  constructor(code: ErrorCode, detail: string = ERRORS[code].summary, options?: ErrorOptions) {
    super(detail, options);
    this.code = code;
    this.remedy = ERRORS[code].remedy;
  }
}
