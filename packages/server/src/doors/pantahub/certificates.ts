/**
 * Devices that log in by a client certificate (Pantahub wire facts 2.5): the subject's serial number is the device's id.
 *
 * The certificate comes from the TLS connection itself, or in a header from a proxy that ended it; a proxy is believed
 * when its address is among the trusted ones and it knows the shared token. Either way it has to be signed by one of the
 * authorities of `--client-ca` itself (an intermediate authority is listed there like any other), be within its time,
 * be no authority's own, and be named by none of the lists of `--client-crl`. Whatever is wrong is told as wrong
 * credentials.
 */
import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { isIP, isIPv6 } from 'node:net'
import { TLSSocket } from 'node:tls'
import { DeviceId, type Instant, refuse } from '@waymark/domain'
import { blockListOf } from '../../config-kinds.ts'
import type { House } from '../../house.ts'
import { sameSecret } from '../../keys.ts'
import { StartFailure } from '../../serve.ts'
import type { Asked, Handlers } from './answer.ts'
import { tokenReply } from './login.ts'
import { openRevocations, type Revocations } from './revocations.ts'

const tokenHeader = 'pantahub-tls-proxy-token'
const certificateHeader = 'pantahub-tls-client-cert'
const certificateCharsMax = 16 * 1024
const authoritiesMax = 64
/** RFC 5280 4.2.1.12: fit to prove a client. */
const clientAuth = '1.3.6.1.5.5.7.3.2'

export function certificateHandlers(house: House): Pick<Handlers, 'loginByCertificate'> {
  const { clientCa, clientCrl, tlsProxyToken, trustedProxies } = house.config
  const authorities = clientCa === undefined ? [] : readAuthorities(clientCa)
  const revocations = clientCrl === undefined ? undefined : readRevocations(house, clientCrl)
  const trusted = blockListOf(trustedProxies)

  return {
    async loginByCertificate(asked) {
      const shown = certificateOf(asked)
      const id = shown && deviceOf(shown, authorities, house.clock.now())
      if (id && revocations?.revokes(shown)) return refuse({ kind: 'wrong-credentials' })
      const token = id && (await house.access.tokenForDevice(id))
      return token ? tokenReply(token) : refuse({ kind: 'wrong-credentials' })
    },
  }

  function certificateOf({ raw, headers }: Asked<undefined>): X509Certificate | undefined {
    const passedOn = headers[certificateHeader]
    if (passedOn === undefined)
      return raw.socket instanceof TLSSocket ? raw.socket.getPeerX509Certificate() : undefined
    const token = headers[tokenHeader]
    const knows = tlsProxyToken !== undefined && typeof token === 'string' && sameSecret(token, tlsProxyToken)
    const address = (raw.socket.remoteAddress ?? '').replace(/^::ffff:(?=\d+\.)/i, '')
    const fromProxy = isIP(address) !== 0 && trusted.check(address, isIPv6(address) ? 'ipv6' : 'ipv4')
    return knows && fromProxy && typeof passedOn === 'string' ? readCertificate(passedOn) : undefined
  }
}

/** The device a certificate vouches for; undefined when it vouches for none. */
export function deviceOf(
  shown: X509Certificate,
  authorities: readonly X509Certificate[],
  now: Instant,
): DeviceId | undefined {
  const signed = authorities.some(
    (authority) =>
      authority.ca &&
      isCurrent(authority, now) &&
      shown.checkIssued(authority) &&
      shown.verify(authority.publicKey),
  )
  const uses: readonly string[] | undefined = shown.keyUsage
  const forClients = uses === undefined || uses.includes(clientAuth)
  if (!signed || shown.ca || !isCurrent(shown, now) || !forClients) return undefined
  const subject: Readonly<Record<string, unknown>> = { ...shown.toLegacyObject().subject }
  // Given twice it is an array, and no id.
  return DeviceId.parse(subject.serialNumber)
}

function isCurrent({ validFrom, validTo }: X509Certificate, now: Instant): boolean {
  return Date.parse(validFrom) <= now && now <= Date.parse(validTo)
}

/** A certificate as proxies write it into a header: PEM with its line breaks encoded, or the base64 of its bytes. */
function readCertificate(text: string): X509Certificate | undefined {
  if (text.length > certificateCharsMax) return undefined
  try {
    const plain = text.includes('%') ? decodeURIComponent(text) : text
    const body =
      /^\s*(?:-----BEGIN CERTIFICATE-----)?([A-Za-z0-9+/=\s]+)(?:-----END CERTIFICATE-----)?\s*$/.exec(plain)
    return body?.[1] === undefined ? undefined : new X509Certificate(Buffer.from(body[1], 'base64'))
  } catch {
    return undefined
  }
}

function readRevocations(house: House, file: string): Revocations {
  try {
    return openRevocations(file, (error) =>
      house.log.error({ err: error, file }, 'client-crl cannot be read'),
    )
  } catch (error) {
    const got = error instanceof Error ? error.message : String(error)
    throw new StartFailure(`client-crl ${file}: wanted revocation lists (PEM), got ${got}`)
  }
}

function readAuthorities(file: string): readonly X509Certificate[] {
  try {
    const blocks = readFileSync(file, 'utf8').match(
      /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g,
    )
    if (!blocks || blocks.length > authoritiesMax) throw new Error(`${blocks?.length ?? 0} of them`)
    return blocks.map((block) => new X509Certificate(block))
  } catch (error) {
    const got = error instanceof Error ? error.message : String(error)
    throw new StartFailure(`client-ca ${file}: wanted 1 to ${authoritiesMax} certificates (PEM), got ${got}`)
  }
}
