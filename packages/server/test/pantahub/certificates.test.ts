import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { request } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { localCertificate } from '../mail-sink.ts'
import { agent, at, openDoor } from './support.ts'

const folder = mkdtempSync(join(tmpdir(), 'waymark-ca-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
const path = (name: string) => join(folder, name)
const openssl = (...args: string[]) => execFileSync('openssl', args, { stdio: 'ignore' })
const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']

function authority(name: string): void {
  openssl(
    'req',
    '-x509',
    ...newKey,
    '-days',
    '30',
    '-subj',
    `/CN=${name}`,
    '-keyout',
    path(`${name}.key`),
    '-out',
    path(`${name}.pem`),
  )
}
/** A client's certificate: with this subject, from this authority, with these extensions. */
function certificate(
  name: string,
  subject: string,
  by = 'ca',
  extensions = 'basicConstraints=CA:FALSE',
  days = '10',
  serial = '7',
) {
  openssl('req', ...newKey, '-subj', subject, '-keyout', path(`${name}.key`), '-out', path(`${name}.csr`))
  writeFileSync(path(`${name}.ext`), extensions)
  const signer = ['-CA', path(`${by}.pem`), '-CAkey', path(`${by}.key`), '-set_serial', serial]
  openssl(
    'x509',
    '-req',
    '-in',
    path(`${name}.csr`),
    ...signer,
    '-days',
    days,
    '-extfile',
    path(`${name}.ext`),
    '-out',
    path(`${name}.pem`),
  )
  return { cert: readFileSync(path(`${name}.pem`)), key: readFileSync(path(`${name}.key`)) }
}
authority('ca')
authority('stranger')

const proxyToken = 'known to the proxy and us'
const door = await openDoor(
  {
    flags: ['--client-ca', path('ca.pem'), '--trusted-proxies', '127.0.0.1'],
    env: { WAYMARK_TLS_PROXY_TOKEN: proxyToken },
  },
  afterAll,
)
const own = localCertificate()
const tls = await door.listenTls({ ...own, ca: readFileSync(path('ca.pem')) })
const owner = await door.person()
const device = await door.deviceOf(owner)
const good = certificate('good', `/CN=x/serialNumber=${device.id}`)

function overTls(shown?: { cert: Buffer; key: Buffer }): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const asked = request(`${tls.url}/auth/x509/login`, {
      method: 'POST',
      ca: own.cert,
      servername: 'localhost',
      headers: { 'user-agent': agent },
      agent: false,
      ...shown,
    })
    asked.on('response', (answer) => {
      let text = ''
      answer.on('data', (piece) => {
        text += String(piece)
      })
      answer.on('end', () => resolve({ status: answer.statusCode ?? 0, text }))
    })
    asked.on('error', reject)
    asked.end()
  })
}
const throughProxy = (cert: string, token: string | undefined = proxyToken, from = door) =>
  from.call('POST', '/auth/x509/login', {
    headers: {
      'pantahub-tls-client-cert': cert,
      ...(token === undefined ? {} : { 'pantahub-tls-proxy-token': token }),
    },
  })
const pem = encodeURIComponent(good.cert.toString())

