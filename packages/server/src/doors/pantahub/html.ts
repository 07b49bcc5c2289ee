/** Pages for people, written by the server: they load nothing, run nothing, and no other page may frame them. */

/** The style of all of them. */
const style = `
  body { font: 1rem/1.5 system-ui, sans-serif; max-width: 22rem; margin: 4rem auto; padding: 0 1rem; color-scheme: light dark }
  label { display: block; margin: 1rem 0 }
  input { display: block; width: 100%; box-sizing: border-box; font: inherit; padding: .5rem }
  button { font: inherit; padding: .5rem 1rem; margin: 0 .5rem .5rem 0 }
  [role=alert] { font-weight: bold }
`

export interface HtmlPage {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly text: string
}

/** A page. `formTo`: the origins its form leads to in the end; browsers hold redirects against them too. */
export function htmlPage(about: {
  readonly title: string
  readonly body: string
  readonly status: number
  readonly formTo: readonly string[]
}): HtmlPage {
  const { title, body, status, formTo } = about
  return {
    status,
    headers: {
      'content-type': 'text/html; charset=utf-8',
      'cache-control': 'no-store',
      'content-security-policy': `default-src 'none'; style-src 'unsafe-inline'; form-action 'self' ${formTo.join(' ')}; frame-ancestors 'none'; base-uri 'none'`,
      'referrer-policy': 'no-referrer',
      'x-content-type-options': 'nosniff',
    },
    text: `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escaped(title)}</title>
<style>${style}</style>
<h1>${escaped(title)}</h1>
${body}</html>
`,
  }
}

/** A text, so that none of it is markup. */
export function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (sign) => `&#${sign.charCodeAt(0)};`)
}
