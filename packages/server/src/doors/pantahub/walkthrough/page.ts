/** The one page of these forms: where a person logs in for the service that sent the browser. */
import type { WalkAnswer } from './answer.ts'

/** The page: a form that posts identity and secret back with the code. It loads nothing, and no other page may frame it. */
export function loginPage(about: { code: string; note: string; status: number; base: string }): WalkAnswer {
  const { code, note, status, base } = about
  const html = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Log in</title>
<style>
  body { font: 1rem/1.5 system-ui, sans-serif; max-width: 22rem; margin: 4rem auto; padding: 0 1rem; color-scheme: light dark }
  label { display: block; margin: 1rem 0 }
  input { display: block; width: 100%; box-sizing: border-box; font: inherit; padding: .5rem }
  button { font: inherit; padding: .5rem 1rem }
  [role=alert] { font-weight: bold }
</style>
<h1>Log in</h1>
${note === '' ? '' : `<p role="alert">${escaped(note)}</p>`}
<form method="post" action="/v1/auth">
  <input type="hidden" name="code" value="${escaped(code)}">
  <label>Identity <input name="identity" autocomplete="username" required autofocus></label>
  <label>Secret <input name="secret" type="password" autocomplete="current-password" required></label>
  <button>Log in</button>
</form>
</html>
`
  return {
    status,
    headers: {
      'content-type': 'text/html; charset=utf-8',
      'content-security-policy': `default-src 'none'; style-src 'unsafe-inline'; form-action 'self' ${new URL(base).origin}; frame-ancestors 'none'; base-uri 'none'`,
      'referrer-policy': 'no-referrer',
      'x-content-type-options': 'nosniff',
    },
    text: html,
  }
}

function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (sign) => `&#${sign.charCodeAt(0)};`)
}
