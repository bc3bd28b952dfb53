// TypeScript itself does it, too, but takes a second to load, in each process that is started.
import { transformSync } from 'rolldown/utils';

/**
 * TypeScript as JavaScript, with its source map inline.
 *
 * @param {string} source the text of the module
 * @param {string} name for messages and the source map
 * @returns {string}
 */
export function stripTypes(source, name) {
  const { code, map, errors } = transformSync(name, source, {
    sourcemap: true,
    target: 'es2022',
    typescript: { onlyRemoveTypeImports: true },
  });
  if (errors.length > 0) throw new SyntaxError(`${name}: ${errors.map(({ message }) => message).join('\n')}`);
  const inline = Buffer.from(JSON.stringify(map)).toString('base64');
  return `${code}\n//# sourceMappingURL=data:application/json;base64,${inline}\n`;
}
