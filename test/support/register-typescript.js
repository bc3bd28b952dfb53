/**
 * `import './register-typescript.js'` lets plain Node 20 import the TypeScript of this folder's neighbours, so that
 * `npm run torture` and `npm run test:matrix` share their code with the tests.
 */
import { register } from 'node:module';

register('./typescript-loader.js', import.meta.url);
