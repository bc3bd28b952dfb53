import { existsSync } from 'node:fs';

/** Where nginx is, or `undefined` if there is none. */
export const nginxPath: string | undefined = [
  process.env['NGINX_PATH'],
  '/usr/sbin/nginx',
  '/usr/bin/nginx',
  '/usr/local/sbin/nginx',
  '/opt/homebrew/bin/nginx',
].find((path) => path !== undefined && existsSync(path));
