/**
 * CONTROL.md, written from the tables: what the control socket takes, who may ask, which operations there are.
 */
import { operations } from './commands.ts'
import { type Route, routes } from './routes.ts'

/** The document as one text. */
export function controlDocument(): string {
  return `# The control socket

Written from the tables in \`src/control/routes.ts\` and \`src/control/commands.ts\`; a test keeps it so.

The agent listens on a Unix socket, \`control/pv-ctrl\` in its data folder unless \`--control FOLDER\` says otherwise, and on
one of each container, whose path the container finds in \`WAYMARK_CONTROL\`. Programs written for Pantavisor's \`pv-ctrl\`
work on it; \`waymark ctl\` is a client:

    curl --unix-socket agent/control/pv-ctrl http://localhost/containers
    waymark ctl --socket agent/control/pv-ctrl containers

Success is 200 with JSON, text, bytes or nothing; an error is \`{"Error":"…"}\`. *mgmt* means programs of the host, and
containers with that role; rows marked *own* are not Pantavisor's.

## Requests

| request | who | body | beside 200 | what |
| --- | --- | --- | --- | --- |
${routes.map(routeRow).join('\n')}

\`{rev}\` is a number, \`current\` or \`locals/NAME\`. Paths are not percent-decoded.

## Operations of POST /commands

| op | payload | during an update | what |
| --- | --- | --- | --- |
${operations.map((each) => `| \`${each.op}\`${'own' in each ? ' (own)' : ''} | ${payloads[each.payload]} | ${each.update ? '503' : 'taken'} | ${each.about} |`).join('\n')}
`
}

const payloads = {
  rev: 'a revision',
  'rev-or-nothing': 'a revision or `""`',
  text: 'text, may be `""`',
  meta: 'an object',
} as const

function routeRow({ method, path, needs, body, refuses, about, own }: Route): string {
  const taken = body === 'none' ? '' : body === 'stream' ? 'any length' : `at most ${body.bytes} bytes`
  const who = needs === 'mgmt' ? 'mgmt' : 'any container'
  return `| \`${method} ${path}\`${own ? ' (own)' : ''} | ${who} | ${taken} | ${refuses.join(', ')} | ${about} |`
}
