import { useState } from 'preact/hooks';
import { exampleCode } from '../cluster.js';

/** How to connect the first process. */
export function Empty({ hasToken }: { readonly hasToken: boolean }) {
  return (
    <section class="empty" aria-labelledby="empty-title">
      <h2 id="empty-title">No process is connected yet</h2>
      <p>The server is up and waits for AceBase processes. To connect the first one:</p>
      <ol>
        <li>
          <p>Install AceBase and the package that it connects with:</p>
          <Code text="npm install acebase ws" />
        </li>
        <li>
          <p>
            Open the database in one process, the <em>master</em>:
          </p>
          <Code text={exampleCode(location, 'master', hasToken)} />
        </li>
        <li>
          <p>
            Give all other processes the same code, with <code>role: 'worker'</code>. They appear here as they
            connect.
          </p>
        </li>
      </ol>
    </section>
  );
}

function Code({ text }: { readonly text: string }) {
  const [isCopied, setCopied] = useState(false);
  const copy = async (): Promise<void> => {
    await navigator.clipboard.writeText(text);
    setCopied(true);
  };
  return (
    <div class="code">
      {/* It may be wider than the screen: who has only keys must be able to scroll it. */}
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: scrolling needs the focus */}
      <pre tabIndex={0}>
        <code>{text}</code>
      </pre>
      {/* Browsers have it on secure pages and on localhost only. */}
      {'clipboard' in navigator && navigator.clipboard !== undefined && (
        <button type="button" class="plain" onClick={() => void copy()}>
          {isCopied ? 'Copied' : 'Copy'}
        </button>
      )}
    </div>
  );
}
