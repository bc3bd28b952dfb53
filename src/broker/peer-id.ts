/** The id under which the master of every database connects [PROTOCOL-2.3]. */
export const MASTER_ID = '[master]';