describe('client certificates', () => {
  test('[XC1] over TLS: the token of the device that the serial number names', async () => {
    const { status, text } = await overTls(good)
    expect([status, Object.keys(JSON.parse(text) as object)]).toEqual([200, ['token']])
    const token = (JSON.parse(text) as { token: string }).token
    const claims = (await door.must('GET', '/auth/auth_status', { token })).json
    expect([at(claims, 'prn'), at(claims, 'type'), at(claims, 'owner')]).toEqual([
      device.prn,
      'DEVICE',
      owner.prn,
    ])
  })

  test('[XC1] whoever shows no certificate is served all the same, and not logged in', async () => {
    expect((await overTls()).status).toBe(401)
    expect((await door.call('POST', '/auth/x509/login')).status).toBe(401)
  })

  for (const [why, make] of [
    ['of another authority', () => certificate('foreign', `/serialNumber=${device.id}`, 'stranger')],
    ['of a device that is not there', () => certificate('absent', '/serialNumber=0123456789abcdef01234567')],
    ['without a serial number', () => certificate('plain', `/CN=${device.id}`)],
    ['with two', () => certificate('two', `/serialNumber=${device.id}/serialNumber=${device.id}`)],
    ['with one that is no id', () => certificate('none', '/serialNumber=x')],
    [
      'of an authority itself',
      () => certificate('below', `/serialNumber=${device.id}`, 'ca', 'basicConstraints=CA:TRUE'),
    ],
    [
      'for servers alone',
      () => certificate('server', `/serialNumber=${device.id}`, 'ca', 'extendedKeyUsage=serverAuth'),
    ],
  ] as const)
    test(`[XC3] a certificate ${why} is 401`, async () => {
      const shown = make()
      expect((await overTls(shown)).status).toBe(401)
      expect((await throughProxy(encodeURIComponent(shown.cert.toString()))).status).toBe(401)
    })

  test('[XC3] one that has run out is 401, and so is that of a deleted device', async () => {
    const later = await openDoor({
      flags: ['--client-ca', path('ca.pem'), '--trusted-proxies', '127.0.0.1'],
      env: { WAYMARK_TLS_PROXY_TOKEN: proxyToken },
    })
    const person = await later.person()
    const other = await later.deviceOf(person)
    const shown = encodeURIComponent(certificate('brief', `/serialNumber=${other.id}`).cert.toString())
    expect((await throughProxy(shown, proxyToken, later)).status).toBe(200)
    later.pass(11 * 24 * 3600_000)
    expect((await throughProxy(shown, proxyToken, later)).status).toBe(401)
    later.pass(-11 * 24 * 3600_000)
    await later.must('DELETE', `/devices/${other.id}`, { token: person.token })
    expect((await throughProxy(shown, proxyToken, later)).status).toBe(401)
  })

  test('[XC2] through a proxy: encoded PEM or base64, with the token that it shares', async () => {
    const body = good.cert.toString().replace(/-----[^-]+-----|\s/g, '')
    for (const text of [pem, body]) expect((await throughProxy(text)).status).toBe(200)
    for (const token of [undefined, '', 'wrong'])
      expect((await throughProxy(pem, token ?? '')).status).toBe(401)
  })

  test('[XC2] a proxy that is not trusted, or where no token is set, is not believed', async () => {
    for (const options of [
      { flags: ['--client-ca', path('ca.pem')], env: { WAYMARK_TLS_PROXY_TOKEN: proxyToken } },
      { flags: ['--client-ca', path('ca.pem'), '--trusted-proxies', '127.0.0.1'] },
      { flags: ['--trusted-proxies', '127.0.0.1'], env: { WAYMARK_TLS_PROXY_TOKEN: proxyToken } },
    ]) {
      const other = await openDoor(options)
      const its = await other.deviceOf(await other.person())
      const shown = certificate('its', `/serialNumber=${its.id}`).cert.toString()
      for (const token of [proxyToken, ''])
        expect((await throughProxy(encodeURIComponent(shown), token, other)).status).toBe(401)
    }
  })

  for (const text of [
    '',
    'x',
    '%',
    '%00',
    '-----BEGIN CERTIFICATE-----',
    'A'.repeat(10_000),
    pem.slice(0, 200),
    `${pem}${pem}`,
  ])
    test(`[XC3] ${text.slice(0, 30)}… (${text.length}) is no certificate: 401`, async () => {
      expect((await throughProxy(text)).status).toBe(401)
    })

  test('[XC1] a file without authorities stops the start', async () => {
    writeFileSync(path('empty.pem'), 'nothing')
    for (const file of [path('empty.pem'), path('nowhere.pem')])
      await expect(openDoor({ flags: ['--client-ca', file] })).rejects.toThrow(/client-ca .*: wanted 1 to 64/)
  })
})

describe('revocation lists', () => {
  /** A list of the authority, of what has been revoked so far. */
  function list(...revoked: string[]): void {
    writeFileSync(
      path('ca.cnf'),
      `[ca]\ndefault_ca=d\n[d]\ndatabase=${path('index.txt')}\ncrlnumber=${path('crlnumber')}\ndefault_md=sha256\ndefault_crl_days=1\n`,
    )
    writeFileSync(path('index.txt'), '')
    writeFileSync(path('crlnumber'), '01\n')
    const signing = ['-config', path('ca.cnf'), '-cert', path('ca.pem'), '-keyfile', path('ca.key')]
    for (const name of revoked) openssl('ca', ...signing, '-revoke', path(`${name}.pem`))
    openssl('ca', ...signing, '-gencrl', '-out', path('crl.pem'))
  }

  test('[XC4] what a list names gets in no more, from the moment the file says so; others of the authority do', async () => {
    list()
    const flags = [
      '--client-ca',
      path('ca.pem'),
      '--client-crl',
      path('crl.pem'),
      '--trusted-proxies',
      '127.0.0.1',
    ]
    const strict = await openDoor({ flags, env: { WAYMARK_TLS_PROXY_TOKEN: proxyToken } })
    const their = await strict.person()
    const [lost, kept] = [await strict.deviceOf(their), await strict.deviceOf(their)]
    certificate('lost', `/CN=x/serialNumber=${lost.id}`, 'ca', undefined, undefined, '0x00fedcba9876543210')
    certificate('kept', `/CN=x/serialNumber=${kept.id}`, 'ca', undefined, undefined, '0x10')
    const enter = (name: string) =>
      strict.call('POST', '/auth/x509/login', {
        headers: {
          'pantahub-tls-proxy-token': proxyToken,
          'pantahub-tls-client-cert': encodeURIComponent(readFileSync(path(`${name}.pem`), 'utf8')),
        },
      })
    expect([(await enter('lost')).status, (await enter('kept')).status]).toEqual([200, 200])
    list('lost')
    expect([(await enter('lost')).status, (await enter('kept')).status]).toEqual([401, 200])
    // A spoilt file changes nothing, and is told of.
    writeFileSync(path('crl.pem'), 'nonsense')
    expect([(await enter('lost')).status, (await enter('kept')).status]).toEqual([401, 200])
    expect(strict.logged()).toContain('client-crl cannot be read')
  })

  for (const [what, text] of Object.entries({
    'no list': 'nothing',
    'a list cut short': '-----BEGIN X509 CRL-----\nMIIB\n-----END X509 CRL-----\n',
    'a list of another form': '-----BEGIN X509 CRL-----\nMAMCAQE=\n-----END X509 CRL-----\n',
  }))
    test(`[XC4] a file with ${what} stops the start with a line that names it`, async () => {
      writeFileSync(path('bad.pem'), text)
      await expect(
        openDoor({ flags: ['--client-ca', path('ca.pem'), '--client-crl', path('bad.pem')] }),
      ).rejects.toThrow(/client-crl .*bad\.pem: wanted revocation lists/)
    })
})
