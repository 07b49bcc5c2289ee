import { createServer } from 'node:http'
import { describe, expect, onTestFinished, test } from 'vitest'
import { parseConfig } from '../../src/config.ts'
import { at, openDoor } from './support.ts'

/** A judge that takes `solved` once, from whoever knows the secret, and that can be made to misbehave. */
async function fakeJudge() {
  const asked: Record<string, string>[] = []
  const said = { instead: undefined as { status: number; body: string } | undefined }
  const server = createServer((request, response) => {
    let body = ''
    request.on('data', (piece) => {
      body += String(piece)
    })
    request.on('end', () => {
      const form = Object.fromEntries(new URLSearchParams(body))
      const used = asked.some((before) => before.response === form.response)
      asked.push(form)
      if (said.instead) {
        response.writeHead(said.instead.status, { location: 'http://127.0.0.1:1/' }).end(said.instead.body)
        return
      }
      const success = form.secret === 'between us' && form.response === 'solved' && !used
      response.end(JSON.stringify({ success, 'error-codes': success ? [] : ['invalid-input-response'] }))
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  const address = server.address()
  const url = `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}/siteverify`
  return { url, asked, said }
}

async function openGuarded() {
  const judge = await fakeJudge()
  const door = await openDoor({
    flags: ['--captcha-verify', judge.url, '--captcha-page', 'https://www.example.com/signup'],
    env: { WAYMARK_CAPTCHA_SECRET: 'between us' },
  })
  const newcomer = { email: 'n@example.com', nick: 'newcomer', password: 'right' }
  const post = (body: object) => door.call('POST', '/auth/accounts', { body })
  const sealed = async () => String(at((await post(newcomer)).json, 'token'))
  const logsIn = async () =>
    (await door.call('POST', '/auth/login', { body: { username: 'newcomer', password: 'right' } })).status
  return { judge, door, newcomer, post, sealed, logsIn }
}

describe('captchas', () => {
  test('[AU21] who asks without one is sent to the page with the account sealed; it is made when the page posts both', async () => {
    const { judge, post, newcomer, logsIn } = await openGuarded()
    const told = await post(newcomer)
    const token = String(at(told.json, 'token'))
    expect(told.json).toEqual({ token, 'redirect-uri': `https://www.example.com/signup#account=${token}` })
    expect(token).toMatch(/^[\w.-]+$/)
    expect(token).not.toContain(Buffer.from('right').toString('base64url'))
    expect([await logsIn(), judge.asked]).toEqual([401, []])
    const made = await post({ 'encrypted-account': token, captcha: 'solved' })
    expect([made.status, at(made.json, 'nick'), at(made.json, 'email')]).toEqual([
      200,
      'newcomer',
      'n@example.com',
    ])
    expect(judge.asked).toEqual([{ secret: 'between us', response: 'solved', remoteip: '127.0.0.1' }])
    expect(await logsIn()).toBe(200)
    expect((await post({ 'encrypted-account': token, captcha: 'solved' })).status).toBe(412)
  })

  test('[AU21] one that comes with the account itself is judged as well', async () => {
    const { post, newcomer } = await openGuarded()
    expect((await post({ ...newcomer, captcha: 'solved' })).status).toBe(200)
  })

  test('[AU21] one that is not solved makes no account: 412 and why, without the secret', async () => {
    const { post, sealed, logsIn } = await openGuarded()
    const refused = await post({ 'encrypted-account': await sealed(), captcha: 'guessed' })
    expect([refused.status, at(refused.json, 'msg')]).toEqual([
      412,
      expect.stringContaining('captcha: wanted a solved one'),
    ])
    expect(refused.text).not.toContain('between us')
    expect(await logsIn()).toBe(401)
  })

  for (const [what, instead] of [
    ['says no', { status: 503, body: '' }],
    ['sends elsewhere', { status: 302, body: '' }],
    ['answers no JSON', { status: 200, body: '<html>' }],
    ['answers no object', { status: 200, body: 'true' }],
    ['does not end', { status: 200, body: ' '.repeat(300_000) }],
  ] as const)
    test(`[AU21] a provider that ${what} makes no account: 502`, async () => {
      const { judge, post, newcomer, logsIn } = await openGuarded()
      judge.said.instead = instead
      expect((await post({ ...newcomer, captcha: 'solved' })).status).toBe(502)
      expect(await logsIn()).toBe(401)
    })

  for (const success of ['"true"', '1', 'null', '{}'])
    test(`[AU21] success ${success} is not true`, async () => {
      const { judge, post, newcomer } = await openGuarded()
      judge.said.instead = { status: 200, body: `{"success":${success}}` }
      expect((await post({ ...newcomer, captcha: 'solved' })).status).toBe(412)
    })

  test('[AU21] an account that was sealed elsewhere, for something else, or changed on the way is refused', async () => {
    const { judge, door, post, sealed } = await openGuarded()
    const token = await sealed()
    const other = await openGuarded()
    const changed = `${token.slice(0, -2)}${token.endsWith('AA') ? 'BB' : 'AA'}`
    const session = door.house.keys.seal('{"nick":"x","email":"x@example.com","password":"x"}', 'elsewhere')
    for (const wrong of ['w1.', changed, session, await other.sealed()]) {
      const refused = await post({ 'encrypted-account': wrong, captcha: 'solved' })
      expect([wrong, refused.status, at(refused.json, 'msg')]).toEqual([
        wrong,
        412,
        expect.stringContaining('encrypted-account: wanted what was given out here'),
      ])
    }
    expect(
      (await post({ 'encrypted-account': 'w'.repeat(9000), captcha: 'solved' })).status,
    ).toBeGreaterThanOrEqual(400)
    expect(judge.asked).toEqual([])
  })

  test('[AU21] what was sealed is good for an hour', async () => {
    const { door, post, sealed } = await openGuarded()
    const token = await sealed()
    door.pass(3600_000)
    const refused = await post({ 'encrypted-account': token, captcha: 'solved' })
    expect([refused.status, at(refused.json, 'msg')]).toEqual([
      412,
      expect.stringContaining('within the hour'),
    ])
  })

  test('[AU21] what an account lacks is told before anybody is sent anywhere', async () => {
    const { post } = await openGuarded()
    const refused = await post({ nick: 'newcomer', password: 'x' })
    expect([refused.status, at(refused.json, 'msg')]).toEqual([412, expect.stringContaining('email')])
  })

  test('[AU21] a judge needs a secret', () => {
    const parsed = parseConfig({ flags: ['--captcha-verify', 'https://judge.example'], env: {} })
    expect(parsed).toMatchObject({
      ok: false,
      refusal: [{ thing: 'captcha-verify', wanted: 'captcha-secret with it' }],
    })
  })
})
