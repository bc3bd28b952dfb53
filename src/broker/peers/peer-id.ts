/** The id under which the master of every database connects [PROTOCOL-2.3]. */
export const MASTER_ID = '[master]';

/** The name under which the server itself asks the master for something; no peer can have it. */
export const SERVER_ID = '[server]';
