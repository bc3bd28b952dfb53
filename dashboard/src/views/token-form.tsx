import { useEffect, useRef, useState } from 'preact/hooks';
import { tokenFault } from '../token.js';

interface TokenFormProps {
  readonly wasWrong: boolean;
  readonly onToken: (token: string) => void;
}

/** Asks for the token. It leaves the page in a header only. */
export function TokenForm({ wasWrong, onToken }: TokenFormProps) {
  const input = useRef<HTMLInputElement>(null);
  const [fault, setFault] = useState<string>();
  const [isShown, setShown] = useState(false);
  // Whoever opens the page came for this field.
  useEffect(() => input.current?.focus(), []);
  const complaint = fault ?? (wasWrong ? 'The server does not accept this token.' : undefined);
  const submit = (event: Event): void => {
    event.preventDefault();
    const text = input.current?.value.trim() ?? '';
    const found = tokenFault(text);
    setFault(found);
    if (found === undefined) onToken(text);
    else input.current?.focus();
  };
  return (
    // By POST, so that a token could not get into an address even if the script failed.
    <form class="token" method="post" onSubmit={submit}>
      <h2>This server wants a token</h2>
      <p id="token-help">
        The one that its AceBase processes show (the option <code>token</code>, or what is in its{' '}
        <code>tokenFile</code>) opens their databases; <code>adminToken</code>, if there is one, opens all. It
        stays in this tab until you close it, and goes to no other server.
      </p>
      <label for="token">Token</label>
      <div class="field">
        <input
          id="token"
          ref={input}
          {...(isShown ? { type: 'text' as const } : { type: 'password' as const })}
          autocomplete="off"
          autocapitalize="none"
          spellcheck={false}
          aria-invalid={complaint !== undefined}
          aria-describedby="token-fault token-help"
        />
        <button type="button" class="plain" aria-pressed={isShown} onClick={() => setShown(!isShown)}>
          Show
        </button>
        <button type="submit" class="main">
          Open
        </button>
      </div>
      <p id="token-fault" class="fault" role="alert">
        {complaint}
      </p>
    </form>
  );
}
