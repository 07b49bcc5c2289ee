/** The one page of these forms: where a person logs in for the service that sent the browser. */
import { escaped, htmlPage } from '../html.ts'
import type { WalkAnswer } from './answer.ts'

/** The page: a form that posts identity and secret back with the code. */
export function loginPage(about: { code: string; note: string; status: number; base: string }): WalkAnswer {
  const { code, note, status, base } = about
  const body = `${note === '' ? '' : `<p role="alert">${escaped(note)}</p>`}
<form method="post" action="/v1/auth">
  <input type="hidden" name="code" value="${escaped(code)}">
  <label>Identity <input name="identity" autocomplete="username" required autofocus></label>
  <label>Secret <input name="secret" type="password" autocomplete="current-password" required></label>
  <button>Log in</button>
</form>
`
  return htmlPage({ title: 'Log in', body, status, formTo: [new URL(base).origin] })
}
